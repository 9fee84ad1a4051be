//! What goes in and out of the routes of jobs, as OpenAPI shows it.

use crate::{body::shaped, intake::EnqueueBody, time::Time, view::JobView};
use longshore_base::Name;
use longshore_queue::{JobId, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What may be changed of a job that is scheduled, ready or retrying.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobEdit)]
pub(crate) struct EditBody {
    /// Replaces the args; checked against the kind's schema.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Value, required = false)]
    pub(super) args: Option<Value>,
    #[schema(nullable = false, minimum = 0, maximum = 9)]
    pub(super) priority: Option<u8>,
    #[schema(schema_with = crate::view::time)]
    pub(super) run_at: Option<Time>,
    /// Replaces the labels.
    #[schema(schema_with = crate::view::names)]
    pub(super) tags: Option<Vec<Name>>,
}
shaped!(EditBody);

impl EditBody {
    /// Nothing would change.
    pub(super) const fn is_empty(&self) -> bool {
        self.args.is_none() && self.priority.is_none() && self.run_at.is_none() && self.tags.is_none()
    }
}

/// `null` is a value like any other: args may be null, where the kind allows it.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// No fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
shaped!(Nothing, empty ok);

/// An accepted job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    #[schema(schema_with = crate::view::id)]
    pub(super) id: JobId,
    #[schema(schema_with = crate::view::state)]
    pub(super) state: State,
    /// A job that was there before was answered.
    pub(super) duplicate: bool,
    /// What the write survives: `fast` a process crash, `durable` a power cut.
    pub(super) durability: String,
}

/// Jobs to be enqueued.
#[derive(Debug, ToSchema)]
#[schema(as = Batch)]
#[expect(dead_code, reason = "shown in OpenAPI; read item by item, so that one bad item does not refuse the others")]
pub(crate) struct BatchBody {
    #[schema(min_items = 1, max_items = 10_000)]
    pub(super) jobs: Vec<EnqueueBody>,
}

/// One result per job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchAccepted {
    /// {id, state, duplicate} or {error: problem}.
    pub(super) results: Vec<Value>,
    pub(super) durability: String,
}

/// A page of jobs.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct JobList {
    pub(super) items: Vec<JobView>,
    /// For the next page; null: that was all.
    pub(super) cursor: Option<String>,
    /// How many jobs were looked at.
    pub(super) scanned: u64,
}

/// A job that was moved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Moved {
    #[schema(schema_with = crate::view::id)]
    pub(super) id: JobId,
    #[schema(schema_with = crate::view::state)]
    pub(super) state: State,
    /// The dead job that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) replay_of: Option<JobId>,
}

/// A job's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Logs {
    pub(super) logs: Vec<Line>,
    /// So many older lines are not kept any more.
    pub(super) dropped: u64,
}

/// A line of a job's log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    #[schema(schema_with = crate::view::time)]
    pub(super) at: Time,
    pub(super) level: String,
    pub(super) message: String,
}
