//! What the parts of one worker share.

use crate::{options::Options, permits::Permits, queue::Queue, running::Running, watchdog::Watchdog};
use longshore_base::{Clock, Millis, Name, Random};
use longshore_jobs::{Catalog, Checker, Headers, Outbound, Tools};
use longshore_queue::{Broker, WorkerState};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// One worker's shared state. Its parts hold it; it holds no part.
#[derive(Debug)]
pub(crate) struct Floor {
    /// Unique per process and start; names the worker in every lease.
    pub(crate) id: String,
    pub(crate) options: Options,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) catalog: Catalog,
    pub(crate) kinds: Arc<[Name]>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// What handlers work with.
    pub(crate) tools: Arc<Tools>,
    pub(crate) started_at: Millis,
    pub(crate) permits: Arc<Permits>,
    /// Served so far; only grows.
    queues: RwLock<BTreeMap<Name, Arc<Queue>>>,
    /// Leased jobs on their way to a handler.
    pub(crate) starts: mpsc::UnboundedSender<Arc<Running>>,
    pub(crate) state: watch::Sender<WorkerState>,
    /// How long the drain in progress waits.
    grace: Mutex<Duration>,
    /// The grace is over before its time: stop now.
    pub(crate) hurry: CancellationToken,
    /// Every part should end.
    pub(crate) stopped: CancellationToken,
    /// Wakes the reports: the queues have been looked for, and what is served now is told at once.
    pub(crate) found: Notify,
    /// Wakes the heartbeat: something is held again.
    pub(crate) arrivals: Notify,
    /// Wakes the heartbeat: a queue should be extended at once.
    pub(crate) nudge: Notify,
    pub(crate) watchdog: Watchdog,
    /// Threads that handlers run on.
    pub(crate) threads: usize,
    /// Handlers that were settled without their doing and still occupy a thread.
    pub(crate) stuck: AtomicUsize,
    /// Attempts that have not ended.
    busy: AtomicUsize,
    /// Leases whose end has not been answered.
    held: AtomicUsize,
    /// Rings when either of them falls to zero.
    calm: Notify,
}

/// What a worker is built on.
pub(crate) struct Ground {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Floor {
    pub(crate) fn new(options: Options, ground: Ground, starts: mpsc::UnboundedSender<Arc<Running>>) -> Arc<Self> {
        let Ground { broker, catalog, clock, random } = ground;
        let tools = Tools {
            checker: Arc::new(Checker::new(broker.clone(), clock.clone()).with_blobs(options.blobs.clone())),
            outbound: Outbound::new(options.allow_outbound.clone()),
            headers: Headers::new(broker.clone(), clock.clone()),
            secrets: options.secrets.clone(),
            backups: options.backups.clone(),
            broker: broker.clone(),
            clock: clock.clone(),
            random: random.clone(),
        };
        let start = random.bits() as u32;
        Arc::new(Self {
            id: format!("{}-{}-{start:08x}", options.host, std::process::id()),
            kinds: catalog.names(),
            tools: Arc::new(tools),
            started_at: clock.now(),
            permits: Permits::new(options.concurrency),
            queues: RwLock::default(),
            starts,
            state: watch::Sender::new(WorkerState::Active),
            grace: Mutex::new(options.grace()),
            hurry: CancellationToken::new(),
            stopped: CancellationToken::new(),
            found: Notify::new(),
            arrivals: Notify::new(),
            nudge: Notify::new(),
            watchdog: Watchdog::default(),
            threads: options.threads(),
            stuck: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            calm: Notify::new(),
            options,
            broker,
            catalog,
            clock,
            random,
        })
    }

    /// The queues served so far, by name.
    pub(crate) fn queues(&self) -> Vec<Arc<Queue>> {
        self.queues.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
    /// Serves one more queue; None: it is served already.
    pub(crate) fn serve(&self, name: &Name, make: impl FnOnce() -> Arc<Queue>) -> Option<Arc<Queue>> {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if queues.contains_key(name) {
            return None;
        }
        let queue = make();
        queues.insert(name.clone(), queue.clone());
        Some(queue)
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.state.borrow() == WorkerState::Draining
    }
    /// Quiet or Active; a draining worker stays so.
    pub(crate) fn set_leasing(&self, leasing: bool) {
        let next = if leasing { WorkerState::Active } else { WorkerState::Quiet };
        self.state.send_if_modified(|state| {
            let changes = *state != WorkerState::Draining && *state != next;
            if changes {
                tracing::info!(worker = %self.id, state = ?next, "worker changes state");
                *state = next;
            }
            changes
        });
    }
    /// Begins the end. The first call's grace holds.
    pub(crate) fn drain(&self, grace: Duration) {
        self.state.send_if_modified(|state| {
            if *state == WorkerState::Draining {
                return false;
            }
            tracing::info!(worker = %self.id, grace_ms = grace.as_millis() as u64, busy = self.busy(), "worker drains");
            *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = grace;
            *state = WorkerState::Draining;
            true
        });
    }
    pub(crate) fn grace(&self) -> Duration {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many leases of one queue may be held, those included that have ended and whose acks are not answered yet.
    pub(crate) fn held_most(&self) -> usize {
        (4 * self.permits.total()).max(1024)
    }
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Acquire)
    }
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }
    /// Leases have arrived.
    pub(crate) fn arrived(&self, n: usize) {
        self.busy.fetch_add(n, Ordering::AcqRel);
        if self.held.fetch_add(n, Ordering::AcqRel) == 0 {
            self.arrivals.notify_one();
        }
    }
    /// An attempt has ended.
    pub(crate) fn ended(&self) {
        if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.calm.notify_waiters();
        }
    }
    /// The ends of `n` leases have been answered, or given up on.
    pub(crate) fn answered(&self, n: usize) {
        if self.held.fetch_sub(n, Ordering::AcqRel) == n {
            self.calm.notify_waiters();
        }
    }
    /// Completes once `done` holds; looked at whenever the last attempt ends or the last lease is answered.
    pub(crate) async fn until(&self, done: impl Fn(&Self) -> bool) {
        loop {
            let calm = self.calm.notified();
            tokio::pin!(calm);
            calm.as_mut().enable();
            if done(self) {
                return;
            }
            calm.await;
        }
    }
}
