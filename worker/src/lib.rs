//! worker — leases jobs and runs them. Read `attempt.rs` (what happens to one job), `pool.rs` (how it gets here),
//! `heartbeat.rs` (how it is kept), `acks.rs` (how it ends), in that order; `worker.rs` starts and stops them.
//!
//! Three places to run, so that none can hold up another: the caller's runtime leases, acks and reports; a runtime of its own
//! runs the handlers, which may block; one thread of its own extends leases and watches over every attempt.

mod acks;
mod attempt;
mod backend;
mod beat;
mod drain;
mod floor;
mod heartbeat;
mod meter;
mod options;
mod patience;
mod permits;
mod pool;
mod queue;
mod report;
mod running;
mod watchdog;
mod worker;

pub use drain::Drained;
pub use options::{Options, Queues};
pub use report::{Reporter, Returned};
pub use worker::{Status, Worker};

#[cfg(test)]
mod tests;
