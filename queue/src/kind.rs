//! Kinds are records in the broker, not a compiled list: any process can enqueue any kind without its code.

use crate::{Keep, Policy, Timing};
use longshore_base::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindRecord {
    /// Stored in every job for ever.
    pub name: Name,
    /// Grows when the schema or the policy changes.
    pub version: u32,
    /// JSON Schema (draft 2020-12) of the args.
    pub args_schema: Value,
    /// JSON Schema of the output.
    #[serde(default)]
    pub output_schema: Option<Value>,
    /// Where its jobs go unless they name another queue.
    pub queue: Name,
    /// Frozen into each job.
    pub policy: Policy,
    /// JSON pointers (RFC 6901) into args that make the lane's key, joined by `/`.
    #[serde(default)]
    pub lane_by: Vec<String>,
    /// A JSON pointer into args to the number of units that a job costs (a number, rounded up, 0..=4294967295); 1 where it is absent or not
    /// a number.
    #[serde(default)]
    pub cost: Option<String>,
    /// JSON pointers into args that make a unique key (mode *keep*) when the caller names none.
    #[serde(default)]
    pub unique_by: Vec<String>,
    /// Names of the outside quotas that it uses; one that begins with `/` is a JSON pointer into args to the name.
    #[serde(default)]
    pub resources: Vec<String>,
    /// The timing that a schedule of this kind takes over when it names none, and the args that it takes over when it has none.
    #[serde(default)]
    pub schedule: Option<KindSchedule>,
    /// How long its ended jobs are kept.
    #[serde(default)]
    pub keep: Option<Keep>,
    /// Who answers for it; a label.
    #[serde(default)]
    pub owner: Option<String>,
    /// Set when a newer version was refused: why it was not taken over.
    #[serde(default)]
    pub refused: Option<String>,
    /// Its jobs are made by calls that are there for them; nobody enqueues one by hand, on a schedule or from a handler.
    #[serde(default)]
    pub internal: bool,
    /// Only an operator's key may enqueue, schedule or edit its jobs.
    #[serde(default)]
    pub operators: bool,
}

/// What a kind says about its schedules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindSchedule {
    /// Cron, zone, and a spread, so that the tenants' runs do not come at once.
    pub timing: Timing,
    /// None: whoever makes a schedule names the args.
    #[serde(default)]
    pub args: Option<Value>,
}
