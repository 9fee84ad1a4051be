//! Wake-ups inside the process. All are hints; they are sent after the commit that they tell of.

use crate::{Home, JobId, Watched, watched::Watchers};
use longshore_base::Clock;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
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
    /// Who wants news of jobs.
    watchers: Watchers,
}

impl Signals {
    /// Whether anybody watches a job.
    pub(super) fn watched(&self) -> bool {
        self.watchers.any()
    }

    /// Rings for everything in `touched`.
    pub(super) fn ring(&self, touched: &Touched) {
        for queue in &touched.queues {
            let bell = self.bell(*queue);
            bell.rung.fetch_add(1, Ordering::AcqRel);
            bell.notify.notify_waiters();
        }
        if !touched.jobs.is_empty() {
            self.watchers.changed(&touched.jobs);
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

    /// Until there is news of these jobs.
    pub(super) async fn watch(&self, jobs: &Arc<Watched>, at_most: Duration, clock: &dyn Clock) {
        self.watchers.join(jobs);
        pause(jobs.wait(), at_most, clock).await;
    }

    fn bell(&self, queue: u16) -> Arc<Bell> {
        Arc::clone(lock(&self.queues).entry(queue).or_default())
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
