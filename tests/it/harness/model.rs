//! The model broker as a fixture: the suite must pass on the oracle before it judges anybody.

use super::FEED_STEPS;
use async_trait::async_trait;
use longshore_base::{Clock, ManualClock, Millis, Name};
use longshore_queue::{Broker, conformance::Fixture, model::ModelBroker};
use std::{sync::Arc, time::Duration};

struct Model {
    broker: Arc<ModelBroker>,
    clock: ManualClock,
}

/// An empty model.
pub(crate) async fn fresh_model() -> Arc<dyn Fixture> {
    let clock = ManualClock::at(1_800_000_000_000);
    Arc::new(Model { broker: Arc::new(ModelBroker::with_feeds_of(FEED_STEPS, clock.clone())), clock })
}

#[async_trait]
impl Fixture for Model {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }
    async fn now(&self) -> Millis {
        self.clock.now()
    }
    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
        tokio::task::yield_now().await;
    }
    fn may_skip(&self) -> bool {
        true
    }
    fn feed_steps(&self) -> usize {
        FEED_STEPS
    }
    async fn snapshot(&self, queue: &Name) -> String {
        self.broker.world().dump(queue)
    }
    async fn reopened(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }
    async fn durable(&self) -> Arc<dyn Fixture> {
        fresh_model().await
    }
}
