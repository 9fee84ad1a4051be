//! What a broker's tests must provide.

use crate::Broker;
use async_trait::async_trait;
use longshore_base::{Millis, Name};
use std::{sync::Arc, time::Duration};

/// A broker with its server, as one case sees it.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The broker.
    fn broker(&self) -> Arc<dyn Broker>;

    /// A case has opened this queue. A fixture that disturbs its server while the case runs learns here where.
    async fn opened(&self, _queue: &Name) {}

    /// Now, by the clock that the broker decides by.
    async fn now(&self) -> Millis;

    /// Returns when that clock has moved on by at least `by`: a manual one is advanced, a server's is waited for.
    async fn pass(&self, by: Duration);

    /// Whether [`Fixture::pass`] takes no time, so that a case may let minutes pass.
    fn may_skip(&self) -> bool {
        false
    }

    /// Steps that stay in a queue's feed at least: what the broker was opened with.
    fn feed_steps(&self) -> usize {
        crate::FEED_MAX
    }

    /// Nobody has asked for the queue's feed for longer than [`crate::FEED_KEPT`]. Where time cannot be moved, the mark of the last call is.
    async fn lapse(&self, _queue: &Name) {
        self.pass(crate::FEED_KEPT + Duration::from_millis(1)).await;
    }

    /// Everything that is kept for `queue`, as text: every row, or every key of its slot with its value. Left out is what is no part
    /// of any job: the count of refused late writes, the time the slot was last seen, and the flags of idle workers.
    async fn snapshot(&self, queue: &Name) -> String;

    /// A handle on what is kept now, as a process has it that starts later.
    async fn reopened(&self) -> Arc<dyn Broker>;

    /// The same kind of broker, set up so that it is durable; for the kinds that are not repeatable.
    async fn durable(&self) -> Arc<dyn Fixture>;
}
