//! An operation as the API shows it: what its job was called with, and what it told last.

use crate::{schedules::BackfillArgs, time::Time};
use longshore_base::Name;
use longshore_jobs::{BACKFILL, RefusedJob, Tally};
use longshore_queue::{Job, JobId, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An operation and how far it is. What a kind of operation does not have is absent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(crate) struct OperationView {
    /// Also the id of its job.
    #[schema(schema_with = crate::view::id)]
    id: JobId,
    /// What it does: dead_letters.replay, dead_letters.undo, dead_letters.purge, jobs.bulk, schedules.backfill.
    #[schema(schema_with = crate::view::name)]
    kind: Name,
    #[schema(schema_with = crate::view::name)]
    tenant: Name,
    #[schema(schema_with = crate::view::name)]
    queue: Name,
    /// Of its job: between two steps it is `scheduled`, and `completed` also when it stopped by itself.
    #[schema(schema_with = crate::view::state)]
    state: State,
    /// So many jobs (of a backfill ticks) it is about; null until it has begun.
    total: Option<u64>,
    /// So many of them it passed over, because there was nothing to do any more: they were gone, or somebody else was first.
    skipped: u64,
    /// Of an operation on jobs, as the fields down to `args`: so many it is done with. `replayed`, `undone`, `purged` or `changed`, `skipped` and
    /// `refused_count` add up to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    done: Option<u64>,
    /// Letters that it repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replayed: Option<u64>,
    /// Jobs that it took back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    undone: Option<u64>,
    /// Letters that it removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    purged: Option<u64>,
    /// Living jobs that it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    changed: Option<u64>,
    /// So many could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused_count: Option<u64>,
    /// The first of those that could not be done, each with its reason; while it runs as many as its progress has room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    refused: Option<Vec<RefusedView>>,
    /// Of a replay: so many of the new jobs completed at their first attempt, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    well: Option<u64>,
    /// Of a replay: so many of the new jobs failed at their first attempt, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failing: Option<u64>,
    /// Why it ended by itself before it was through.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stopped: Option<String>,
    /// What it was asked to do, as the call said it, with the moment of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    args: Option<Value>,
    /// Of a backfill, as the next three: so many jobs it has made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    made: Option<u64>,
    /// Whose ticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    schedule: Option<Name>,
    /// From this tick on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    from: Option<Time>,
    /// All its ticks are before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    to: Option<Time>,
    /// So many jobs at most; null: as fast as it goes.
    per_second: Option<u64>,
    /// Somebody asked it to stop.
    cancel_requested: bool,
    /// The last thing that went wrong.
    error: Option<String>,
    #[schema(schema_with = crate::view::time)]
    created_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Time>,
}

/// One job that could not be done.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedView {
    #[schema(schema_with = crate::view::id)]
    id: JobId,
    /// Why, for people.
    detail: String,
}

/// How far a backfill says it is, in its progress and in its output.
#[derive(Debug, Default, Deserialize)]
struct Made {
    #[serde(default)]
    made: u64,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    total: Option<u64>,
}

impl From<Job> for OperationView {
    fn from(job: Job) -> Self {
        let told = job.output.as_ref().or(job.progress.as_ref()).map(|told| told.get().to_owned()).unwrap_or_default();
        let args: Value = serde_json::from_str(job.args.get()).unwrap_or_default();
        let view = Self::common(job, args["per_second"].as_u64());
        if view.kind.as_str() == BACKFILL { view.of_backfill(&told, args) } else { view.of_jobs(&told, args) }
    }
}

impl OperationView {
    fn common(job: Job, per_second: Option<u64>) -> Self {
        let error = job.last_error().map(|error| format!("{}: {}", error.code, error.message));
        Self {
            id: job.id,
            kind: job.kind,
            tenant: job.tenant,
            queue: job.queue,
            state: job.state,
            per_second,
            cancel_requested: job.cancel_requested,
            error,
            created_at: Time(job.created_at),
            started_at: job.started_at.map(Time),
            ended_at: job.ended_at.map(Time),
            total: None,
            skipped: 0,
            done: None,
            replayed: None,
            undone: None,
            purged: None,
            changed: None,
            refused_count: None,
            refused: None,
            well: None,
            failing: None,
            stopped: None,
            args: None,
            made: None,
            schedule: None,
            from: None,
            to: None,
        }
    }

    fn of_backfill(self, told: &str, args: Value) -> Self {
        let Made { made, skipped, total } = serde_json::from_str(told).unwrap_or_default();
        let args: Option<BackfillArgs> = serde_json::from_value(args).ok();
        let (from, to) = (args.as_ref().map(|args| Time(args.from)), args.as_ref().map(|args| Time(args.to)));
        Self { made: Some(made), skipped, total, from, to, schedule: args.map(|args| args.schedule), ..self }
    }

    fn of_jobs(self, told: &str, args: Value) -> Self {
        let tally: Option<Tally> = serde_json::from_str(told).ok();
        let total = tally.as_ref().map(|tally| tally.total);
        let tally = tally.unwrap_or_default();
        let refused = tally.refused.into_iter().map(|RefusedJob { id, detail }| RefusedView { id, detail });
        Self {
            total,
            skipped: tally.skipped,
            done: Some(tally.done),
            replayed: tally.replayed,
            undone: tally.undone,
            purged: tally.purged,
            changed: tally.changed,
            refused_count: Some(tally.refused_count),
            refused: Some(refused.collect()),
            well: tally.well,
            failing: tally.failing,
            stopped: tally.stopped,
            args: Some(args),
            ..self
        }
    }
}
