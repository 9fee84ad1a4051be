//! Why a job is not running: every reason that holds, from the same `admit` that the lease asks.

use crate::{Gate, JobId, Reason, RuleScope, State};
use longshore_base::{Millis, Name};

/// The answer. The job could be leased by a worker that asks now iff `obstacles` is empty and it is Ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Where the job stands.
    pub state: State,
    /// Everything in its way, in the order in which the lease looks: its own state first, then the queue, tenant, kind, key, resources,
    /// then its turn. Empty for a running job.
    pub obstacles: Vec<Obstacle>,
    /// Jobs that would start before it if nothing were in the way: those before it in its lane, and what other lanes and tenants are
    /// ahead by their turn, as far as that can be told cheaply.
    pub ahead: u64,
    /// When it may start, by what is known: due time, gates, rates, and the measured rate of the queue. An estimate.
    pub estimated_start: Option<Millis>,
}

/// One thing in the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// Its time has not come.
    NotDue {
        /// When.
        until: Millis,
    },
    /// It waits for children, a signal or the end of another job.
    Waiting {
        /// For what, in words.
        what: String,
        /// Open children, or the other job.
        by: Vec<JobId>,
        /// When the wait runs out.
        until: Option<Millis>,
    },
    /// A gate is closed.
    Gated {
        /// Where.
        scope: RuleScope,
        /// By whom, why, until when.
        gate: Gate,
    },
    /// As many run as may.
    Limit {
        /// Where.
        scope: RuleScope,
        /// The limit: `max_running`, the queue's scale, or `max_share` in slots.
        max: u64,
        /// Which of them: "max_running", "scale" or "max_share".
        rule: &'static str,
        /// Some of the jobs that hold it, at most 10.
        by: Vec<JobId>,
    },
    /// Too many started lately.
    Rate {
        /// Where.
        scope: RuleScope,
        /// When the next one may.
        until: Millis,
    },
    /// The tenant's units are used up.
    Budget {
        /// The tenant.
        tenant: Name,
        /// Used and reserved.
        used: u64,
        /// Where it closes.
        units: u64,
        /// When the next period begins.
        until: Millis,
    },
    /// An outside quota has nothing to lend.
    Resource {
        /// Its name.
        name: Name,
        /// Set when it is its gate.
        gate: Option<Gate>,
        /// When to look again, where that is known.
        until: Option<Millis>,
    },
    /// No live worker that is Active serves this queue. A lease does not look at this, nor at [`Self::UnknownKind`]: who asks is there.
    NoWorker,
    /// Live, active workers serve the queue; none knows this kind.
    UnknownKind {
        /// The kind.
        kind: Name,
    },
    /// It would be Dead after one more crash, and each worker runs at most one such job; all run one.
    Suspect {
        /// Those that run.
        by: Vec<JobId>,
    },
    /// The gate of its (tenant, key) tries with one job, and it is another one.
    Probe {
        /// The one that tries.
        by: Option<JobId>,
    },
    /// Others stand before it in its lane.
    Behind {
        /// How many.
        ahead: u64,
        /// The first of them.
        first: JobId,
    },
    /// Nothing else is in its way but that others have their turn first, or that every slot that live workers announce is taken. Told only when
    /// nothing else is.
    Turn {
        /// Its tenant's virtual time less the queue's, in milliseconds of slot-time: what others get first.
        behind_ms: f64,
    },
    /// It has ended: how, and why.
    Ended {
        /// Completed, Cancelled or Dead.
        state: State,
        /// Set for Cancelled and Dead.
        reason: Option<Reason>,
    },
}
