//! Queues: what is in them, and the operator's brake.

use crate::{
    auth::{Operator, Principal},
    body::Body,
    calls::{Deadline, Repeat},
    jobs::Nothing,
    params::{NoParams, PathName},
    problem::Problem,
    rules::{self, PauseBody, Place},
    scaling::AutoBody,
    state::Api,
    time::Time,
};
use axum::{Json, extract::State};
use futures::future::try_join_all;
use longshore_base::{Code, Name, Scope};
use longshore_queue::{BrokerError, QueueStats, RuleChange};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// List the queues
///
/// A tenant's key sees the queues that hold jobs of its own, and counts those.
#[utoipa::path(get, path = "/v1/queues", tag = "queues", responses((status = 200, description = "By name", body = QueueList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, caller: Principal, _: NoParams) -> Result<Json<QueueList>, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let mut names = api.call(deadline, Repeat::Read, || api.broker.queues()).await?;
    names.sort();
    let stats = names.iter().map(|name| stats(&api, &scope, name, deadline));
    let queues = try_join_all(stats).await?.into_iter().filter(|stats| visible(&scope, stats)).map(QueueView::from).collect();
    Ok(Json(QueueList { queues }))
}

/// Read one queue
#[utoipa::path(get, path = "/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, description = "The queue in numbers", body = QueueView)))]
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathName(queue): PathName,
    _: NoParams,
) -> Result<Json<QueueView>, Problem> {
    Ok(Json(known(&api, &caller.scope(), &queue, api.deadline()).await?.into()))
}

/// Pause a queue
///
/// Nothing more is leased from it; what runs goes on.
#[utoipa::path(post, path = "/v1/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)), request_body = PauseBody,
    responses((status = 200, description = "The queue as it is now", body = QueueView)))]
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    PathName(queue): PathName,
    _: NoParams,
    Body(body): Body<PauseBody>,
) -> Result<Json<QueueView>, Problem> {
    rule(&api, &queue, RuleChange::Pause(body.checked(&api, &caller.name)?)).await
}

/// Resume a queue
#[utoipa::path(post, path = "/v1/queues/{queue}/resume", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, description = "The queue as it is now", body = QueueView)))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(queue): PathName,
    _: NoParams,
    _: Body<Nothing>,
) -> Result<Json<QueueView>, Problem> {
    rule(&api, &queue, RuleChange::Resume).await
}

/// Changes a rule of the whole queue, and shows the queue.
pub(crate) async fn rule(api: &Api, queue: &Name, change: RuleChange) -> Result<Json<QueueView>, Problem> {
    let deadline = api.deadline();
    rules::change(api, deadline, &Place::queue(queue.clone()), change, None).await?;
    Ok(Json(stats(api, &Scope::All, queue, deadline).await?.into()))
}

/// Whether the queue is one that the caller may know of; 404 if not.
pub(crate) async fn known(api: &Api, scope: &Scope, queue: &Name, deadline: Deadline) -> Result<QueueStats, Problem> {
    let unknown = || Problem::new(Code::NotFound).detail(format!("there is no queue `{queue}`"));
    let names = api.call(deadline, Repeat::Read, || api.broker.queues()).await?;
    if !names.contains(queue) {
        return Err(unknown());
    }
    let stats = stats(api, scope, queue, deadline).await?;
    if visible(scope, &stats) { Ok(stats) } else { Err(unknown()) }
}

pub(crate) async fn stats(api: &Api, scope: &Scope, queue: &Name, deadline: Deadline) -> Result<QueueStats, BrokerError> {
    api.call(deadline, Repeat::Read, || api.broker.stats(scope, queue)).await
}

/// The name of a queue that only others use is theirs.
fn visible(scope: &Scope, stats: &QueueStats) -> bool {
    let live = stats.scheduled + stats.ready + stats.running + stats.retrying + stats.waiting;
    *scope == Scope::All || live + stats.completed + stats.dead + stats.cancelled > 0
}

/// Every queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueList {
    queues: Vec<QueueView>,
}

/// A queue in numbers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Queue)]
pub(crate) struct QueueView {
    name: String,
    scheduled: u64,
    ready: u64,
    running: u64,
    retrying: u64,
    waiting: u64,
    /// At rest, until retention.
    completed: u64,
    dead: u64,
    cancelled: u64,
    paused: bool,
    /// Set while paused.
    pause: Option<PauseView>,
    /// Age of the oldest ready job.
    oldest_ready_ms: Option<u64>,
    /// How many may run at once; null: no cap.
    slots: Option<u32>,
    /// How `slots` follow the backlog; null: they do not.
    #[schema(inline)]
    auto: Option<AutoBody>,
    /// Live workers that serve it.
    workers: u32,
}

/// A queue's pause.
#[derive(Debug, Serialize, ToSchema)]
struct PauseView {
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    reason: Option<String>,
    by: Option<String>,
}

impl From<QueueStats> for QueueView {
    fn from(stats: QueueStats) -> Self {
        Self {
            name: stats.name,
            scheduled: stats.scheduled,
            ready: stats.ready,
            running: stats.running,
            retrying: stats.retrying,
            waiting: stats.waiting,
            completed: stats.completed,
            dead: stats.dead,
            cancelled: stats.cancelled,
            paused: stats.paused.is_some(),
            pause: stats.paused.map(|p| PauseView { until: p.until.map(Time), reason: p.reason, by: p.by }),
            oldest_ready_ms: stats.oldest_ready_ms,
            slots: stats.slots,
            auto: stats.auto.map(AutoBody::from),
            workers: stats.workers,
        }
    }
}
