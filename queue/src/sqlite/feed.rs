//! What happened to the jobs of a queue, for whoever listens: memory of the process that owns the file.
//!
//! While nobody listens to any queue, a call looks at one number and collects nothing. A feed begins on the writer's thread, between two
//! calls, so that whatever is not in it is in the file for the next read. What a call tells is handed over after its commit.
//!
//! A place is the start of the file's owner and a number; one of another start is told as missed, and so is one before the last entry that
//! is gone.

use super::{row, signals};
use crate::{Alert, Change, FEED_BYTES_MAX, FEED_KEPT, Feed, FeedEntry, JobId};
use longshore_base::{Clock, Millis};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Entries of a queue's feed for each step that it keeps, at most: one step may be a batch of hundreds.
const ENTRIES_EACH: usize = 32;

/// What one call tells those who listen.
#[derive(Debug)]
pub(super) struct Step {
    at: Millis,
    /// Who is listened to, in order.
    queues: Vec<u16>,
    told: Vec<(u16, JobId, Change)>,
}

impl Step {
    /// Adds to what is told, if anybody listens to this queue.
    pub(super) fn tell(&mut self, queue: u16, id: JobId, what: Change) {
        if self.queues.binary_search(&queue).is_ok() {
            self.told.push((queue, id, what));
        }
    }
    /// A job stands there now.
    pub(super) fn state(&mut self, queue: u16, id: JobId, state: u8, run: u32) {
        self.tell(queue, id, Change::State { state: row::state(state), run });
    }
}

/// Every queue's feed.
#[derive(Debug)]
pub(super) struct Feeds {
    /// What every place begins with; it grows from start to start.
    start: String,
    /// Steps that each keeps.
    steps: usize,
    /// How many feeds are open.
    open: AtomicUsize,
    queues: Mutex<BTreeMap<u16, Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    open: bool,
    /// Goes on until then, unless somebody asks again.
    until: Millis,
    began_at: Millis,
    kept: VecDeque<Kept>,
    /// Numbers of the newest entry, of the newest that is not there any more, and of the newest that somebody has read.
    last: u64,
    gone: u64,
    read: u64,
    steps: u64,
    bytes: usize,
    rings: Arc<Notify>,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    step: u64,
    at: Millis,
    id: Option<JobId>,
    what: Change,
}

impl Feeds {
    /// `starts`: how often the file was opened, up to `now`; `steps`: how many each keeps.
    pub(super) fn new(starts: u64, now: Millis, steps: usize) -> Self {
        Self { start: format!("{starts:08x}{:012x}", now.max(0)), steps, open: AtomicUsize::new(0), queues: Mutex::default() }
    }

    /// For a call that begins at `now`: None when nobody listens. Ends the feeds that nobody has asked for.
    pub(super) fn step(&self, now: Millis) -> Option<Step> {
        if self.open.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut queues = lock(&self.queues);
        queues.values_mut().filter(|queue| queue.open && now >= queue.until).for_each(Queue::close);
        let open: Vec<_> = queues.iter().filter(|(_, queue)| queue.open).map(|(queue, _)| *queue).collect();
        self.open.store(open.len(), Ordering::Release);
        (!open.is_empty()).then(|| Step { at: now, queues: open, told: Vec::new() })
    }

    /// Hands over what committed calls told, in their order.
    pub(super) fn add(&self, steps: Vec<Step>) {
        let mut queues = lock(&self.queues);
        for Step { at, told, .. } in steps {
            let mut stepped = Vec::new();
            for (number, id, what) in told {
                let Some(queue) = queues.get_mut(&number).filter(|queue| queue.open) else { continue };
                if !stepped.contains(&number) {
                    queue.steps += 1;
                    stepped.push(number);
                }
                queue.push(at, Some(id), what, self.steps);
            }
            stepped.iter().filter_map(|number| queues.get(number)).for_each(|queue| queue.rings.notify_waiters());
        }
    }

    /// Nobody knows what was committed: whoever listens is told that something may be missing.
    pub(super) fn lose(&self) {
        if self.open.swap(0, Ordering::AcqRel) > 0 {
            lock(&self.queues).values_mut().filter(|queue| queue.open).for_each(Queue::close);
        }
    }

    /// Tells something that is about no job.
    pub(super) fn announce(&self, number: u16, now: Millis, alert: Alert) {
        let mut queues = lock(&self.queues);
        if let Some(queue) = queues.get_mut(&number).filter(|queue| queue.open && now < queue.until) {
            queue.steps += 1;
            queue.push(now, None, Change::Alert(alert), self.steps);
            queue.rings.notify_waiters();
        }
    }

