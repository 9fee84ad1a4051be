//! The lanes of a queue as people see them: who waits where, what holds them, and whose share is how large.

use crate::{
    auth::Principal,
    calls::Repeat,
    params::{Params, PathName},
    problem::Problem,
    queues,
    rules::{FailuresView, GateView, LimitsBody},
    state::Api,
};
use axum::{Json, extract::State};
use longshore_base::Name;
use longshore_queue::LaneView as Lane;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// More lanes are not listed.
const LANES_MAX: usize = 1_000;

/// List the lanes of a queue
///
/// Those that have something ready or running. A tenant's key sees its own.
#[utoipa::path(get, path = "/v1/queues/{queue}/lanes", tag = "queues", params(("queue" = String, Path),
        ("limit" = Option<usize>, Query, description = "1..=1000, 1000 when absent")),
    responses((status = 200, description = "By tenant, kind and key", body = LaneList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathName(queue): PathName,
    mut params: Params,
) -> Result<Json<LaneList>, Problem> {
    let read = |text: &str| text.parse::<usize>().ok().filter(|n| (1..=LANES_MAX).contains(n));
    let limit = params.read("limit", "1..=1000", read).unwrap_or(LANES_MAX);
    params.finish()?;
    let (scope, deadline) = (caller.scope(), api.deadline());
    queues::known(&api, &scope, &queue, deadline).await?;
    let lanes = api.call(deadline, Repeat::Read, || api.broker.lanes(&scope, &queue, limit)).await?;
    Ok(Json(LaneList { lanes: lanes.into_iter().map(LaneView::from).collect() }))
}

/// Lanes of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LaneList {
    lanes: Vec<LaneView>,
}

/// A line of jobs of one tenant, one kind and one key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
struct LaneView {
    #[schema(schema_with = crate::view::name)]
    tenant: Name,
    #[schema(schema_with = crate::view::name)]
    kind: Name,
    /// Empty by default.
    key: String,
    ready: u64,
    running: u64,
    /// The limits of its (tenant, key), over all kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<LimitsBody>,
    /// The first closed gate of its scopes: queue, tenant, kind, key.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<GateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<FailuresView>,
    /// Its tenant's weight over the weights of all tenants that have something ready or running: 0..=1.
    share: f64,
}

impl From<Lane> for LaneView {
    fn from(lane: Lane) -> Self {
        Self {
            tenant: lane.tenant,
            kind: lane.kind,
            key: lane.key,
            ready: lane.ready,
            running: lane.running,
            limits: lane.limits.map(LimitsBody::from),
            gate: lane.gate.map(GateView::from),
            failures: lane.failures.map(FailuresView::from),
            share: lane.share,
        }
    }
}
