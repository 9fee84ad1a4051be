//! What people do to a schedule that is there: pause, resume, run now.

use super::{known, shown, target::Target, view::TickView};
use crate::{
    auth::Principal,
    body::{Body, Hashed, shaped},
    calls::Repeat,
    intake::{Begin, Intake, answered},
    jobs::Nothing,
    problem::Problem,
    rules::IfMatch,
    state::Api,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use longshore_base::Code;
use longshore_jobs::{RequestError, traces::Span};
use longshore_queue::{BrokerError, Fire, FireTick, Pause, ScheduleChange, Turn};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Why a schedule is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SchedulePause)]
pub(crate) struct ReasonBody {
    #[schema(nullable = false, max_length = 256)]
    reason: Option<String>,
}
shaped!(ReasonBody, empty ok);

/// Pause a schedule
///
/// It makes nothing until somebody resumes it; jobs that it made go on. Runs by hand and backfills still work.
#[utoipa::path(post, path = "/v1/schedules/{name}/pause", tag = "schedules",
    params(("name" = String, Path), ("tenant" = Option<String>, Query)), request_body = ReasonBody,
    responses((status = 200, description = "The schedule as it is now", body = super::view::ScheduleView)))]
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    caller: Principal,
    target: Target,
    expected: IfMatch,
    Body(body): Body<ReasonBody>,
) -> Result<Response, Problem> {
    let pause = Pause { until: None, reason: body.reason, by: Some(caller.name.to_string()) };
    turn(&api, &caller, target, ScheduleChange::Pause(pause), expected).await
}

/// Resume a schedule
///
/// Ticks that came while it was paused are left out; a backfill makes up for them.
#[utoipa::path(post, path = "/v1/schedules/{name}/resume", tag = "schedules",
    params(("name" = String, Path), ("tenant" = Option<String>, Query)),
    responses((status = 200, description = "The schedule as it is now", body = super::view::ScheduleView)))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    caller: Principal,
    target: Target,
    expected: IfMatch,
    _: Body<Nothing>,
) -> Result<Response, Problem> {
    turn(&api, &caller, target, ScheduleChange::Resume, expected).await
}

/// Changes a schedule that the caller may know of.
async fn turn(api: &Api, caller: &Principal, target: Target, change: ScheduleChange, expected: IfMatch) -> Result<Response, Problem> {
    let (target, deadline) = (target.finish()?, api.deadline());
    known(api, caller, deadline, &target).await?;
    Ok(shown(api, super::change(api, deadline, &target, change, expected.revision).await?).await)
}

/// Run a schedule now
///
/// As a tick at this moment: the overlap rule holds, and its ticks stay as they are. Works while it is paused.
#[utoipa::path(post, path = "/v1/schedules/{name}/run", tag = "schedules",
    params(("name" = String, Path), ("tenant" = Option<String>, Query), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "What came of it", body = super::view::TickView)))]
pub(crate) async fn run(
    State(api): State<Arc<Api>>,
    caller: Principal,
    target: Target,
    headers: HeaderMap,
    body: Hashed<Nothing>,
) -> Result<Response, Problem> {
    let target = target.finish()?;
    let intake = match Intake::begin(&api, &caller, &headers, &body.hash).await? {
        Begin::Go(intake) => intake,
        Begin::Answered(answer) => return Ok(answered(StatusCode::OK, answer)),
    };
    let deadline = intake.deadline();
    let state = known(&api, &caller, deadline, &target).await?;
    let at = intake.seed().map_or_else(|| api.clock.now(), |(_, at)| at);
    let job = api.call(deadline, Repeat::Read, || async {
        match intake.seed() {
            Some((seed, at)) => api.checker.tick_by_hand_derived(&state, at, seed).await,
            None => api.checker.tick_by_hand(&state, at, &*api.random).await,
        }
    });
    let mut span = Span::default();
    let job = match job.await {
        Ok(mut job) => {
            span = intake.follow(std::slice::from_mut(&mut job));
            Ok(Box::new(job))
        }
        Err(error @ RequestError::Faults { .. }) => Err(error.told()),
        Err(error) => return Err(error.into()),
    };
    let ids: Vec<_> = job.iter().map(|job| job.id).collect();
    let fire = Fire {
        tenant: target.tenant,
        name: target.name,
        incarnation: state.incarnation,
        turn: Turn::ByHand,
        missed: None,
        ticks: vec![FireTick { at, due_at: at, job }],
    };
    let queue = &state.schedule.queue;
    let fired = api.call(deadline, Repeat::Write, || async {
        api.broker.fire(queue, vec![fire.clone()]).await?.pop().unwrap_or(Err(BrokerError::NotFound))
    });
    let fired = fired.await.map_err(|error: BrokerError| Problem::from(error).ids(ids))?;
    span.end();
    let record = fired.into_iter().next_back().ok_or_else(|| Problem::new(Code::Internal).cause("a run by hand came to nothing"))?;
    let answer = serde_json::to_string(&TickView::from(record)).map_err(|error| Problem::new(Code::Internal).cause(error.to_string()))?;
    intake.finish(&answer).await;
    Ok(answered(StatusCode::OK, answer))
}
