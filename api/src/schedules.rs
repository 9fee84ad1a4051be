//! Schedules over HTTP: declare, read, pause, run by hand, make up for a range. Read `body.rs` for what a schedule may say, `resolve.rs` for
//! everything that can be wrong with it and what follows where it says nothing, `view.rs` for how one is shown.

mod backfill;
mod body;
mod hand;
mod list;
mod preview;
mod resolve;
mod target;
mod view;

pub(crate) use backfill::{__path_backfill, BackfillArgs, backfill};
pub(crate) use body::KindScheduleBody;
pub(crate) use hand::{__path_pause, __path_resume, __path_run, pause, resume, run};
pub(crate) use list::{__path_list, list};
pub(crate) use preview::{__path_next, __path_ticks, next, ticks};
pub(crate) use view::TickOfView;

use crate::{
    auth::Principal,
    body::Raw,
    calls::{Deadline, Repeat},
    problem::Problem,
    rules::{IfMatch, etag},
    state::Api,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use body::ScheduleBody;
use longshore_base::{Code, Millis};
use longshore_queue::{BrokerError, Claim, Incarnation, Pause, Schedule, ScheduleChange, ScheduleState};
use resolve::{Wanted, resolve};
use std::sync::Arc;
use target::Target;
use view::ScheduleView;

/// Read one schedule
#[utoipa::path(get, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path), ("tenant" = Option<String>, Query)),
    responses((status = 200, description = "What it says and how it stands; ETag is its revision", body = ScheduleView)))]
pub(crate) async fn get(State(api): State<Arc<Api>>, caller: Principal, target: Target) -> Result<Response, Problem> {
    let target = target.finish()?;
    let state = known(&api, &caller, api.deadline(), &target).await?;
    Ok(shown(&api, state).await)
}

/// Make a schedule, or replace what it says
///
/// What is absent takes its default, from the kind's own schedule where it has one. Where the timing or the queue changes, ticks before now
/// are done with. With `dry_run` everything is checked and answered as it would be, and nothing is written.
#[utoipa::path(put, path = "/v1/schedules/{name}", tag = "schedules",
    params(("name" = String, Path), ("tenant" = Option<String>, Query), ("dry_run" = Option<bool>, Query),
        ("If-Match" = Option<String>, Header, description = "The revision that this change was made from; 0: there must be none yet")),
    request_body = ScheduleBody,
    responses((status = 200, description = "The schedule as it is now; ETag is its revision", body = ScheduleView)))]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    caller: Principal,
    mut target: Target,
    expected: IfMatch,
    raw: Raw,
) -> Result<Response, Problem> {
    let dry_run = target.params.read("dry_run", "true or false", |text| text.parse::<bool>().ok()).unwrap_or_default();
    let (target, deadline) = (target.finish()?, api.deadline());
    let Wanted { mut schedule, paused } = resolve(&api, &caller, deadline, &target, raw.value).await?;
    let before = find(&api, &caller, deadline, &target).await?;
    if expected.any && before.is_none() {
        let detail = format!("If-Match: * asks for a schedule that exists; there is no `{}`", target.name);
        return Err(Problem::new(Code::ScheduleMismatch).detail(detail));
    }
    let held = before.as_ref().and_then(|state| state.paused.clone());
    let pause =
        paused.filter(|paused| *paused).map(|_| held.unwrap_or(Pause { until: None, reason: None, by: Some(caller.name.to_string()) }));
    if dry_run {
        let state = imagined(&api, before, schedule, pause, paused == Some(false), expected)?;
        return Ok((etag(state.revision), Json(ScheduleView::new(state, api.clock.now()))).into_response());
    }
    api.checker.blobs().keep_schedule(&mut schedule).await?;
    let mut seed = [0; 16];
    api.random.fill(&mut seed);
    let incarnation = Incarnation(u128::from_be_bytes(seed));
    let put = ScheduleChange::Put { schedule: Box::new(schedule), paused: pause, incarnation };
    let mut state = change(&api, deadline, &target, put, expected.revision).await?;
    if paused == Some(false) && state.paused.is_some() {
        state = change(&api, deadline, &target, ScheduleChange::Resume, Some(state.revision)).await?;
    }
    Ok(shown(&api, state).await)
}

