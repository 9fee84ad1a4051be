//! Workers: who is alive, and what an operator tells them. A command travels with the reply to the worker's next report.

use crate::{
    auth::Operator,
    body::Body,
    calls::Repeat,
    jobs::Nothing,
    params::{NoParams, PathText},
    problem::Problem,
    state::Api,
    time::Time,
};
use axum::{Json, extract::State, http::StatusCode};
use longshore_base::Code;
use longshore_queue::{BrokerError, Command, ServedQueue, WorkerReport, WorkerState};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// List the live workers
#[utoipa::path(get, path = "/v1/workers", tag = "workers", responses((status = 200, description = "By id", body = WorkerList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, _: Operator, _: NoParams) -> Result<Json<WorkerList>, Problem> {
    let mut workers = api.call(api.deadline(), Repeat::Read, || api.broker.workers()).await?;
    workers.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(WorkerList { workers: workers.into_iter().map(WorkerView::from).collect() }))
}

/// Let a worker lease nothing more
#[utoipa::path(post, path = "/v1/workers/{id}/quiet", tag = "workers", params(("id" = String, Path)),
    responses((status = 202, description = "It will hear of it", body = Told)))]
pub(crate) async fn quiet(api: State<Arc<Api>>, _: Operator, id: PathText, _: NoParams, _: Body<Nothing>) -> Answer {
    tell(&api, id, Command::Quiet).await
}

/// Let a worker lease again
#[utoipa::path(post, path = "/v1/workers/{id}/resume", tag = "workers", params(("id" = String, Path)),
    responses((status = 202, description = "It will hear of it", body = Told)))]
pub(crate) async fn resume(api: State<Arc<Api>>, _: Operator, id: PathText, _: NoParams, _: Body<Nothing>) -> Answer {
    tell(&api, id, Command::Resume).await
}

/// Let a worker finish what it has and stop
#[utoipa::path(post, path = "/v1/workers/{id}/drain", tag = "workers", params(("id" = String, Path)),
    responses((status = 202, description = "It will hear of it", body = Told)))]
pub(crate) async fn drain(api: State<Arc<Api>>, _: Operator, id: PathText, _: NoParams, _: Body<Nothing>) -> Answer {
    tell(&api, id, Command::Drain).await
}

type Answer = Result<(StatusCode, Json<Told>), Problem>;

async fn tell(api: &Api, PathText(id): PathText, command: Command) -> Answer {
    match api.call(api.deadline(), Repeat::Write, || api.broker.command(&id, command)).await {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(Told { id, command }))),
        Err(BrokerError::NotFound) => Err(Problem::new(Code::NotFound).detail("no live worker has this id")),
        Err(error) => Err(error.into()),
    }
}

/// What a worker was told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Told {
    id: String,
    #[schema(value_type = String)]
    command: Command,
}

/// Every live worker.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkerList {
    workers: Vec<WorkerView>,
}

/// A live worker.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Worker)]
struct WorkerView {
    /// Unique per process and start.
    id: String,
    host: String,
    pid: u32,
    version: String,
    /// active, quiet or draining.
    #[schema(value_type = String)]
    state: WorkerState,
    #[schema(schema_with = crate::view::time)]
    started_at: Time,
    /// When its last report came in.
    #[schema(schema_with = crate::view::time)]
    seen_at: Time,
    queues: Vec<ServedView>,
    /// What it carries.
    kinds: Vec<String>,
}

/// A queue as one worker serves it.
#[derive(Debug, Serialize, ToSchema)]
struct ServedView {
    name: String,
    /// How many jobs it would run at once.
    slots: u32,
    running: u32,
}

impl From<WorkerReport> for WorkerView {
    fn from(report: WorkerReport) -> Self {
        let served = |queue: ServedQueue| ServedView { name: queue.name.to_string(), slots: queue.slots, running: queue.running };
        Self {
            id: report.id,
            host: report.host,
            pid: report.pid,
            version: report.version,
            state: report.state,
            started_at: Time(report.started_at),
            seen_at: Time(report.seen_at),
            queues: report.queues.into_iter().map(served).collect(),
            kinds: report.kinds.iter().map(ToString::to_string).collect(),
        }
    }
}
