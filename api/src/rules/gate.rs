//! Gates: what closes a scope, until when, and who did it.

use crate::{body::shaped, problem::Problem, state::Api, time::Time};
use longshore_base::Name;
use longshore_queue::{Failures, Gate, GateCause, JobId, Pause};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Until when, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Pause)]
pub(crate) struct PauseBody {
    /// Absent: until somebody resumes it.
    #[schema(schema_with = crate::view::time)]
    until: Option<Time>,
    #[schema(nullable = false, max_length = 256)]
    reason: Option<String>,
}
shaped!(PauseBody, empty ok);

impl PauseBody {
    /// A pause by `who`; one that has ended before it begins is a mistake.
    pub(crate) fn checked(self, api: &Api, who: &Name) -> Result<Pause, Problem> {
        let until = self.until.map(|time| time.0);
        if until.is_some_and(|until| until <= api.clock.now()) {
            return Err(Problem::fault("/until", "the time has passed", "a time to come, or nothing"));
        }
        Ok(Pause { until, reason: self.reason, by: Some(who.to_string()) })
    }
}

/// A closed gate.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gate)]
pub(crate) struct GateView {
    /// null: until somebody resumes it.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    reason: Option<String>,
    /// The name of a key, or a worker.
    by: Option<String>,
    /// person: paused by somebody · handler: a job's code asked for it · failures: too many in a row; one job tries after the end.
    #[schema(value_type = String)]
    cause: GateCause,
}

impl From<Gate> for GateView {
    fn from(Gate { pause, cause }: Gate) -> Self {
        Self { until: pause.until.map(Time), reason: pause.reason, by: pause.by, cause }
    }
}

/// Failures in a row of a tenant's lane key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Failures)]
pub(crate) struct FailuresView {
    in_row: u32,
    /// How long the gate was last closed for; 0: it was not.
    wait_ms: u64,
    /// The one job that tries, while it runs.
    #[schema(value_type = Option<String>)]
    probe: Option<JobId>,
}

impl From<Failures> for FailuresView {
    fn from(Failures { in_row, wait_ms, probe }: Failures) -> Self {
        Self { in_row, wait_ms, probe }
    }
}
