//! One leased job in this process: until when its lease holds, whether it was told to stop, and that it ends once.

use crate::{meter::KindMeter, queue::Queue};
use longshore_jobs::{Attempted, Context, traces::Span};
use longshore_queue::Lease;
use std::{
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Why an attempt should stop. The first reason holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stop {
    /// Somebody cancelled the job.
    Cancelled = 1,
    /// It ran longer than its timeout.
    TimedOut = 2,
    /// The lease is lost, or can no longer be trusted.
    Lost = 3,
    /// The worker's grace is over, or the attempt could not be started.
    Released = 4,
}

impl Stop {
    const fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Cancelled),
            2 => Some(Self::TimedOut),
            3 => Some(Self::Lost),
            4 => Some(Self::Released),
            _ => None,
        }
    }
    /// Whether the handler gets a moment to end by itself. A late one gets none: its time is over already.
    pub(crate) const fn is_polite(self) -> bool {
        matches!(self, Self::Cancelled | Self::Released)
    }
    /// What the attempt came to if it was stopped for this reason. A lost lease is given back: the broker refuses that and counts
    /// it, unless nobody has taken the job yet; then it runs again at once.
    pub(crate) const fn attempted(self, started: bool) -> Attempted {
        match self {
            Self::Cancelled => Attempted::Cancelled,
            Self::TimedOut => Attempted::TimedOut,
            Self::Lost | Self::Released => Attempted::Released(started),
        }
    }
}

/// A leased job, from the lease's arrival to the answered ack. Times are microseconds of the worker's monotonic clock.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) lease: Arc<Lease>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) meter: Arc<KindMeter>,
    /// The handler sees this one.
    pub(crate) cancelled: CancellationToken,
    /// Its end frees a slot. False: it arrived when none was free, and is given back.
    pub(crate) has_slot: bool,
    /// What the handler runs in, once it has started.
    pub(crate) context: OnceLock<Context>,
    /// What is told of it to those who collect traces, once it has started.
    pub(crate) span: OnceLock<Span>,
    arrived_us: u64,
    lease_until_us: AtomicU64,
    /// 0: not yet.
    started_us: AtomicU64,
    stop: AtomicU8,
    stopped_us: AtomicU64,
    settled: AtomicBool,
    /// It is in its queue's watched ones; [`Queue::watch`] alone sets it.
    pub(crate) watched: AtomicBool,
    /// See [`Running::abandon`].
    body: AtomicU8,
}

/// The handler's future is being run, or waits for its turn.
const ALIVE: u8 = 0;
/// It was settled without it, and it has not come back yet.
const ABANDONED: u8 = 1;
/// It is gone.
const GONE: u8 = 2;

impl Running {
    /// A lease that was asked for at the start of `holds` and may be trusted until its end.
    pub(crate) fn new(lease: Lease, queue: &Arc<Queue>, has_slot: bool, holds: Range<Duration>) -> Arc<Self> {
        Arc::new(Self {
            meter: queue.kind(&lease.job.kind),
            queue: queue.clone(),
            cancelled: CancellationToken::new(),
            has_slot,
            context: OnceLock::new(),
            span: OnceLock::new(),
            arrived_us: micros(holds.start),
            lease_until_us: AtomicU64::new(micros(holds.end)),
            started_us: AtomicU64::new(0),
            stop: AtomicU8::new(0),
            stopped_us: AtomicU64::new(0),
            settled: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            body: AtomicU8::new(ALIVE),
            lease: Arc::new(lease),
        })
    }

    /// The handler is about to run. False: it was told to stop before, or was settled without it.
    pub(crate) fn start(&self, now: Duration) -> bool {
        // In one order with `tell_to_stop`: either it sees the start, or this sees the stop.
        self.started_us.store(micros(now).max(1), Ordering::SeqCst);
        let goes = self.stop.load(Ordering::SeqCst) == 0 && !self.is_settled();
        if !goes {
            self.started_us.store(0, Ordering::SeqCst);
        }
        goes
    }
    pub(crate) fn started(&self) -> Option<Duration> {
        let us = self.started_us.load(Ordering::SeqCst);
        (us > 0).then(|| Duration::from_micros(us))
    }
    /// How long the handler has run.
    pub(crate) fn ran(&self, now: Duration) -> Duration {
        self.started().map_or(Duration::ZERO, |start| now.saturating_sub(start))
    }
    /// Units of the tenant's budget that the handler told of, if it did.
    pub(crate) fn used(&self) -> Option<u64> {
        self.context.get().and_then(Context::used_in_all)
    }
    pub(crate) fn arrived(&self) -> Duration {
        Duration::from_micros(self.arrived_us)
    }

    /// The lease was lengthened to this time at least.
    pub(crate) fn extended(&self, until: Duration) {
        self.lease_until_us.fetch_max(micros(until), Ordering::AcqRel);
    }
    pub(crate) fn lease_until(&self) -> Duration {
        Duration::from_micros(self.lease_until_us.load(Ordering::Acquire))
    }

    /// Tells the attempt to stop. True for the first to do so.
    pub(crate) fn tell_to_stop(&self, why: Stop, now: Duration) -> bool {
        if self.is_settled() || self.stop.compare_exchange(0, why as u8, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return false;
        }
        self.stopped_us.store(micros(now).max(1), Ordering::Release);
        self.cancelled.cancel();
        true
    }
    pub(crate) fn stop(&self) -> Option<Stop> {
        Stop::from_u8(self.stop.load(Ordering::Acquire))
    }
    /// Since when it should have stopped.
    pub(crate) fn stopped(&self) -> Option<Duration> {
        let us = self.stopped_us.load(Ordering::Acquire);
        (us > 0).then(|| Duration::from_micros(us))
    }

    /// An attempt ends once: true for the first caller, whose outcome is the one that is acked.
    pub(crate) fn claim_end(&self) -> bool {
        !self.settled.swap(true, Ordering::AcqRel)
    }
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// The attempt was settled although its handler has not stopped. True when the handler occupies its thread from now on.
    pub(crate) fn abandon(&self) -> bool {
        self.body.compare_exchange(ALIVE, ABANDONED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
    /// The handler is gone. True when it had been abandoned.
    pub(crate) fn came_back(&self) -> bool {
        self.body.swap(GONE, Ordering::AcqRel) == ABANDONED
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
