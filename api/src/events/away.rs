//! What happened while a reader was away, read from the feeds page by page as the reader takes it.
//!
//! A place that is not kept any more is told before anything else of its queue, with the oldest that is there, and so is a queue that the
//! reader's id does not name (it was made since, or the id is another filter's, or cannot be read): from both the oldest that is there is told.

use super::{group::Wanted, hub::Hub, line::Event, position::Position};
use longshore_base::{Millis, Name, rfc3339};
use longshore_queue::{Broker, BrokerError};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};

/// Entries of one call; what attempts told may be large.
const STEP: usize = 500;

/// A reader that catches up.
#[derive(Debug)]
pub(super) struct Away {
    /// Up to here it was told.
    pub(super) last: Position,
    /// The id of its last event could not be read.
    unreadable: bool,
    /// What was told of the oldest to whoever is told no names.
    oldest_told: Option<Option<Millis>>,
    /// Queues to read, and up to where; None: until there is no more.
    left: VecDeque<(Name, Option<String>)>,
}

/// A page of it.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
    /// Something that happened is not told.
    pub(super) missed: bool,
    /// An event of it ends the job that was asked for.
    pub(super) last: bool,
}

impl Away {
    /// `last`: what the reader came with; None: nothing that can be read.
    pub(super) fn new(last: Option<Position>, queues: impl IntoIterator<Item = Name>) -> Self {
        let unreadable = last.is_none();
        Self {
            last: last.unwrap_or_default(),
            unreadable,
            oldest_told: None,
            left: queues.into_iter().map(|queue| (queue, None)).collect(),
        }
    }

    /// What is left up to `until`.
    pub(super) fn rest(mut self, queues: &BTreeMap<u16, Name>, until: &Position) -> Self {
        // What is no queue of this reader is not carried along.
        self.last.retain(|home| queues.contains_key(&home));
        let open = queues.iter().filter_map(|(home, queue)| until.get(*home).map(|until| (*home, queue.clone(), until.to_owned())));
        let left = open.filter(|(home, _, until)| !self.last.has(*home, until)).map(|(_, queue, until)| (queue, Some(until)));
        Self { left: left.collect(), ..self }
    }

    /// Nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// The next page, possibly without anything.
    pub(super) async fn page(&mut self, hub: &Hub, broker: &dyn Broker, wanted: &Wanted) -> Result<Page, BrokerError> {
        let mut page = Page::default();
        let Some((queue, until)) = self.left.front().cloned() else { return Ok(page) };
        let _turn = hub.pages.acquire().await;
        let home = broker.home(&queue).await?.0;
        let known = self.last.get(home).map(str::to_owned);
        let feed = broker.feed(&queue, Some(known.as_deref().unwrap_or_default()), STEP).await?;
        hub.labels.learn(broker, &feed.entries, |id| wanted.job.is_none_or(|asked| asked == id)).await;
        let reason = match known {
            Some(_) if !feed.missed => None,
            Some(_) => Some("expired"),
            None if self.unreadable => Some("unreadable"),
            None => Some("unknown"),
        };
        let found = feed.entries.len();
        for entry in feed.entries {
            let label = hub.labels.of(entry.id);
            let event = Event::new(&queue, home, entry, label);
            self.last.reach(home, &event.place);
            if wanted.wants(&event) {
                event.write(&self.last, &mut page.text);
                page.last |= wanted.job.is_some() && event.last;
            }
        }
        if let Some(reason) = reason
            && let Some(told) = self.missed(reason, &queue, feed.oldest_at, wanted, !page.text.is_empty())
        {
            page.text.insert_str(0, &told);
            page.missed = true;
        }
        self.last.reach(home, &feed.next);
        let over = match &until {
            // Near enough; the rest is read when the reader has been let in.
            None => found < STEP,
            // An answer may be short because it is large, so only an empty one says that there is no more.
            Some(until) => found == 0 || self.last.has(home, until),
        };
        if over {
            self.last.reach(home, &until.unwrap_or_default());
            self.left.pop_front();
        }
        Ok(page)
    }

    /// What is said of a gap. None: nothing, as it is none of this reader's.
    fn missed(&mut self, reason: &str, queue: &Name, oldest_at: Option<Millis>, wanted: &Wanted, concerned: bool) -> Option<String> {
        // The name of a queue that only others use is theirs.
        let named = wanted.scope.is_none() || wanted.queue.is_some();
        if !named {
            let more = self.oldest_told.is_none_or(|told| oldest_at > told);
            if !more || reason == "unknown" && !concerned {
                return None;
            }
            self.oldest_told = Some(oldest_at);
        }
        let mut data = json!({ "reason": reason, "oldest_at": oldest_at.map(rfc3339) });
        if named {
            data["queue"] = queue.as_str().into();
        }
        Some(format!("event: missed\ndata: {data}\n\n"))
    }
}
