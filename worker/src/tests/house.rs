//! A broker, a ticking queue and a worker, with short times.

use super::{
    kinds::{Act, Args, Play, Probe},
    shaky::{Cuts, Shaky},
};
use crate::{Options, Queues, Worker};
use longshore_base::{Clock, Name, Scope, SeededRandom, SystemClock};
use longshore_jobs::Catalog;
use longshore_queue::{Broker, EventKind, Job, JobId, NewJob, Policy, QueueStats, SqliteBroker, SqliteOptions, json};
use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) struct House {
    pub(crate) test: &'static str,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) probe: Arc<Probe>,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) queue: Name,
    ids: Mutex<Vec<JobId>>,
    ticking: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.probe.open();
        self.ticking.abort();
    }
}

/// Short times, but a lease that a busy machine does not outlast; tests of lost leases shorten it.
pub(crate) fn options() -> Options {
    Options {
        queues: Queues::Named(vec![Name::literal("q")]),
        concurrency: 8,
        lease_ms: 10_000,
        heartbeat_ms: 500,
        beat_ms: 50,
        threads: Some(2),
        ..Options::default()
    }
}

impl House {
    pub(crate) async fn new(test: &'static str) -> Self {
        let clock = SystemClock::new();
        let folder = tempfile::tempdir().unwrap();
        let random = SeededRandom::new(7);
        let inner: Arc<dyn Broker> =
            SqliteBroker::open(SqliteOptions::new(folder.path().join("queue.db"), clock.clone(), random.clone())).unwrap();
        let cuts = Arc::<Cuts>::default();
        let broker: Arc<dyn Broker> = Arc::new(Shaky { inner: inner.clone(), cuts: cuts.clone() });
        let (queue, ticks) = (Name::literal("q"), clock.clone());
        inner.home(&queue).await.unwrap();
        let ticking = tokio::spawn(async move {
            loop {
                for queue in inner.queues().await.unwrap() {
                    inner.tick(&queue, Duration::from_millis(600)).await.unwrap();
                }
                ticks.sleep(Duration::from_millis(20)).await;
            }
        });
        Self { test, broker, cuts, probe: Probe::of(test), clock, random, queue, ids: Mutex::default(), ticking, _folder: folder }
    }

    pub(crate) fn worker(&self, options: Options) -> Worker {
        let catalog = Catalog::empty().with::<Play>();
        Worker::start(options, self.broker.clone(), catalog, self.clock.clone(), self.random.clone()).unwrap()
    }

    pub(crate) async fn enqueue(&self, act: Act) -> JobId {
        self.enqueue_with(act, |_| {}).await
    }
    pub(crate) async fn enqueue_with(&self, act: Act, change: impl FnOnce(&mut NewJob)) -> JobId {
        self.enqueue_to(&self.queue, act, change).await
    }
    pub(crate) async fn enqueue_to(&self, queue: &Name, act: Act, change: impl FnOnce(&mut NewJob)) -> JobId {
        let home = self.broker.home(queue).await.unwrap();
        let args = json(&serde_json::to_value(Args { test: self.test.to_owned(), act }).unwrap());
        let id = JobId::new(self.clock.now(), home, &*self.random);
        let mut job = NewJob::new(id, queue.clone(), Name::literal("test.play"), Name::literal("default"), args);
        job.policy = Policy { backoff: longshore_queue::Backoff { base_ms: 1, max_ms: 2 }, ..Policy::default() };
        change(&mut job);
        self.ids.lock().unwrap().push(id);
        self.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap().id
    }
    /// The jobs so far, in the order of their enqueue.
    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.ids.lock().unwrap().clone()
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.broker.get(&Scope::All, &[id]).await.unwrap().remove(0).unwrap()
    }
    pub(crate) async fn stats(&self) -> QueueStats {
        self.broker.stats(&Scope::All, &self.queue).await.unwrap()
    }
    /// Waits until the job looks as described.
    pub(crate) async fn until_job(&self, id: JobId, what: &str, looks: impl Fn(&Job) -> bool) -> Job {
        let seen = self.eventually(what, async || Some(self.job(id).await).filter(|job| looks(job)));
        seen.await
    }
    /// Waits until `look` finds something, for ten seconds.
    pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(&self, what: &str, look: impl Fn() -> F) -> T {
        let end = self.clock.elapsed() + Duration::from_secs(10);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(self.clock.elapsed() < end, "{}: {what}, within ten seconds", self.test);
            self.clock.sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The words of a job's history.
pub(crate) fn history(job: &Job) -> Vec<EventKind> {
    job.history.iter().map(|event| event.what).collect()
}
/// The code of a job's last error.
pub(crate) fn last_code(job: &Job) -> Option<&str> {
    job.history.iter().rev().find_map(|event| event.error.as_ref()).map(|error| error.code.as_str())
}
