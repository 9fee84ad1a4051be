//! The roles: one small file each, and `process.rs`, which starts and ends what they are made of.

pub(crate) mod api;
pub(crate) mod flags;
mod health;
pub(crate) mod parts;
mod process;
mod ready;
pub(crate) mod scheduler;
mod signals;
mod telemetry;
pub(crate) mod up;
mod veiled;
pub(crate) mod worker;
