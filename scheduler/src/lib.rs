//! scheduler — moves time forward. Read `chore.rs`, then the files in `chores/`, then `scheduler.rs`, which runs them.
//!
//! Any number of schedulers may run; none is a leader. Every chore is a bounded call that the broker makes safe to repeat.

mod alarm;
mod chore;
mod chores;
mod history;
mod options;
mod scheduler;

pub use chore::{Chore, ChoreError, Done};
pub use chores::{Advance, Follow, Letters, Recur, Retain, SweepFiles};
pub use history::{History, HistoryError};
pub use options::Options;
pub use scheduler::{Scheduler, Status};

#[cfg(test)]
mod tests;