    /// What came after `after`, and the feed goes on; None: it is not open.
    pub(super) fn read(&self, number: u16, after: Option<&str>, limit: usize, now: Millis) -> Option<Feed> {
        let mut queues = lock(&self.queues);
        let queue = queues.get_mut(&number).filter(|queue| queue.open && now < queue.until)?;
        Some(self.answer(queue, after, limit, now))
    }

    /// The same, and the feed begins if it is not open. On the writer's thread only, where no call is half done.
    pub(super) fn begin(&self, number: u16, after: Option<&str>, limit: usize, now: Millis) -> Feed {
        let mut queues = lock(&self.queues);
        let queue = queues.entry(number).or_default();
        if queue.open && now >= queue.until {
            queue.close();
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
        if !queue.open {
            (queue.open, queue.began_at) = (true, now);
            self.open.fetch_add(1, Ordering::AcqRel);
        }
        self.answer(queue, after, limit, now)
    }

    fn answer(&self, queue: &mut Queue, after: Option<&str>, limit: usize, now: Millis) -> Feed {
        queue.until = now.saturating_add(Millis::try_from(FEED_KEPT.as_millis()).unwrap_or(Millis::MAX));
        let (from, missed) = match after.map(|after| self.number(after)) {
            None => (queue.last, false),
            Some(_) if after == Some("") => (queue.gone, false),
            Some(Some(number)) if (queue.gone..=queue.last).contains(&number) => (number, false),
            Some(_) => (queue.gone, true),
        };
        let first = queue.kept.partition_point(|kept| kept.number <= from);
        let entry = |kept: &Kept| FeedEntry { place: self.place(kept.number), at: kept.at, id: kept.id, what: kept.what.clone() };
        let entries: Vec<_> = queue.kept.range(first..).take(limit).map(entry).collect();
        let next = from + u64::try_from(entries.len()).unwrap_or(u64::MAX);
        queue.read = queue.read.max(next);
        let oldest_at = Some(queue.kept.front().map_or(queue.began_at, |kept| kept.at));
        Feed { entries, next: self.place(next), missed, oldest_at }
    }

    fn place(&self, number: u64) -> String {
        format!("{}{number:016x}", self.start)
    }

    /// None: a place of another start, or none at all.
    fn number(&self, place: &str) -> Option<u64> {
        place.strip_prefix(&self.start).and_then(|number| u64::from_str_radix(number, 16).ok())
    }

    /// Until the queue's feed has something that nobody has read, or `at_most`.
    pub(super) async fn wait(&self, number: u16, at_most: Duration, clock: &dyn Clock) {
        let rings = Arc::clone(&lock(&self.queues).entry(number).or_default().rings);
        let rings = rings.notified();
        tokio::pin!(rings);
        rings.as_mut().enable();
        if lock(&self.queues).get(&number).is_some_and(|queue| queue.open && queue.last > queue.read) {
            return;
        }
        signals::pause(rings, at_most, clock).await;
    }
}

impl Queue {
    fn push(&mut self, at: Millis, id: Option<JobId>, what: Change, steps: usize) {
        self.last += 1;
        self.bytes += weight(&what);
        self.kept.push_back(Kept { number: self.last, step: self.steps, at, id, what });
        let most = u64::try_from(steps).unwrap_or(u64::MAX);
        while let Some(oldest) = self.kept.front()
            && (self.steps - oldest.step >= most || self.bytes > FEED_BYTES_MAX || self.kept.len() > ENTRIES_EACH.saturating_mul(steps))
        {
            self.bytes -= weight(&oldest.what);
            self.gone = oldest.number;
            self.kept.pop_front();
        }
    }

    /// Nothing is collected any more; every place from before is one behind the next feed's begin.
    fn close(&mut self) {
        self.open = false;
        self.last += 1;
        (self.gone, self.read, self.bytes) = (self.last, self.last, 0);
        self.kept = VecDeque::new();
        self.rings.notify_waiters();
    }
}

/// Bytes of what an attempt told.
fn weight(what: &Change) -> usize {
    match what {
        Change::Told { progress, logs, output } => {
            let lines: usize = logs.iter().map(|line| line.message.len() + line.level.len()).sum();
            progress.as_ref().map_or(0, |progress| progress.get().len()) + output.as_ref().map_or(0, String::len) + lines
        }
        Change::Alert(alert) => alert.detail.len(),
        Change::State { .. } | Change::Edited | Change::CancelRequested => 0,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
