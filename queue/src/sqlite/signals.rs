//! Wake-ups inside the process. All are hints; they are sent after the commit that they tell of.

use crate::{Home, JobId};
use longshore_base::Clock;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Whom one call wants to wake.
#[derive(Debug, Default)]
pub(super) struct Touched {
    queues: BTreeSet<u16>,
    jobs: Vec<JobId>,
    watched: bool,
}

impl Touched {
    pub(super) fn new(watched: bool) -> Self {
        Self { watched, ..Self::default() }
    }
    /// Something of this queue may be leased, or will fall due.
    pub(super) fn queue(&mut self, queue: u16) {
        self.queues.insert(queue);
    }
    /// This job changed.
    pub(super) fn job(&mut self, id: JobId) {
        if self.watched {
            self.jobs.push(id);
        }
    }
    pub(super) fn absorb(&mut self, other: Self) {
        self.queues.extend(other.queues);
        self.jobs.extend(other.jobs);
    }
}

/// A queue's bell. `rung` grows with every signal; `seen` is what it was when a lease last came back short, so that whoever
/// waits after an empty lease misses nothing that was committed in between.
#[derive(Debug, Default)]
struct Bell {
    rung: AtomicU64,
    seen: AtomicU64,
    notify: Notify,
}

/// Every bell of the process.
#[derive(Debug, Default)]
pub(super) struct Signals {
    queues: Mutex<HashMap<u16, Arc<Bell>>>,
    /// A queue was made.
    pub(super) opened: Notify,
    jobs: Mutex<HashMap<JobId, (usize, Arc<Notify>)>>,
    watchers: AtomicUsize,
}

impl Signals {
    /// Whether anybody watches a job.
    pub(super) fn watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }

    /// Rings for everything in `touched`.
    pub(super) fn ring(&self, touched: &Touched) {
        for queue in &touched.queues {
            let bell = self.bell(*queue);
            bell.rung.fetch_add(1, Ordering::AcqRel);
            bell.notify.notify_waiters();
        }
        if !touched.jobs.is_empty() {
            let jobs = lock(&self.jobs);
            touched.jobs.iter().filter_map(|id| jobs.get(id)).for_each(|(_, notify)| notify.notify_waiters());
        }
    }

    /// Called by a lease inside its transaction: what was rung before is in what it sees.
    pub(super) fn rung(&self, queue: u16) -> u64 {
        self.bell(queue).rung.load(Ordering::Acquire)
    }

    /// A lease that began at `rung` found less than it asked for.
    pub(super) fn came_back_short(&self, queue: u16, rung: u64) {
        self.bell(queue).seen.fetch_max(rung, Ordering::AcqRel);
    }

    /// Until the queue's bell rings, or has rung since a lease last came back short.
    pub(super) async fn wait(&self, home: Home, at_most: Duration, clock: &dyn Clock) {
        let bell = self.bell(home.0);
        let rings = bell.notify.notified();
        tokio::pin!(rings);
        rings.as_mut().enable();
        if bell.rung.load(Ordering::Acquire) > bell.seen.load(Ordering::Acquire) {
            return;
        }
        pause(rings, at_most, clock).await;
    }

    /// Until somebody touches this job.
    pub(super) async fn watch(&self, id: JobId, at_most: Duration, clock: &dyn Clock) {
        let notify = {
            let mut jobs = lock(&self.jobs);
            let entry = jobs.entry(id).or_default();
            entry.0 += 1;
            Arc::clone(&entry.1)
        };
        let watching = Watching { signals: self, id };
        self.watchers.fetch_add(1, Ordering::AcqRel);
        let touched = notify.notified();
        tokio::pin!(touched);
        touched.as_mut().enable();
        pause(touched, at_most, clock).await;
        drop(watching);
    }

    fn bell(&self, queue: u16) -> Arc<Bell> {
        Arc::clone(lock(&self.queues).entry(queue).or_default())
    }
}

/// Ends the watch, also when its future is dropped half-way.
struct Watching<'s> {
    signals: &'s Signals,
    id: JobId,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.signals.watchers.fetch_sub(1, Ordering::AcqRel);
        let mut jobs = lock(&self.signals.jobs);
        if let Some(entry) = jobs.get_mut(&self.id) {
            entry.0 -= 1;
            if entry.0 == 0 {
                jobs.remove(&self.id);
            }
        }
    }
}

/// `signal`, or `at_most` by the broker's clock or by the machine's, whichever is over first: under a clock that a test holds
/// still nobody may hang for ever.
pub(super) async fn pause(signal: impl Future<Output = ()>, at_most: Duration, clock: &dyn Clock) {
    let either = async {
        tokio::select! {
            () = signal => {}
            () = clock.sleep(at_most) => {}
        }
    };
    drop(tokio::time::timeout(at_most, either).await);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
