//! Whether leasing works: a stall never ends a worker, so somebody has to be able to see it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Since when the broker owes an answer. Milliseconds of the worker's monotonic clock, plus one; 0: never.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    last_lease: AtomicU64,
    failing_since: AtomicU64,
}

impl Watchdog {
    /// A lease call succeeded.
    pub(crate) fn leased(&self, now: Duration) {
        self.last_lease.store(stamp(now), Ordering::Relaxed);
        self.failing_since.store(0, Ordering::Relaxed);
    }
    /// A lease call is sent, or has failed.
    pub(crate) fn asking(&self, now: Duration) {
        let _ = self.failing_since.compare_exchange(0, stamp(now), Ordering::Relaxed, Ordering::Relaxed);
    }
    /// How long ago the last lease call succeeded.
    pub(crate) fn last_lease(&self, now: Duration) -> Option<Duration> {
        since(self.last_lease.load(Ordering::Relaxed), now)
    }
    /// How long lease calls have been sent without one success; zero when the last one succeeded.
    pub(crate) fn unanswered(&self, now: Duration) -> Duration {
        since(self.failing_since.load(Ordering::Relaxed), now).unwrap_or_default()
    }
}

fn stamp(now: Duration) -> u64 {
    now.as_millis() as u64 + 1
}

fn since(stamp: u64, now: Duration) -> Option<Duration> {
    (stamp > 0).then(|| now.saturating_sub(Duration::from_millis(stamp - 1)))
}
