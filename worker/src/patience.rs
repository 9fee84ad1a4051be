//! Waits between repeated broker calls: exponential, jittered, bounded, and starting over once a call succeeds.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use longshore_base::{Clock, Random};
use std::time::Duration;

/// The longest wait between two tries: an outage is noticed to be over about this soon.
const LONGEST: Duration = Duration::from_secs(2);

/// One caller's waits.
#[derive(Debug)]
pub(crate) struct Patience {
    waits: Option<ExponentialBackoff>,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { waits: None }
    }
    /// The last call succeeded.
    pub(crate) fn rest(&mut self) {
        self.waits = None;
    }
    /// Waits a little longer than the last time.
    pub(crate) async fn wait(&mut self, clock: &dyn Clock, random: &dyn Random) {
        let next = self.next(random);
        clock.sleep(next).await;
    }
    fn next(&mut self, random: &dyn Random) -> Duration {
        let fresh = || {
            ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(20))
                .with_max_delay(LONGEST)
                .without_max_times()
                .with_jitter()
                .with_jitter_seed(random.bits())
                .build()
        };
        self.waits.get_or_insert_with(fresh).next().unwrap_or(LONGEST)
    }
}

/// `wait` give or take a tenth, so that workers that started together do not call together.
pub(crate) fn jittered(wait: Duration, random: &dyn Random) -> Duration {
    wait.mul_f64(0.9 + 0.2 * random.unit())
}
