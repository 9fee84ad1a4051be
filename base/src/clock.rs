//! Time as an argument. Only the binary builds a [`SystemClock`]; tests hold a [`ManualClock`].
//! The broker's own clock decides about leases and due times; this one is for waiting, batching and durations.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// Where a process takes the time from.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Wall-clock time. May jump; never use it to measure a duration.
    fn now(&self) -> Millis;
    /// Time since an arbitrary start; never goes back. Use it to measure durations.
    fn elapsed(&self) -> Duration;
    /// Completes after `wait` has passed on this clock.
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// `time` as RFC 3339 in UTC with milliseconds, the one form that leaves the process.
#[must_use]
pub fn rfc3339(time: Millis) -> String {
    chrono::DateTime::from_timestamp_millis(time)
        .map_or_else(|| format!("{time}ms"), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// The clock for `main`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: std::time::Instant::now() })
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX))
    }
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock {
    inner: Arc<(Mutex<(Millis, Duration)>, Notify)>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self { inner: Arc::new((Mutex::new((now, Duration::ZERO)), Notify::new())) }
    }
    /// Moves time forward and wakes the sleepers whose time has come.
    pub fn advance(&self, by: Duration) {
        {
            let mut time = self.lock();
            time.0 += Millis::try_from(by.as_millis()).unwrap_or(Millis::MAX);
            time.1 += by;
        }
        self.inner.1.notify_waiters();
    }
    /// Sets the wall clock alone, as an operator or NTP would; durations are not touched.
    pub fn jump(&self, to: Millis) {
        self.lock().0 = to;
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, (Millis, Duration)> {
        self.inner.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        self.lock().0
    }
    fn elapsed(&self) -> Duration {
        self.lock().1
    }
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (clock, end) = (self.clone(), self.elapsed() + wait);
        Box::pin(async move {
            loop {
                let moved = clock.inner.1.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                if clock.elapsed() >= end {
                    return;
                }
                moved.await;
            }
        })
    }
}
