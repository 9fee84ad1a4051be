//! Resources: outside quotas that tenants and queues share, such as a provider's calls a minute. A resource lives in a slot of its own and
//! lends slices of permits to queues, never more than it has.
//!
//! A job uses the resources that its [`crate::NewJob::resources`] names (the kind's record says which), from its lease to its end: one slot of
//! `max_running`, one start of `rate`, and its cost in `points`. A lane whose jobs name other resources is another lane.

use crate::{Gate, Pause, Rate};
use longshore_base::{Millis, Name};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an outside quota allows. `None`: no such rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Starts per period, smooth (GCRA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Points in any stretch of time of this length; a job takes its cost at its lease and they are never given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
    /// Leases at once, over all queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
}

/// A sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// Points, ≥ 1. A job that costs more is admitted when the window is empty.
    pub count: u64,
    /// The window, ≥ 1000 ms.
    pub period_ms: u64,
}

/// What to do to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceChange {
    /// Makes it, or replaces its quota.
    Put(Quota),
    /// Removes it; jobs that name a resource that does not exist are not held by it.
    Remove,
    /// Lends nothing.
    Pause(Pause),
    /// Lends again.
    Resume,
    /// What the provider told a handler: so many points (or starts, where the resource has no points) are left until the window of the
    /// provider ends. Holds until then, and only makes less available; the newest word holds, also over a Put.
    Learn {
        /// What is left.
        remaining: u64,
        /// How long until the provider's window ends.
        resets_in: Duration,
    },
}

/// A resource as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceState {
    /// Its name.
    pub name: Name,
    /// What it allows.
    pub quota: Quota,
    /// Grows by one with each Put. `If-Match` names it.
    pub revision: u64,
    /// Set while closed.
    pub gate: Option<Gate>,
    /// Points that are taken in the window now, lent ones included.
    pub points_used: u64,
    /// Leases and lent slots now.
    pub running: u64,
    /// What the provider last told, while it holds: what is left of it, and until when.
    pub learned: Option<(u64, Millis)>,
    /// Queues that have a part of it now.
    pub queues: Vec<Name>,
}
