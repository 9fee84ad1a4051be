//! Operations: work on many jobs at once that can be watched and cancelled. Each is a job, and this is a view of it. Read `begin.rs` for how
//! a call begins one.

mod begin;
mod filter;
mod view;

pub(crate) use begin::{OperationAccepted, Plan, Wish, begin, count, filter_faults};
pub(crate) use filter::FilterBody;

use crate::{
    auth::Principal,
    body::Body,
    calls::Repeat,
    jobs::{self, Nothing},
    params::{NoParams, PathText},
    problem::Problem,
    state::Api,
};
use axum::{Json, extract::State};
use longshore_base::Code;
use longshore_jobs::{BACKFILL, BULK, PURGE, REPLAY, UNDO};
use longshore_queue::{BrokerError, Job, JobId};
use std::sync::Arc;
use view::OperationView;

/// The kinds whose jobs are operations.
const KINDS: [&str; 5] = [BACKFILL, REPLAY, UNDO, PURGE, BULK];

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
/// At once unless its job runs; a running one is asked to stop. What it has done stays, and can be undone as far as it could before.
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
        Ok(job) if KINDS.contains(&job.kind.as_str()) => Ok(job),
        Ok(_) => Err(unknown()),
        Err(problem) if problem.code() == Code::JobNotFound => Err(unknown()),
        Err(problem) => Err(problem),
    }
}
