//! Operations: work on many jobs at once that can be watched and cancelled. Each is a job, and this is a view of it.

use crate::{
    auth::Principal,
    body::Body,
    calls::Repeat,
    jobs::{self, Nothing},
    params::{NoParams, PathText},
    problem::Problem,
    schedules::BackfillArgs,
    state::Api,
    time::Time,
};
use axum::{Json, extract::State};
use longshore_base::{Code, Name};
use longshore_jobs::BACKFILL;
use longshore_queue::{BrokerError, Job, JobId, State as JobState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Read one operation
#[utoipa::path(get, path = "/v1/operations/{id}", tag = "operations", params(("id" = String, Path)),
    responses((status = 200, description = "How far it is", body = OperationView)))]
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathText(id): PathText,
    _: NoParams,
) -> Result<Json<OperationView>, Problem> {
    find(&api, &caller, &id).await.map(|job| Json(job.into()))
}

/// Cancel an operation
///
/// At once unless its job runs; a running one is asked to stop. What it has made stays.
#[utoipa::path(post, path = "/v1/operations/{id}/cancel", tag = "operations", params(("id" = String, Path)),
    responses((status = 200, description = "How it stands now", body = OperationView)))]
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathText(text): PathText,
    _: NoParams,
    _: Body<Nothing>,
) -> Result<Json<OperationView>, Problem> {
    let id = find(&api, &caller, &text).await?.id;
    let scope = caller.scope();
    let done = api.call(api.deadline(), Repeat::Write, || async {
        api.broker.cancel(&scope, &[id]).await?.pop().unwrap_or(Err(BrokerError::NotFound))
    });
    match done.await {
        Ok(_) => find(&api, &caller, &text).await.map(|job| Json(job.into())),
        // The history has it, the queue does not: it has ended.
        Err(BrokerError::NotFound) => Err(Problem::new(Code::NotCancellable)),
        Err(error) => Err(Problem::from(error).ids([id])),
    }
}

/// The operation's job; a job of another kind is none.
async fn find(api: &Api, caller: &Principal, text: &str) -> Result<Job, Problem> {
    let unknown = || Problem::new(Code::NotFound).detail("there is no operation of this id");
    let id: JobId = text.parse().map_err(|_| unknown())?;
    match jobs::find(api, &caller.scope(), api.deadline(), id).await {
        Ok(job) if job.kind.as_str() == BACKFILL => Ok(job),
        Ok(_) => Err(unknown()),
        Err(problem) if problem.code() == Code::JobNotFound => Err(unknown()),
        Err(problem) => Err(problem),
    }
}

/// An operation and how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(crate) struct OperationView {
    /// Also the id of its job.
    #[schema(schema_with = crate::view::id)]
    id: JobId,
    /// What it does: schedules.backfill.
    #[schema(schema_with = crate::view::name)]
    kind: Name,
    #[schema(schema_with = crate::view::name)]
    tenant: Name,
    #[schema(schema_with = crate::view::name)]
    queue: Name,
    /// Of its job: between two steps it is `scheduled`.
    #[schema(schema_with = crate::view::state)]
    state: JobState,
    /// So many jobs it has made.
    made: u64,
    /// So many ticks it has passed over, because their job was there or was refused.
    skipped: u64,
    /// So many ticks there are; null until it has begun.
    total: Option<u64>,
    /// Whose ticks.
    #[schema(value_type = Option<String>)]
    schedule: Option<Name>,
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// So many jobs at most.
    per_second: Option<u32>,
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

/// How far a job says it is, in its progress and in its output.
#[derive(Debug, Default, Deserialize)]
struct Progress {
    #[serde(default)]
    made: u64,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    total: Option<u64>,
}

impl From<Job> for OperationView {
    fn from(job: Job) -> Self {
        let told = job.output.as_ref().or(job.progress.as_ref());
        let progress: Progress = told.and_then(|told| serde_json::from_str(told.get()).ok()).unwrap_or_default();
        let args: Option<BackfillArgs> = serde_json::from_str(job.args.get()).ok();
        let error = job.history.iter().rev().find_map(|event| event.error.as_ref());
        Self {
            id: job.id,
            kind: job.kind,
            tenant: job.tenant,
            queue: job.queue,
            state: job.state,
            made: progress.made,
            skipped: progress.skipped,
            total: progress.total,
            from: args.as_ref().map(|args| Time(args.from)),
            to: args.as_ref().map(|args| Time(args.to)),
            per_second: args.as_ref().and_then(|args| args.per_second),
            schedule: args.map(|args| args.schedule),
            cancel_requested: job.cancel_requested,
            error: error.map(|error| format!("{}: {}", error.code, error.message)),
            created_at: Time(job.created_at),
            started_at: job.started_at.map(Time),
            ended_at: job.ended_at.map(Time),
        }
    }
}
