//! Starts a worker's parts, and is the handle that steers them.

use crate::{
    backend, beat,
    drain::{self, Drained},
    floor::{Floor, Ground},
    heartbeat,
    options::Options,
    pool,
};
use longshore_base::{Clock, Random};
use longshore_jobs::Catalog;
use longshore_queue::{Broker, ServedQueue, WorkerState};
use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, watch},
};
use tokio_util::task::TaskTracker;

/// A running worker. Clones steer the same one; it runs on when they are dropped.
#[derive(Debug, Clone)]
pub struct Worker {
    floor: Arc<Floor>,
    ended: watch::Receiver<Option<Drained>>,
}

/// A worker in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Unique per process and start.
    pub id: String,
    /// Active, quiet or draining.
    pub state: WorkerState,
    /// Attempts at once, at most.
    pub slots: usize,
    /// Attempts that run now.
    pub running: usize,
    /// Ended attempts whose acks are not answered yet.
    pub unacked: usize,
    /// Handlers that did not stop when told to, and occupy a thread.
    pub stuck: usize,
    /// The same per queue.
    pub queues: Vec<ServedQueue>,
    /// How long ago the last lease call succeeded; None: none has yet.
    pub last_lease: Option<Duration>,
    /// How long lease calls have been tried without one success. Zero when the last one succeeded, and when nothing is to be leased.
    pub unanswered: Duration,
}

impl Worker {
    /// Starts a worker in the current tokio runtime. Handlers run in a runtime of their own, heartbeats on a thread of their own.
    ///
    /// # Errors
    /// The operating system's, when it gives no threads.
    pub fn start(
        options: Options,
        broker: Arc<dyn Broker>,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> std::io::Result<Self> {
        let (starts, leased) = mpsc::unbounded_channel();
        let floor = Floor::new(options, Ground { broker, catalog, clock, random }, starts);
        let handlers = Handlers::new(floor.threads)?;
        let heartbeat = heartbeat::start(floor.clone())?;
        tracing::info!(worker = %floor.id, concurrency = floor.options.concurrency, queues = ?floor.options.queues, "worker starts");
        let (tell, ended) = watch::channel(None);
        let supervised = floor.clone();
        tokio::spawn(async move {
            let floor = supervised;
            let loops = TaskTracker::new();
            let runtime = tokio::spawn(backend::run(floor.clone(), Arc::new(Mutex::new(leased)), handlers.handle()));
            let reports = tokio::spawn(beat::run(floor.clone()));
            loops.spawn(pool::run(floor.clone(), loops.clone()));
            loops.close();
            let drained = drain::run(floor.clone(), loops).await;
            floor.stopped.cancel();
            let _ = runtime.await;
            let _ = reports.await;
            drop(handlers);
            let _ = tokio::task::spawn_blocking(move || heartbeat.join()).await;
            let _ = tell.send(Some(drained));
        });
        Ok(Self { floor, ended })
    }

    /// Leases nothing more; what runs goes on.
    pub fn quiet(&self) {
        self.floor.set_leasing(false);
    }
    /// Leases again. A draining worker stays draining.
    pub fn resume(&self) {
        self.floor.set_leasing(true);
    }
    /// Quiet; lets attempts end for at most `grace`; gives back the rest, which spends no attempt; ends.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.floor.drain(grace);
        self.ended().await
    }
    /// Drains without any grace, also when a drain with more is under way.
    pub async fn stop_now(&self) -> Drained {
        self.floor.hurry.cancel();
        self.drain(Duration::ZERO).await
    }
    /// Completes when the worker has ended, whoever asked for it.
    pub async fn ended(&self) -> Drained {
        let mut ended = self.ended.clone();
        let drained = ended.wait_for(Option::is_some).await.ok().and_then(|drained| *drained);
        drained.unwrap_or_default()
    }

    /// Unique per process and start; names the worker in its jobs' timelines.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.floor.id
    }
    /// The worker in numbers, without I/O.
    #[must_use]
    pub fn status(&self) -> Status {
        let floor = &self.floor;
        let now = floor.clock.elapsed();
        let state = *floor.state.borrow();
        let leases = state == WorkerState::Active;
        Status {
            id: floor.id.clone(),
            state,
            slots: floor.permits.total(),
            running: floor.busy(),
            unacked: floor.held().saturating_sub(floor.busy()),
            stuck: floor.stuck.load(Ordering::Acquire),
            queues: beat::served(floor),
            last_lease: floor.watchdog.last_lease(now),
            unanswered: if leases { floor.watchdog.unanswered(now) } else { Duration::ZERO },
        }
    }
}

/// The runtime that handlers run on. What blocks there blocks nothing else, and its end waits for nobody.
#[derive(Debug)]
struct Handlers(Option<Runtime>);

impl Handlers {
    fn new(threads: usize) -> std::io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).thread_name("longshore-handler").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }
    fn handle(&self) -> tokio::runtime::Handle {
        self.0.as_ref().expect("present until dropped").handle().clone()
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
