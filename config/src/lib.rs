//! config — what an operator may choose. `default.toml` lists every key; [`Settings::load`] merges the layers, checks them,
//! and answers with checked settings or with every fault in one report. Read `settings.rs` first.
//!
//! Nothing else in Longshore reads the environment: [`Environment::read`] does, and only the binary calls it.

mod environment;
mod fault;
mod layers;
mod place;
mod reader;
mod secret;
mod secrets;
mod settings;
mod telemetry;
#[cfg(test)]
mod tests;
mod veil;

pub use environment::Environment;
pub use fault::{Fault, Faults};
pub use layers::Flag;
pub use place::{BrokerPlace, FilesPlace, StorePlace, redacted};
pub use secret::Secret;
pub use secrets::Secrets;
pub use settings::{Api, Keep, Log, LogFormat, Redis, Scheduler, Settings, Shown, Worker};
pub use telemetry::{Sentry, Traces};
pub use veil::Veil;
