//! What an operator may choose about a scheduler. `config` has checked it before.

use std::time::Duration;

/// How a scheduler works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often each queue's time is moved forward, in milliseconds.
    pub tick_ms: u64,
    /// How long workers' leases last, in milliseconds; a queue that was not looked at for half of that holds reaping.
    pub lease_ms: u64,
    /// How often each queue is looked through for jobs whose retention is over, in milliseconds.
    pub retention_ms: u64,
    /// How often the files of each queue are looked through for those that no job claims, in milliseconds.
    pub files_ms: u64,
    /// How long completed and cancelled jobs are kept in their queue unless their kind says otherwise, in milliseconds.
    pub keep_ms: u64,
    /// So many completed and cancelled jobs are kept in a queue at most. Dead ones are not trimmed.
    pub keep_count: u64,
    /// How long dead letters are kept in their queue, in milliseconds; 0: until somebody decides.
    pub dead_keep_ms: u64,
    /// A queue with so many dead letters or more is told; 0: never.
    pub dead_alert: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tick_ms: 500,
            lease_ms: 15_000,
            retention_ms: 10_000,
            files_ms: 3_600_000,
            keep_ms: 24 * 3_600_000,
            keep_count: 100_000,
            dead_keep_ms: 0,
            dead_alert: 10_000,
        }
    }
}

impl Options {
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms)
    }
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_millis(self.retention_ms)
    }
    pub(crate) fn files(&self) -> Duration {
        Duration::from_millis(self.files_ms)
    }
    pub(crate) fn keep(&self) -> Duration {
        Duration::from_millis(self.keep_ms)
    }
    pub(crate) fn dead_keep(&self) -> Option<Duration> {
        (self.dead_keep_ms > 0).then(|| Duration::from_millis(self.dead_keep_ms))
    }
    pub(crate) fn dead_alert(&self) -> Option<u64> {
        Some(self.dead_alert).filter(|cap| *cap > 0)
    }
}
