//! Rules: how much may run where, and what is closed. All of a queue's rules live in the queue's slot, so all are exact.

use crate::{JobId, Pause};
use longshore_base::{Millis, Name};
use serde::{Deserialize, Serialize};

/// Where a rule holds, inside one queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleScope {
    /// The whole queue.
    Queue,
    /// Every job of a tenant.
    Tenant(Name),
    /// Every job of a kind.
    Kind(Name),
    /// Every job of a tenant with this lane key, of whatever kind: kinds that share an account share the scope. The key may be empty.
    Key {
        /// Whose.
        tenant: Name,
        /// Which account, model, …
        key: String,
    },
}

/// What may run in a scope. `None`: no such rule. All fields are replaced together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// At most so many leases at once, ≥ 1. Exact over all workers; lowered below what runs, nothing is killed and nothing new starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// Starts per period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Tenants only: the share of the queue's slot-time, against the weights of the others that have work. 1 where nothing is said;
    /// 0.001..=1000. Holds from the next lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Tenants only: at most this part of the queue's slots at once, above 0 and at most 1. The slots are those of the live workers,
    /// at most what `scale` allows; one is always allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_share: Option<f64>,
    /// Tenants only: units per period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// A rate by GCRA (ITU-T I.371): one theoretical arrival time per scope. In any time t at most `burst + t · count / period` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Starts per period, ≥ 1.
    pub count: u32,
    /// The period, ≥ 1 ms.
    pub period_ms: u64,
    /// Starts that may come at once after a rest, ≥ 1.
    #[serde(default = "Rate::burst_default")]
    pub burst: u32,
}

impl Rate {
    /// Smooth: one at a time.
    const fn burst_default() -> u32 {
        1
    }
}

/// Units (tokens, cents, API points) that a tenant may use in a period of the calendar, UTC. A job's estimate is reserved at its lease
/// and settled at its ack, both in the period of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Units per period, ≥ 1.
    pub units: u64,
    /// When it begins anew.
    pub period: Period,
    /// What is used closes the tenant: `true` at `units`, a number at so many units, `false` never. A tenant is admitted while something
    /// remains, so the last job may go beyond it.
    pub hard: Hard,
    /// What is used raises an alert: a number of units (≥ 1), or a part of `units` (below 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<f64>,
}

/// Whether, and where, a budget closes its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Hard {
    /// At `units`, or never.
    At(bool),
    /// At so many units, 1..=`units`.
    Units(u64),
}

/// The period of a budget, by the calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From the first.
    Month,
}

/// Who closed a gate, and so how it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateCause {
    /// A person's pause.
    Person,
    /// A handler asked for it (`Failure::Gate`); opens by itself.
    Handler,
    /// A run of failures; after its end one job may try (a probe), and its end opens the gate or closes it for twice as long.
    Failures,
}

/// A closed gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Until when, why and who. A scope has one gate: a person's pause replaces whatever is there and stands until its end or a resume; of
    /// others the later end holds. One whose end has come is not told any more.
    #[serde(flatten)]
    pub pause: Pause,
    /// How it opens.
    pub cause: GateCause,
}

/// Failures of a (tenant, key) in a row. Counted are acks of Retry and Dead; a Complete, of the probe or of any other, begins anew: it forgets
/// them and opens a gate that they closed. While `wait_ms` is not 0 and no gate is closed, whoever had closed it, one job at a time tries: a
/// Retry or Dead of it closes the gate for twice as long, any other end leaves its place to another. Other failures only count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many.
    pub in_row: u32,
    /// How long the gate was last closed for, 0: it was not.
    pub wait_ms: u64,
    /// The one job that tries, while it runs.
    pub probe: Option<JobId>,
}

/// So many failures in a row of a (tenant, key) with a key that is not empty close it.
pub const FAILURES_TO_GATE: u32 = 10;
/// The first such gate stays closed for so long, in milliseconds; each further one for twice as long.
pub const GATE_FIRST_MS: u64 = 10_000;
/// No such gate stays closed for longer, in milliseconds.
pub const GATE_LONGEST_MS: u64 = 600_000;

/// What to do to a scope's rules.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleChange {
    /// Replaces the limits. What a rate and a budget have counted so far is kept, also while there is none.
    Limits(Limits),
    /// Removes the limits; the gate stays. A change like any other, also where none are set.
    Clear,
    /// Closes the gate: nothing is leased in the scope. What runs goes on; expiry and schedules too.
    Pause(Pause),
    /// Opens the gate, whoever closed it, and forgets the failures.
    Resume,
    /// The queue only, Refused elsewhere: run at most so many at once, over all workers; None: no cap. Checked together with `max_running`.
    Scale(Option<u32>),
    /// The queue only, Refused elsewhere: keep how to scale it by itself, None: not any more. The scheduler sets the cap.
    Auto(Option<Auto>),
}

/// How a queue's slots follow its backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auto {
    /// Slots at least; 0 is allowed.
    pub min: u32,
    /// Slots at most, ≥ 1 and ≥ `min`.
    pub max: u32,
    /// The backlog should be cleared in this time.
    pub clear_in_ms: u64,
    /// Slots that one change adds or takes away at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Slots are not taken away sooner after a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cool_down_ms: Option<u64>,
}

/// A scope as it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScopeState {
    /// What may run.
    pub limits: Limits,
    /// Grows by one with each change of the limits; 0: they were never set. `If-Match` names it.
    pub revision: u64,
    /// Set while closed.
    pub gate: Option<Gate>,
    /// Set while the last attempts of a (tenant, key) failed.
    pub failures: Option<Failures>,
    /// Leases now.
    pub running: u64,
    /// Units used and reserved in the current period, where there is a budget.
    pub budget: Option<BudgetState>,
}

/// A budget as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// Used and reserved in this period.
    pub used: u64,
    /// When the next period begins.
    pub resets_at: Millis,
    /// The soft threshold is reached.
    pub alert: bool,
}

/// A lane that has jobs ready or running, as people see it. Lanes that differ in their resources only are told as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneView {
    /// Whose.
    pub tenant: Name,
    /// Of which kind.
    pub kind: Name,
    /// Its key, empty by default.
    pub key: String,
    /// Jobs that wait in it, suspects included.
    pub ready: u64,
    /// Jobs of it that run.
    pub running: u64,
    /// The rules of its (tenant, key), if there are any.
    pub limits: Option<Limits>,
    /// The first closed gate of its scopes: queue, tenant, kind, key.
    pub gate: Option<Gate>,
    /// Failures in a row of its (tenant, key).
    pub failures: Option<Failures>,
    /// The tenant's weight over the sum of the weights of the tenants that have something ready or running, 0..=1.
    pub share: f64,
}
