//! Reads one queue's feed for the hub, and looks for new queues.

use super::bell::Hold;
use longshore_base::{Clock, Millis, Name, Scope};
use longshore_queue::{Broker, BrokerError, Change, FeedEntry, Filter, JobId, State};
use std::{collections::HashSet, sync::Arc, time::Duration};

/// Entries of one call.
const ENTRIES_MAX: usize = 1_000;
/// After so many bytes it is looked again at once.
const BYTES_MUCH: usize = 256 * 1024;
/// A look at least this often, which keeps the feed going.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After a call that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// Jobs of a young queue that are told of.
const YOUNG_MAX: usize = 1_000;

/// What a tail has heard.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) queue: Name,
    /// Which of the queue's tails it was: one that was ended may still be heard.
    pub(super) life: u64,
    pub(super) home: u16,
    pub(super) entries: Vec<FeedEntry>,
    pub(super) next: String,
    pub(super) missed: bool,
}

/// What a tail works with.
pub(super) struct Tail {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) queue: Name,
    pub(super) life: u64,
    /// The queue was made while somebody listened to all; what happened in it so far is told too.
    pub(super) young: bool,
}

impl Tail {
    /// Until `tell` says that nobody hears it.
    pub(super) async fn run<F: Future<Output = bool>>(self, tell: impl Fn(Heard, Hold) -> F) {
        let (mut after, mut echo) = (None::<String>, Echo::default());
        loop {
            let heard = match self.hear(after.as_deref(), &mut echo).await {
                Ok(heard) => heard,
                Err(error) => {
                    tracing::debug!(queue = %self.queue, %error, "the feed cannot be read");
                    self.clock.sleep(PAUSE).await;
                    continue;
                }
            };
            let (first, full) = (after.is_none(), is_full(&heard.entries));
            after = Some(heard.next.clone());
            let news = first || heard.missed || !heard.entries.is_empty();
            if news {
                let (hold, released) = Hold::new();
                if !tell(heard, hold).await {
                    return;
                }
                released.await.ok();
            }
            if !full {
                self.broker.wait_feed(&self.queue, LOOK_EVERY).await;
            }
        }
    }

    async fn hear(&self, after: Option<&str>, echo: &mut Echo) -> Result<Heard, BrokerError> {
        let home = self.broker.home(&self.queue).await?.0;
        let feed = self.broker.feed(&self.queue, after, ENTRIES_MAX).await?;
        let (queue, life) = (self.queue.clone(), self.life);
        let mut heard = Heard { queue, life, home, entries: feed.entries, next: feed.next, missed: feed.missed };
        if after.is_none() && self.young {
            let began = feed.oldest_at.unwrap_or(Millis::MAX);
            *echo = Echo { began, told: HashSet::new() };
            heard.entries = self.so_far(began).await?;
            heard.entries.iter().for_each(|entry| echo.remember(entry));
        } else {
            heard.entries.retain(|entry| !echo.is(entry));
        }
        Ok(heard)
    }

    /// What happened in a queue before its feed began: it was made by the very enqueue that a listener wants to hear of. No place names it, so
    /// that whoever comes back is told that something may be missing.
    async fn so_far(&self, began: Millis) -> Result<Vec<FeedEntry>, BrokerError> {
        let filter = Filter { queue: Some(self.queue.clone()), ..Filter::default() };
        let page = self.broker.list(&Scope::All, &filter, YOUNG_MAX, None).await?;
        let mut entries = Vec::new();
        for job in page.items {
            for step in crate::timeline::timeline(&job).iter().filter(|step| step.at.0 <= began) {
                let what = Change::State { state: step.state, run: step.attempt.unwrap_or(0) };
                entries.push(FeedEntry { place: String::new(), at: step.at.0, id: Some(job.id), what });
            }
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(entries)
    }
}

/// Whether there may be more: a broker answers less at once where attempts told a lot.
fn is_full(entries: &[FeedEntry]) -> bool {
    let told = |entry: &FeedEntry| match &entry.what {
        Change::Told { progress, logs, output } => {
            let lines: usize = logs.iter().map(|line| line.message.len()).sum();
            lines + progress.as_ref().map_or(0, |progress| progress.get().len()) + output.as_ref().map_or(0, String::len)
        }
        _ => 0,
    };
    entries.len() >= ENTRIES_MAX || entries.iter().map(told).sum::<usize>() >= BYTES_MUCH
}

/// What was told of the millisecond in which a feed began, and may stand in the feed too.
#[derive(Debug, Default)]
struct Echo {
    began: Millis,
    told: HashSet<(JobId, State, u32)>,
}

impl Echo {
    fn remember(&mut self, entry: &FeedEntry) {
        self.told.extend(self.key(entry));
    }
    fn is(&self, entry: &FeedEntry) -> bool {
        self.key(entry).is_some_and(|key| self.told.contains(&key))
    }
    fn key(&self, entry: &FeedEntry) -> Option<(JobId, State, u32)> {
        match (&entry.what, entry.id) {
            (Change::State { state, run }, Some(id)) if entry.at == self.began => Some((id, *state, *run)),
            _ => None,
        }
    }
}

/// Tells of new queues, until `tell` says that nobody hears it.
pub(super) async fn look<F: Future<Output = bool>>(
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    mut known: usize,
    tell: impl Fn(Vec<Name>) -> F,
) {
    loop {
        broker.wait_queues(known, LOOK_EVERY).await;
        match broker.queues().await {
            Ok(queues) if queues.len() > known => {
                known = queues.len();
                if !tell(queues).await {
                    return;
                }
            }
            Ok(_) => {}
            Err(_) => clock.sleep(PAUSE).await,
        }
    }
}
