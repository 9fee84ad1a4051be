//! Leases, and how they end.

use crate::{ErrorInfo, Job, JobId, Json, Reason, State, Wait, Woken};
use longshore_base::Name;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Proof of a lease. Strictly greater at each lease of a queue, also after a failover or a restore, so a target may use it to fence.
/// It is `max(last, server time in µs) + i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(pub u64);

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// From which queue.
    pub queue: Name,
    /// Unique per process and start.
    pub worker: String,
    /// Grows by one with each new request of this worker to this queue; the same number again gives the same reply again.
    pub call: u64,
    /// At most so many (1..=500); the worker can start them all now.
    pub n: usize,
    /// The kinds that this worker carries; others stay Ready.
    pub kinds: std::sync::Arc<[Name]>,
    /// How long the leases last unless extended.
    pub lease: Duration,
}

/// What it gets.
#[derive(Debug, Default)]
pub struct LeaseReply {
    /// In the order in which they should start.
    pub leases: Vec<Lease>,
    /// How long until something in the queue falls due, or a gate, a rate, a budget or a resource that holds something back ends, if any will;
    /// wait for that or for a signal.
    pub next_due: Option<Duration>,
}

/// One job, leased.
#[derive(Debug, Clone)]
pub struct Lease {
    /// As it stands, Running.
    pub job: Job,
    /// Goes with every write.
    pub token: Token,
    /// Set when a wait ended: why.
    pub woken: Option<Woken>,
}

/// A lease that a worker still holds, as told by extend.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Which job.
    pub id: JobId,
    /// Under which token.
    pub token: Token,
}

/// The end of one attempt.
#[derive(Debug, Clone)]
pub struct Ack {
    /// Which job.
    pub id: JobId,
    /// Under which token.
    pub token: Token,
    /// How long the handler ran, by the worker's clock. Corrects what the start was charged with, and goes into the kind's mean; not so for an
    /// unstarted release, which is charged nothing. A lost lease is charged the time until its reap.
    pub ran: Duration,
    /// Units of the tenant's budget that the attempt used, where it knows; None: what it last noted, else the estimate.
    pub used: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Well.
    Complete {
        /// What the handler returned.
        output: Option<Json>,
    },
    /// Badly; try again after this long.
    Retry {
        /// By the server's clock.
        after: Duration,
        /// What went wrong.
        error: ErrorInfo,
    },
    /// Badly, and for good.
    Dead {
        /// Why for good.
        reason: Reason,
        /// What went wrong.
        error: ErrorInfo,
    },
    /// Run it again later; no counter moves.
    Snooze {
        /// By the server's clock.
        after: Duration,
    },
    /// Closes the job's (tenant, key) for a time, whatever becomes of the job; it is Ready again, and no counter moves but the runs, which runs_max bounds.
    Gate {
        /// How long.
        after: Duration,
        /// Told to whoever asks why nothing runs; at most 256 bytes are kept.
        reason: String,
    },
    /// The worker stops and gives it back.
    Release {
        /// True when the handler had started: interruptions + 1.
        started: bool,
    },
    /// Wait without a slot. Goes straight to Ready if the condition is met already.
    Wait(Wait),
    /// The handler stopped because a cancel was requested.
    Cancel,
}

/// An accepted ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    /// Where the job stands now.
    pub state: State,
    /// True when this token had ended the attempt before; the first payload won.
    pub repeated: bool,
}
