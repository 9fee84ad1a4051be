//! What a schedule says: when it ticks, and what each tick makes.

use crate::{Json, Priority};
use longshore_base::{Millis, Name};
use serde::{Deserialize, Serialize};

/// A schedule, as somebody declared it. Its name is unique inside its tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Schedule {
    /// What people call it.
    pub name: Name,
    /// Whose it is, and whose jobs it makes.
    pub tenant: Name,
    /// When it ticks.
    pub timing: Timing,
    /// What its ticks make.
    pub kind: Name,
    /// Checked against the kind when the schedule is put, and again at each tick.
    pub args: Json,
    /// The queue in whose slot it lives and to which its jobs go.
    pub queue: Name,
    /// Its jobs are for this client.
    #[serde(default)]
    pub client: Option<Name>,
    /// Its jobs' order inside their lane.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Labels of its jobs, at most 20.
    #[serde(default)]
    pub tags: Vec<Name>,
    /// What becomes of ticks that nobody looked at in time.
    #[serde(default)]
    pub missed: Missed,
    /// What a tick does while the run before it has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// The file that declares it; `apply --prune` removes no other.
    #[serde(default)]
    pub managed_by: Option<Name>,
}

/// When a schedule ticks. Ticks are whole seconds for cron, and milliseconds otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Cron or a period.
    #[serde(flatten)]
    pub when: When,
    /// An IANA time zone; a period does not look at it.
    pub timezone: String,
    /// A fixed time in the hour that does not exist.
    #[serde(default)]
    pub gap: Gap,
    /// A fixed time in the hour that comes twice.
    #[serde(default)]
    pub repeated_hour: RepeatedHour,
    /// Each tick is carried out up to this much later: the same part of it for the same tenant and name.
    #[serde(default)]
    pub spread_ms: u64,
    /// No tick before this.
    #[serde(default)]
    pub starts_at: Option<Millis>,
    /// No tick at this time or later.
    #[serde(default)]
    pub ends_at: Option<Millis>,
}

/// Cron or a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Five fields, or six with seconds first, or one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`.
    Cron(String),
    /// At least 1000; counted from `starts_at`, else from the schedule's creation.
    EveryMs(u64),
}

/// What happens to a fixed time that does not exist because the clocks go forward. Expressions with a wildcard or a step in their minute or
/// hour follow the clock and have nothing to make up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It ticks once at the first instant after the gap.
    #[default]
    Next,
    /// It does not tick.
    Skip,
}

/// What happens to a fixed time that comes twice because the clocks go back. Expressions with a wildcard or a step in their minute or hour
/// tick in both passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedHour {
    /// The first one.
    #[default]
    Once,
    /// Both.
    Twice,
}

/// What becomes of missed ticks: those that nobody carried out within [`crate::LATE_MS`] of their time, because no scheduler ran or
/// the broker was away. Ticks while the schedule was paused are not missed, they are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// None is made up for.
    Skip,
    /// The last one.
    #[default]
    Latest,
    /// The last so many, oldest first; 1..=10000.
    All(u32),
}

/// What a tick does while the run before it, `last_job`, has not ended. A run that waits for its next attempt has not ended either; one
/// that is not there any more has.
///
/// Before each tick the held job is looked at: when the run before has ended, the held one has taken its place (`last_job` is it); when it
/// has ended itself, being cancelled while it was held, it is none. So it is held exactly as long as the run before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It makes its job.
    #[default]
    Allow,
    /// It makes none.
    Skip,
    /// Its job is held, Waiting, until the run before has ended. One job is held at most; further ticks make none.
    Wait,
    /// The run before is cancelled, and the job held until it has stopped. A job that is held already is cancelled too.
    Cancel,
}
