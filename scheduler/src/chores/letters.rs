//! letters — looks after a queue's dead letters. Tells people when there are too many: once, and again only after they were fewer. Removes those
//! whose time is over, where an operator has set one: to the history first, and never for their number.

use crate::{Chore, ChoreError, Done, History, Options};
use async_trait::async_trait;
use longshore_base::{Clock, Millis, Name, Random};
use longshore_queue::{Alert, Begun, Broker, BrokerError, Filter, OPERATIONS, Scope, State};
use metrics::{counter, gauge};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// So many letters are copied and removed at once.
const BATCH: usize = 500;
const MINUTE_MS: Millis = 60_000;

/// See the file's first lines.
#[derive(Debug)]
pub struct Letters {
    broker: Arc<dyn Broker>,
    history: Arc<dyn History>,
    clock: Arc<dyn Clock>,
    options: Options,
    /// Tells this scheduler from others.
    own: [u8; 16],
    /// Queues that have too many, and of which that was told.
    told: Mutex<HashSet<Name>>,
}

impl Letters {
    /// Keeps as long, and tells from so many on, as `options` say.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, history: Arc<dyn History>, clock: Arc<dyn Clock>, random: &dyn Random, options: Options) -> Self {
        let mut own = [0; 16];
        random.fill(&mut own);
        Self { broker, history, clock, options, own, told: Mutex::default() }
    }

    fn told(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever should know that the queue has reached the cap.
    async fn watch(&self, queue: &Name) -> Result<(), BrokerError> {
        let Some(cap) = self.options.dead_alert() else { return Ok(()) };
        let dead = self.broker.stats(&Scope::All, queue).await?.dead;
        let many = dead >= cap;
        gauge!("longshore_dead_letters_many", "queue" => longshore_base::label::queue(queue)).set(f64::from(u8::from(many)));
        if !many {
            self.told().remove(queue);
            return Ok(());
        }
        if self.told().contains(queue) {
            return Ok(());
        }
        if self.is_first(queue).await? {
            let detail = format!("the queue {queue} has {dead} dead letters; the cap is {cap}");
            self.broker.announce(queue, Alert { code: "dead_letters.many".to_owned(), tenant: None, detail }).await?;
            counter!("longshore_dead_letter_alerts_total", "queue" => longshore_base::label::queue(queue)).increment(1);
            tracing::warn!(%queue, dead, cap, "the queue has many dead letters; none is removed for that");
        }
        self.told().insert(queue.clone());
        Ok(())
    }

    /// Of several schedulers that see a queue reach the cap within a minute, the first one tells. Each claims the minute before its own too, so
    /// that they meet in one of the two.
    async fn is_first(&self, queue: &Name) -> Result<bool, BrokerError> {
        let (tenant, now) = (Name::literal(OPERATIONS), self.clock.now());
        for minute in [now / MINUTE_MS - 1, now / MINUTE_MS] {
            let key = format!("dead_letters.many/{queue}/{minute}");
            match self.broker.begin(&tenant, &key, &[0; 32], &self.own, now).await? {
                Begun::Run { seed, .. } if seed == self.own => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Removes letters, repeated ones too, that died too long ago.
    async fn retire(&self, queue: &Name, keep: Duration) -> Result<Done, ChoreError> {
        let before = self.clock.now().saturating_sub(Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX));
        let mut more = false;
        for replayed in [false, true] {
            let filter = Filter { queue: Some(queue.clone()), state: Some(State::Dead), to: Some(before), replayed, ..Filter::default() };
            let mut cursor: Option<String> = None;
            loop {
                let page = self.broker.list(&Scope::All, &filter, BATCH, cursor.as_deref()).await?;
                if !page.items.is_empty() {
                    self.history.keep(&page.items).await?;
                    let ids: Vec<_> = page.items.iter().map(|job| job.id).collect();
                    let gone = self.broker.purge(&Scope::All, &ids).await?.into_iter().filter(|gone| *gone).count();
                    counter!("longshore_retired_jobs_total", "queue" => longshore_base::label::queue(queue)).increment(gone as u64);
                    tracing::info!(%queue, gone, keep_ms = keep.as_millis(), "dead letters left the queue for the history, as keep.dead_ms says");
                    // What could not be removed would come first again: leave it for the next time.
                    more |= gone > 0 && page.cursor.is_some();
                    break;
                }
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(if more { Done::More } else { Done::Idle })
    }
}

#[async_trait]
impl Chore for Letters {
    fn name(&self) -> &'static str {
        "letters"
    }
    fn every(&self) -> Option<Duration> {
        Some(self.options.retention())
    }
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError> {
        self.watch(queue).await?;
        match self.options.dead_keep() {
            Some(keep) => self.retire(queue, keep).await,
            None => Ok(Done::Idle),
        }
    }
}

#[cfg(test)]
mod tests;