/// Remove a schedule
///
/// With its history. Jobs that it made stay; one that it holds starts when the run before has ended.
#[utoipa::path(delete, path = "/v1/schedules/{name}", tag = "schedules",
    params(("name" = String, Path), ("tenant" = Option<String>, Query),
        ("If-Match" = Option<String>, Header, description = "The revision that this change was made from")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    caller: Principal,
    target: Target,
    expected: IfMatch,
) -> Result<StatusCode, Problem> {
    let (target, deadline) = (target.finish()?, api.deadline());
    known(&api, &caller, deadline, &target).await?;
    change(&api, deadline, &target, ScheduleChange::Remove, expected.revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a schedule. `expected`: only from this revision.
async fn change(
    api: &Api,
    deadline: Deadline,
    target: &Target,
    change: ScheduleChange,
    expected: Option<u64>,
) -> Result<ScheduleState, Problem> {
    // A repeat of what took effect would be refused by its own effect: by the revision, or because the schedule is gone.
    let once = expected.is_some() || matches!(change, ScheduleChange::Remove);
    let repeat = if once { Repeat::Once } else { Repeat::Write };
    Ok(api.call(deadline, repeat, || api.broker.schedule(&target.tenant, &target.name, change.clone(), expected)).await?)
}

async fn find(api: &Api, caller: &Principal, deadline: Deadline, target: &Target) -> Result<Option<ScheduleState>, BrokerError> {
    let scope = caller.scope();
    api.call(deadline, Repeat::Read, || api.broker.find_schedule(&scope, &target.tenant, &target.name)).await
}

/// The schedule, which must be there.
async fn known(api: &Api, caller: &Principal, deadline: Deadline, target: &Target) -> Result<ScheduleState, Problem> {
    find(api, caller, deadline, target).await?.ok_or_else(|| {
        Problem::new(Code::ScheduleNotFound).detail(format!("there is no schedule `{}` in the tenant `{}`", target.name, target.tenant))
    })
}

/// How a schedule would stand after a Put.
fn imagined(
    api: &Api,
    before: Option<ScheduleState>,
    schedule: Schedule,
    pause: Option<Pause>,
    resume: bool,
    expected: IfMatch,
) -> Result<ScheduleState, Problem> {
    let (now, revision) = (api.clock.now(), before.as_ref().map_or(0, |state| state.revision));
    if expected.revision.is_some_and(|expected| expected != revision) {
        return Err(Problem::new(Code::ScheduleMismatch).detail(format!("the schedule's revision is {revision}")));
    }
    let state = before.unwrap_or_else(|| fresh(schedule.clone(), now));
    let moved = state.schedule.timing != schedule.timing || state.schedule.queue != schedule.queue;
    let paused = if resume { None } else { pause.or(state.paused) };
    let cursor = if moved { state.cursor.max(now) } else { state.cursor };
    Ok(ScheduleState { schedule, cursor, changed_at: now, next_at: paused.is_none().then_some(now), paused, ..state })
}

fn fresh(schedule: Schedule, now: Millis) -> ScheduleState {
    ScheduleState {
        schedule,
        revision: 0,
        incarnation: Incarnation(0),
        created_at: now,
        changed_at: now,
        cursor: now,
        next_at: Some(now),
        paused: None,
        last_job: None,
        held_job: None,
        last_tick: None,
    }
}

/// With large args from their file. One that cannot be read is left out, and told.
async fn shown(api: &Api, state: ScheduleState) -> Response {
    let etag = etag(state.revision);
    let args = match Claim::is(&state.schedule.args) {
        true => Some(api.checker.blobs().schedule_args(&state.schedule).await),
        false => None,
    };
    let schedule = format!("{}/{}", state.schedule.tenant, state.schedule.name);
    let mut view = ScheduleView::new(state, api.clock.now());
    match args {
        Some(Ok(args)) => view.complete(args),
        Some(Err(error)) => {
            tracing::warn!(schedule, code = %error.code(), "a schedule is shown without what lies in a file: {error}");
            view.at_fault(error.code());
        }
        None => {}
    }
    (etag, Json(view)).into_response()
}
