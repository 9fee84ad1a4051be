//! A queue's feed: every move tells it where a job stands, while somebody listens.

use super::world::{Queue, World, ms};
use crate::{Alert, Change, FEED_KEPT, FEED_MAX, Feed, FeedEntry, JobId};
use longshore_base::{Millis, Name};
use std::collections::VecDeque;

/// What is kept of a feed. Places are numbers that only grow.
#[derive(Debug, Default)]
pub(super) struct Tape {
    entries: VecDeque<Line>,
    /// The newest place.
    last: u64,
    /// Whatever happened after this place is there.
    first: u64,
    began_at: Millis,
    kept_until: Millis,
    /// Calls are counted, so that whole ones are dropped.
    step: u64,
    steps: usize,
}

#[derive(Debug)]
struct Line {
    place: u64,
    step: u64,
    entry: FeedEntry,
}

impl World {
    /// What happened after a place, and that somebody listens from now on.
    pub fn feed(&mut self, now: Millis, queue: &Name, after: Option<&str>, limit: usize) -> Feed {
        let most = self.feed_steps();
        let Some(tape) = self.queues.get_mut(queue).map(|queue| &mut queue.feed) else { return Feed::of_nobody(after) };
        tape.listen(now);
        tape.trim(most);
        let named = match after {
            Some("") => Some(tape.first),
            Some(place) => place.parse().ok(),
            None => Some(tape.last),
        };
        let known = named.filter(|place| (tape.first..=tape.last).contains(place));
        let from = known.unwrap_or(tape.first);
        let entries: Vec<_> = tape.entries.iter().filter(|line| line.place > from).take(limit).map(|line| line.entry.clone()).collect();
        Feed {
            next: entries.last().map_or_else(|| text(from), |entry| entry.place.clone()),
            missed: known.is_none(),
            oldest_at: Some(tape.entries.front().map_or(tape.began_at, |line| line.entry.at)),
            entries,
        }
    }

    /// Tells something that is about no job.
    pub fn announce(&mut self, now: Millis, queue: &Name, alert: Alert) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.feed.push(now, None, Change::Alert(alert));
        }
    }

    /// The newest place of a queue's feed, if there is the queue.
    #[must_use]
    pub fn feed_end(&self, queue: &Name) -> Option<u64> {
        self.queues.get(queue).map(|q| q.feed.last)
    }

    /// Every feed keeps so many steps at least.
    pub fn keep_feeds(&mut self, steps: usize) {
        self.feed_steps = Some(steps);
    }

    fn feed_steps(&self) -> usize {
        self.feed_steps.unwrap_or(FEED_MAX)
    }

    /// A call begins; what it tells goes together.
    pub fn begin_step(&mut self) {
        let most = self.feed_steps();
        for queue in self.queues.values_mut() {
            queue.feed.trim(most);
            queue.feed.step += 1;
        }
    }
}

impl Queue {
    /// Tells where a job stands now.
    pub(super) fn stands(&mut self, id: JobId, now: Millis) {
        let job = &self.jobs[&id].job;
        let change = Change::State { state: job.state, run: job.counters.runs };
        self.feed.push(now, Some(id), change);
    }
}

impl Tape {
    /// Where nobody has listened for a while nothing was kept, and no earlier place is known any more.
    fn listen(&mut self, now: Millis) {
        if now >= self.kept_until {
            self.entries.clear();
            self.steps = 0;
            self.last += 1;
            (self.first, self.began_at) = (self.last, now);
        }
        self.kept_until = now + ms(FEED_KEPT);
    }

    pub(super) fn push(&mut self, now: Millis, id: Option<JobId>, what: Change) {
        if now >= self.kept_until {
            return;
        }
        if self.entries.back().is_none_or(|line| line.step != self.step) {
            self.steps += 1;
        }
        self.last += 1;
        let entry = FeedEntry { place: text(self.last), at: now, id, what };
        self.entries.push_back(Line { place: self.last, step: self.step, entry });
    }

    fn trim(&mut self, most: usize) {
        while self.steps > most {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let step = self.entries.front().map(|line| line.step);
        while let Some(line) = self.entries.pop_front_if(|line| Some(line.step) == step) {
            self.first = line.place;
        }
        self.steps -= 1;
    }
}

/// A place as text, which grows as the number does.
fn text(place: u64) -> String {
    format!("{place:020}")
}
