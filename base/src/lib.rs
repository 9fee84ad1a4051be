//! base — what every crate stands on: names, time, chance, and the codes that errors are known by.
//! Read `code.rs` for what can go wrong, `clock.rs` for how tests own time.

mod chain;
mod clock;
mod code;
mod disk;
pub mod label;
mod name;
mod random;
mod scope;
mod trace;

pub use chain::chain;
pub use clock::{Clock, ManualClock, Millis, SystemClock, rfc3339};
pub use code::{Code, Page};
pub use disk::{Space, free_space};
pub use name::{Name, NameError};
pub use random::{Random, SeededRandom, SystemRandom};
pub use scope::Scope;
pub use trace::{Trace, TraceError};
