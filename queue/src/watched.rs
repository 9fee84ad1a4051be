//! Who wants news of which jobs. A worker holds one [`Watched`] for each queue and not one wait for each job: ten thousand waits, each with its
//! timers, took more memory than ten thousand jobs.

use crate::JobId;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Jobs of one queue of which somebody wants news, and whether there is any. Shared with the broker by [`crate::Broker::watch`].
#[derive(Debug, Default)]
pub struct Watched {
    /// How often each was added.
    jobs: Mutex<HashMap<JobId, u32>>,
    news: AtomicBool,
    came: Notify,
}

impl Watched {
    /// From now on news of this job count. One that is added twice has to be removed twice.
    pub fn add(&self, id: JobId) {
        *lock(&self.jobs).entry(id).or_default() += 1;
    }

    /// Takes back one [`Watched::add`].
    pub fn remove(&self, id: JobId) {
        let mut jobs = lock(&self.jobs);
        if let Some(times) = jobs.get_mut(&id) {
            *times -= 1;
            if *times == 0 {
                jobs.remove(&id);
            }
        }
    }

    /// Whether no job is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        lock(&self.jobs).is_empty()
    }

    /// Whether one of the jobs may have changed since this was asked last.
    pub fn take_news(&self) -> bool {
        self.news.swap(false, Ordering::AcqRel)
    }

    /// What happened may have been missed.
    pub(crate) fn may_have_missed(&self) {
        self.news.store(true, Ordering::Release);
        self.came.notify_waiters();
    }

    /// Until there is news.
    pub(crate) async fn wait(&self) {
        let came = self.came.notified();
        tokio::pin!(came);
        came.as_mut().enable();
        if !self.news.load(Ordering::Acquire) {
            came.await;
        }
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn ids(&self) -> Vec<JobId> {
        lock(&self.jobs).keys().copied().collect()
    }

    fn changed(&self, ids: &[JobId]) {
        let jobs = lock(&self.jobs);
        if ids.iter().any(|id| jobs.contains_key(id)) {
            drop(jobs);
            self.may_have_missed();
        }
    }
}

/// All who watch jobs here, as a broker's signals know them.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<Weak<Watched>>>);

impl Watchers {
    /// Tells `watched` of changes for as long as somebody holds it.
    pub(crate) fn join(&self, watched: &Arc<Watched>) {
        let mut all = lock(&self.0);
        all.retain(|other| other.strong_count() > 0);
        if !all.iter().any(|other| std::ptr::eq(other.as_ptr(), Arc::as_ptr(watched))) {
            all.push(Arc::downgrade(watched));
        }
    }

    /// Whether anybody watches a job.
    pub(crate) fn any(&self) -> bool {
        lock(&self.0).iter().filter_map(Weak::upgrade).any(|watched| !watched.is_empty())
    }

    /// These jobs have changed.
    pub(crate) fn changed(&self, ids: &[JobId]) {
        lock(&self.0).iter().filter_map(Weak::upgrade).for_each(|watched| watched.changed(ids));
    }

    /// What happened may have been missed.
    pub(crate) fn may_have_missed(&self) {
        lock(&self.0).iter().filter_map(Weak::upgrade).for_each(|watched| watched.may_have_missed());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Home;
    use longshore_base::SeededRandom;

    fn job(n: u64) -> JobId {
        JobId::new(1_000, Home(1), &*SeededRandom::new(n))
    }

    /// A job counts for as long as it was added more often than removed, others never do, and news is told once.
    #[test]
    fn news_is_of_what_is_watched() {
        let (watchers, watched) = (Watchers::default(), Arc::new(Watched::default()));
        watchers.join(&watched);
        watchers.join(&watched);
        assert!(!watchers.any());
        let tells = |ids: &[JobId]| {
            watchers.changed(ids);
            watched.take_news()
        };
        assert!(!tells(&[job(1)]));
        watched.add(job(1));
        watched.add(job(1));
        assert!(watchers.any() && tells(&[job(2), job(1)]) && !tells(&[job(2)]) && !watched.take_news());
        watched.remove(job(1));
        assert!(tells(&[job(1)]));
        watched.remove(job(1));
        assert!(!tells(&[job(1)]) && watched.is_empty() && !watchers.any());
        watchers.may_have_missed();
        assert!(watched.take_news());
        drop(watched);
        assert!(!watchers.any());
    }

    /// News from before the wait ends it at once, and news that comes ends one that has begun.
    #[tokio::test]
    async fn a_wait_misses_nothing() {
        let watched = Arc::new(Watched::default());
        watched.add(job(1));
        watched.changed(&[job(1)]);
        watched.wait().await;
        assert!(watched.take_news());
        let told = watched.clone();
        tokio::join!(watched.wait(), async { told.changed(&[job(1)]) });
    }
}
