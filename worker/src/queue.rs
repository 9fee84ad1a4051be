//! One queue as this worker serves it: its seat, what is held of it, and the way its acks go.

use crate::{
    floor::Floor,
    meter::{KindMeter, QueueMeter},
    permits::Seat,
    running::Running,
};
use longshore_base::Name;
use longshore_queue::{Ack, Held, LeaseRequest, Token, Watched};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// A served queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: Name,
    pub(crate) seat: Seat,
    pub(crate) meter: QueueMeter,
    pub(crate) acks: mpsc::UnboundedSender<Ack>,
    /// Rings when acks were answered, for a leaser that waits because too many are not.
    pub(crate) settled: Notify,
    held: Mutex<Holdings>,
    kinds: Mutex<HashMap<Name, Arc<KindMeter>>>,
    /// Attempts of which the broker's news is wanted.
    pub(crate) watched: Arc<Watched>,
    /// Attempts that have not ended.
    pub(crate) running: AtomicUsize,
    /// About how long attempts take, in microseconds.
    usual_us: AtomicU64,
    /// When the next extend is due, in milliseconds of the worker's monotonic clock.
    pub(crate) extend_at: AtomicU64,
    /// An extend is on its way.
    pub(crate) extending: AtomicBool,
}

/// What a worker holds of a queue. The key is the token: unique in the queue, while a job may be leased again.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    by_token: HashMap<u64, Arc<Running>>,
    /// The last lease call that was sent. Calls are sent one after the other.
    sent: u64,
    /// The last one whose reply is in `by_token`, in one step with it.
    settled: u64,
}

impl Queue {
    pub(crate) fn new(name: Name, seat: Seat, acks: mpsc::UnboundedSender<Ack>) -> Arc<Self> {
        Arc::new(Self {
            meter: QueueMeter::new(&name),
            name,
            seat,
            acks,
            settled: Notify::new(),
            held: Mutex::default(),
            kinds: Mutex::default(),
            watched: Arc::default(),
            running: AtomicUsize::new(0),
            usual_us: AtomicU64::new(u64::from(u32::MAX)),
            extend_at: AtomicU64::new(0),
            extending: AtomicBool::new(false),
        })
    }

    /// The next lease call of this queue; `n` is the caller's.
    pub(crate) fn next_lease(&self, floor: &Floor) -> LeaseRequest {
        let mut held = self.lock();
        held.sent += 1;
        LeaseRequest {
            queue: self.name.clone(),
            worker: floor.id.clone(),
            call: held.sent,
            n: 1,
            kinds: floor.kinds.clone(),
            lease: floor.options.lease(),
        }
    }
    /// Takes over what the last lease call brought. True when nothing was held before.
    pub(crate) fn hold(&self, jobs: &[Arc<Running>]) -> bool {
        let mut held = self.lock();
        let first = held.by_token.is_empty();
        held.by_token.extend(jobs.iter().map(|job| (job.lease.token.0, job.clone())));
        held.settled = held.sent;
        first
    }
    /// These leases are over.
    pub(crate) fn forget(&self, tokens: impl Iterator<Item = Token>) -> usize {
        let mut held = self.lock();
        let n = tokens.filter(|token| held.by_token.remove(&token.0).is_some()).count();
        drop(held);
        self.settled.notify_one();
        n
    }
    /// Everything that is held, and the last lease call that is part of it.
    pub(crate) fn snapshot(&self) -> (Vec<Arc<Running>>, u64) {
        let held = self.lock();
        (held.by_token.values().cloned().collect(), held.settled)
    }
    /// The last lease call, answered or not. For the very end, when no reply is taken any more.
    pub(crate) fn last_call(&self) -> u64 {
        self.lock().sent
    }
    /// The lease under this token, if it is held.
    pub(crate) fn held(&self, token: Token) -> Option<Arc<Running>> {
        self.lock().by_token.get(&token.0).cloned()
    }
    pub(crate) fn held_count(&self) -> usize {
        self.lock().by_token.len()
    }
    /// News of this attempt is wanted from now on, until it is settled. False: it was before.
    pub(crate) fn watch(&self, job: &Running) -> bool {
        if job.watched.load(Ordering::Acquire) {
            return false;
        }
        self.watched.add(job.lease.job.id);
        job.watched.swap(true, Ordering::AcqRel);
        // Either this sees that it was settled meanwhile, or whoever settles it sees that it is watched.
        if job.is_settled() {
            self.unwatch(job);
        }
        true
    }
    pub(crate) fn unwatch(&self, job: &Running) {
        if job.watched.swap(false, Ordering::AcqRel) {
            self.watched.remove(job.lease.job.id);
        }
    }
    /// This kind's metrics in this queue.
    pub(crate) fn kind(&self, kind: &Name) -> Arc<KindMeter> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = kinds.get(kind) {
            return meter.clone();
        }
        let meter = Arc::new(KindMeter::new(&self.name, kind));
        kinds.insert(kind.clone(), meter.clone());
        meter
    }
    /// An attempt took so long. Two at once may overwrite each other: it is only a hint.
    pub(crate) fn took(&self, ran: Duration) {
        let ran = u64::try_from(ran.as_micros()).unwrap_or(u64::MAX).min(u64::from(u32::MAX));
        let usual = self.usual_us.load(Ordering::Relaxed);
        self.usual_us.store((usual * 7 + ran) / 8, Ordering::Relaxed);
    }
    /// Whether attempts are over as soon as they start.
    pub(crate) fn is_brief(&self) -> bool {
        self.usual_us.load(Ordering::Relaxed) < 1_000
    }
    /// Extend as soon as the heartbeat looks, at the latest at `now_ms`.
    pub(crate) fn extend_by(&self, now_ms: u64) {
        self.extend_at.fetch_min(now_ms, Ordering::AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, Holdings> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The held lease as extend names it.
pub(crate) fn as_held(job: &Running) -> Held {
    Held { id: job.lease.job.id, token: job.lease.token }
}
