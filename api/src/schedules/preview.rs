//! Ticks to come, and what came of those that were.

use super::{
    known,
    target::Target,
    view::{TickView, timetable},
};
use crate::{auth::Principal, calls::Repeat, problem::Problem, state::Api, time::Time};
use axum::{Json, extract::State};
use longshore_base::Millis;
use longshore_queue::{BrokerError, TICKS_KEPT};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// More ticks are not shown at once.
const NEXT_MAX: usize = 1_000;

/// Show the next ticks of a schedule
///
/// After `after`, or from now on; also while it is paused.
#[utoipa::path(get, path = "/v1/schedules/{name}/next", tag = "schedules", params(("name" = String, Path), ("tenant" = Option<String>, Query),
        ("n" = Option<usize>, Query, description = "1..=1000, 10 when absent"), ("after" = Option<String>, Query, description = "RFC 3339")),
    responses((status = 200, description = "Oldest first; fewer than `n`: then it ends", body = NextTicks)))]
pub(crate) async fn next(State(api): State<Arc<Api>>, caller: Principal, mut target: Target) -> Result<Json<NextTicks>, Problem> {
    let fit = |text: &str| text.parse::<usize>().ok().filter(|n| (1..=NEXT_MAX).contains(n));
    let n = target.params.read("n", "1..=1000", fit).unwrap_or(10);
    let after = target.params.read("after", "RFC 3339, such as 2026-05-01T18:00:00Z, with + as %2B", time);
    let target = target.finish()?;
    let state = known(&api, &caller, api.deadline(), &target).await?;
    let Some(timetable) = timetable(&state) else { return Ok(Json(NextTicks { ticks: Vec::new() })) };
    let after = after.unwrap_or_else(|| api.clock.now());
    let ticks = std::iter::successors(timetable.next(after), |tick| timetable.next(*tick)).take(n);
    let tick = |at: Millis| NextTick { at: Time(at), local: timetable.local(at), due_at: Time(timetable.due(at)) };
    Ok(Json(NextTicks { ticks: ticks.map(tick).collect() }))
}

fn time(text: &str) -> Option<Millis> {
    // A plus that was not encoded arrives as a space.
    chrono::DateTime::parse_from_rfc3339(&text.replace(' ', "+")).ok().map(|time| time.timestamp_millis())
}

/// Show what came of a schedule's ticks
#[utoipa::path(get, path = "/v1/schedules/{name}/ticks", tag = "schedules", params(("name" = String, Path), ("tenant" = Option<String>, Query),
        ("limit" = Option<usize>, Query, description = "1..=100, 100 when absent: all that are kept")),
    responses((status = 200, description = "Newest first", body = TickList)))]
pub(crate) async fn ticks(State(api): State<Arc<Api>>, caller: Principal, mut target: Target) -> Result<Json<TickList>, Problem> {
    let fit = |text: &str| text.parse::<usize>().ok().filter(|n| (1..=TICKS_KEPT).contains(n));
    let limit = target.params.read("limit", &format!("1..={TICKS_KEPT}"), fit).unwrap_or(TICKS_KEPT);
    let (target, deadline, scope) = (target.finish()?, api.deadline(), caller.scope());
    known(&api, &caller, deadline, &target).await?;
    let ticks = api.call(deadline, Repeat::Read, || api.broker.ticks(&scope, &target.tenant, &target.name, limit)).await;
    let ticks = ticks.map_err(|error: BrokerError| error)?;
    Ok(Json(TickList { ticks: ticks.into_iter().map(TickView::from).collect() }))
}

/// Ticks to come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextTicks {
    ticks: Vec<NextTick>,
}

/// A tick to come.
#[derive(Debug, Serialize, ToSchema)]
struct NextTick {
    #[schema(schema_with = crate::view::time)]
    at: Time,
    /// The same on the wall clock of the schedule's zone, with its offset.
    local: String,
    /// When it is carried out: `at` and the spread.
    #[schema(schema_with = crate::view::time)]
    due_at: Time,
}

/// A schedule's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TickList {
    ticks: Vec<TickView>,
}
