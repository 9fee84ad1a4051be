//! When each queue's next schedule is due, by the monotonic clock: a jump of the wall clock moves no sleeper, and the next report corrects it.
//! And which queues' slots follow their backlog. What a queue has nothing of costs no look.

use longshore_base::{Clock, Name};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// One alarm per queue. Whoever learns when a queue's next tick is due sets it; one waits for it.
#[derive(Debug)]
pub(crate) struct Alarms {
    clock: Arc<dyn Clock>,
    /// What [`Clock::elapsed`] will show then; None: nothing is due.
    queues: Mutex<HashMap<Name, watch::Sender<Option<Duration>>>>,
    following: Mutex<HashSet<Name>>,
}

impl Alarms {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, queues: Mutex::default(), following: Mutex::default() }
    }

    /// Since an arbitrary start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The newest report about a queue: the next tick is due after so long, or none is. It takes the place of the one before.
    pub(crate) fn report(&self, queue: &Name, next: Option<Duration>) {
        let at = next.map(|next| self.clock.elapsed().saturating_add(next));
        self.change(queue, |set| *set = at);
    }

    /// The newest report about a queue: whether its slots follow its backlog.
    pub(crate) fn follows(&self, queue: &Name, follows: bool) {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if follows {
            following.insert(queue.clone());
        } else {
            following.remove(queue);
        }
    }

    /// What was reported last.
    pub(crate) fn is_following(&self, queue: &Name) -> bool {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).contains(queue)
    }

    /// One of a queue's ticks is due at `at`, as [`Clock::elapsed`] shows it; others may be due before.
    pub(crate) fn at_latest(&self, queue: &Name, at: Duration) {
        self.change(queue, |set| *set = Some(set.map_or(at, |set| set.min(at))));
    }

    /// Returns when the alarm of `queue` goes off, which takes it back. Dropped before, it leaves the alarm as it is.
    pub(crate) async fn goes_off(&self, queue: &Name) {
        let mut changes = self.lock().entry(queue.clone()).or_default().subscribe();
        loop {
            let at = *changes.borrow_and_update();
            let passed = match at {
                Some(at) => self.clock.sleep(at.saturating_sub(self.clock.elapsed())),
                None => Box::pin(std::future::pending()),
            };
            tokio::select! {
                () = passed => {
                    // A report that came at this moment may have set another time: only the one that was waited for is taken back.
                    self.change(queue, |set| *set = set.filter(|set| Some(*set) != at));
                    return;
                }
                // The sender lives as long as this.
                _ = changes.changed() => {}
            }
        }
    }

    fn change(&self, queue: &Name, change: impl FnOnce(&mut Option<Duration>)) {
        self.lock().entry(queue.clone()).or_default().send_if_modified(|set| {
            let before = *set;
            change(set);
            before != *set
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, watch::Sender<Option<Duration>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
