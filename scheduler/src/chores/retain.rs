//! retain — takes ended jobs out of their queue when their time or their number is over: copied to the history first, and
//! removed only once that is confirmed. Whoever repeats it, after a crash or beside another scheduler, copies the same rows again.

use crate::{Chore, ChoreError, Done, History, Options};
use async_trait::async_trait;
use longshore_base::Name;
use longshore_queue::{Broker, Scope};
use metrics::counter;
use std::{sync::Arc, time::Duration};

/// So many jobs are copied and removed at once.
const BATCH: usize = 500;

/// See the file's first lines.
#[derive(Debug)]
pub struct Retain {
    broker: Arc<dyn Broker>,
    history: Arc<dyn History>,
    options: Options,
}

impl Retain {
    /// Keeps as long and as many as `options` say.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, history: Arc<dyn History>, options: Options) -> Self {
        Self { broker, history, options }
    }
}

#[async_trait]
impl Chore for Retain {
    fn name(&self) -> &'static str {
        "retain"
    }
    fn every(&self) -> Option<Duration> {
        Some(self.options.retention())
    }
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError> {
        let jobs = self.broker.expired(queue, self.options.keep(), self.options.keep_count, BATCH).await?;
        if jobs.is_empty() {
            return Ok(Done::Idle);
        }
        self.history.keep(&jobs).await?;
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let gone = self.broker.purge(&Scope::All, &ids).await?.into_iter().filter(|gone| *gone).count();
        counter!("longshore_retired_jobs_total", "queue" => longshore_base::label::queue(queue)).increment(gone as u64);
        tracing::debug!(%queue, copied = jobs.len(), gone, "ended jobs left the queue");
        // What could not be removed would come first again: leave it for the next time.
        Ok(if jobs.len() == BATCH && gone > 0 { Done::More } else { Done::Idle })
    }
}
