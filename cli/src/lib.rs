//! longshore — the binary as a library: a team's own kinds in a team's own crate, with every role and command.
//!
//! ```no_run
//! use longshore::{Context, Failure, Kind, schemars::{self, JsonSchema}, serde::{Deserialize, Serialize}};
//!
//! struct Greet;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(crate = "longshore::serde", deny_unknown_fields)]
//! #[schemars(crate = "longshore::schemars")]
//! struct Args { name: String }
//!
//! #[derive(Serialize, JsonSchema)]
//! #[serde(crate = "longshore::serde")]
//! #[schemars(crate = "longshore::schemars")]
//! struct Greeting { text: String }
//!
//! impl Kind for Greet {
//!     const NAME: &'static str = "team.greet";
//!     type Args = Args;
//!     type Output = Greeting;
//!     async fn run(args: Args, _: &Context) -> Result<Greeting, Failure> {
//!         Ok(Greeting { text: format!("Hello {}", args.name) })
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     longshore::app().kind::<Greet>().main()
//! }
//! ```
//!
//! Read `app.rs`, `command.rs`, `roles/`, in that order.

mod app;
mod client;
mod command;
mod commands;
mod host;
mod length;
mod paint;
mod print;
mod progress;
mod roles;
mod screen;
mod stop;

pub use app::{App, app};
pub use longshore_base::Name;
pub use longshore_jobs::{Cause, Context, Failure, JobRequest, Kind, Level, Retry, Secret, SecretOr, SecretRef, minutes, seconds};
pub use longshore_queue::Keep;
pub use {schemars, serde, serde_json};
