//! Resources: outside quotas that tenants and queues share.

use crate::{
    auth::Operator,
    body::{Body, shaped},
    calls::{Deadline, Repeat},
    jobs::Nothing,
    params::{NoParams, PathName},
    problem::Problem,
    rules::{self, GateView, IfMatch, PauseBody, RateBody, etag},
    state::Api,
    time::Time,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Name};
use longshore_queue::{BrokerError, Points, Quota, ResourceChange, ResourceState};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// List the resources
#[utoipa::path(get, path = "/v1/resources", tag = "resources", responses((status = 200, description = "By name", body = ResourceList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, _: Operator, _: NoParams) -> Result<Json<ResourceList>, Problem> {
    let resources = api.call(api.deadline(), Repeat::Read, || api.broker.resources()).await?;
    Ok(Json(ResourceList { resources: resources.into_iter().map(ResourceView::from).collect() }))
}

/// Read one resource
#[utoipa::path(get, path = "/v1/resources/{name}", tag = "resources", params(("name" = String, Path)),
    responses((status = 200, description = "The quota and how it stands; ETag is its revision", body = ResourceView)))]
pub(crate) async fn get(State(api): State<Arc<Api>>, _: Operator, PathName(name): PathName, _: NoParams) -> Result<Response, Problem> {
    find(&api, api.deadline(), &name).await?.map(shown).ok_or_else(|| unknown(&name))
}

/// Make a resource, or replace its quota
///
/// Holds from the next lease. Points that were taken before stay taken.
#[utoipa::path(put, path = "/v1/resources/{name}", tag = "resources",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "The revision that this change was made from")),
    request_body = QuotaBody, responses((status = 200, description = "The resource as it is now; ETag is its revision", body = ResourceView)))]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(name): PathName,
    _: NoParams,
    expected: IfMatch,
    Body(body): Body<QuotaBody>,
) -> Result<Response, Problem> {
    change(&api, &name, ResourceChange::Put(body.into()), expected).await.map(shown)
}

/// Remove a resource
///
/// Jobs that name it are not held by it any more.
#[utoipa::path(delete, path = "/v1/resources/{name}", tag = "resources",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "The revision that this change was made from")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(name): PathName,
    _: NoParams,
    expected: IfMatch,
) -> Result<StatusCode, Problem> {
    change(&api, &name, ResourceChange::Remove, expected).await.map(|_| StatusCode::NO_CONTENT)
}

/// Pause a resource
///
/// No job that uses it is leased; what runs goes on.
#[utoipa::path(post, path = "/v1/resources/{name}/pause", tag = "resources", params(("name" = String, Path)), request_body = PauseBody,
    responses((status = 200, description = "The resource as it is now", body = ResourceView)))]
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    PathName(name): PathName,
    _: NoParams,
    Body(body): Body<PauseBody>,
) -> Result<Response, Problem> {
    change(&api, &name, ResourceChange::Pause(body.checked(&api, &caller.name)?), IfMatch::NONE).await.map(shown)
}

/// Resume a resource
#[utoipa::path(post, path = "/v1/resources/{name}/resume", tag = "resources", params(("name" = String, Path)),
    responses((status = 200, description = "The resource as it is now", body = ResourceView)))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(name): PathName,
    _: NoParams,
    _: Body<Nothing>,
) -> Result<Response, Problem> {
    change(&api, &name, ResourceChange::Resume, IfMatch::NONE).await.map(shown)
}

async fn change(api: &Api, name: &Name, change: ResourceChange, expected: IfMatch) -> Result<ResourceState, Problem> {
    let deadline = api.deadline();
    if expected.any && find(api, deadline, name).await?.is_none() {
        return Err(Problem::new(Code::RuleMismatch).detail(format!("If-Match: * asks for a resource that exists; there is no `{name}`")));
    }
    // A repeat of what took effect would be refused by its own effect: by the revision, or because the resource is gone.
    let once = expected.revision.is_some() || change == ResourceChange::Remove;
    let repeat = if once { Repeat::Once } else { Repeat::Write };
    let done = api.call(deadline, repeat, || api.broker.resource(name, change.clone(), expected.revision)).await;
    done.map_err(|error| match error {
        BrokerError::NotFound => unknown(name),
        error => rules::mismatch(error),
    })
}

async fn find(api: &Api, deadline: Deadline, name: &Name) -> Result<Option<ResourceState>, Problem> {
    let all = api.call(deadline, Repeat::Read, || api.broker.resources()).await?;
    Ok(all.into_iter().find(|resource| resource.name == *name))
}

fn unknown(name: &Name) -> Problem {
    Problem::new(Code::NotFound).detail(format!("there is no resource `{name}`"))
}

fn shown(state: ResourceState) -> Response {
    (etag(state.revision), Json(ResourceView::from(state))).into_response()
}

/// What an outside quota allows; what is absent is not limited.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Quota)]
pub(crate) struct QuotaBody {
    /// Starts per period, smooth.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    rate: Option<RateBody>,
    /// Points in any stretch of time of this length; a job takes its cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    points: Option<PointsBody>,
    /// Leases at once, over all queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 4_294_967_295_u32)]
    max_running: Option<u32>,
}
shaped!(QuotaBody);

/// A sliding window.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Points)]
struct PointsBody {
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    count: u64,
    /// From a second to a year.
    #[schema(minimum = 1000, maximum = 31_622_400_000_u64)]
    period_ms: u64,
}

impl From<Quota> for QuotaBody {
    fn from(Quota { rate, points, max_running }: Quota) -> Self {
        let points = points.map(|Points { count, period_ms }| PointsBody { count, period_ms });
        Self { rate: rate.map(Into::into), points, max_running }
    }
}
impl From<QuotaBody> for Quota {
    fn from(QuotaBody { rate, points, max_running }: QuotaBody) -> Self {
        let points = points.map(|PointsBody { count, period_ms }| Points { count, period_ms });
        Self { rate: rate.map(Into::into), points, max_running }
    }
}

/// Every resource.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResourceList {
    resources: Vec<ResourceView>,
}

/// An outside quota and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resource)]
struct ResourceView {
    #[schema(schema_with = crate::view::name)]
    name: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    rate: Option<RateBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    points: Option<PointsBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_running: Option<u32>,
    /// For If-Match.
    revision: u64,
    /// Set while closed.
    gate: Option<GateView>,
    /// Points that are taken in the window, lent ones included.
    points_used: u64,
    /// Leases and lent slots now.
    running: u64,
    /// What the provider last told a handler, while it holds.
    learned: Option<LearnedView>,
    /// Queues that have a part of it now.
    queues: Vec<String>,
}

/// What a provider told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Learned)]
struct LearnedView {
    /// Left of it.
    remaining: u64,
    #[schema(schema_with = crate::view::time)]
    until: Time,
}

impl From<ResourceState> for ResourceView {
    fn from(state: ResourceState) -> Self {
        let QuotaBody { rate, points, max_running } = state.quota.into();
        Self {
            name: state.name,
            rate,
            points,
            max_running,
            revision: state.revision,
            gate: state.gate.map(GateView::from),
            points_used: state.points_used,
            running: state.running,
            learned: state.learned.map(|(remaining, until)| LearnedView { remaining, until: Time(until) }),
            queues: state.queues.iter().map(ToString::to_string).collect(),
        }
    }
}
