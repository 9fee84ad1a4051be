//! Events: what happens to jobs, while it happens, as `text/event-stream`. Read `hub.rs`, then `reader.rs` and `away.rs`.

mod away;
mod bell;
mod group;
mod hub;
mod labels;
mod line;
mod position;
mod reader;
mod row;
mod seats;
mod tail;

pub(crate) use hub::Hub;

use crate::{
    auth::{Principal, bearer},
    calls::{Deadline, Repeat},
    jobs,
    params::{NoParams, Params, PathId},
    problem::Problem,
    state::Api,
};
use away::Away;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use group::Wanted;
use hub::QUEUES_MAX;
use longshore_base::{Code, Name, Scope};
use longshore_queue::BrokerError;
use position::Position;
use reader::{Listener, Reader};
use seats::Seat;
use std::sync::Arc;

/// Listen to what happens to jobs
///
/// Events of a `text/event-stream`, each with JSON data: `state` (where the job stands now, and of which `attempt`), `edited`, `cancel_requested`,
/// `told` (progress, log lines, streamed output), `alert`, and `missed` where something is not told: `slow` with the `count`, where the reader did not
/// keep up; `expired`, `unknown` or `unreadable` with `oldest_at`, where its Last-Event-ID reaches back too far in that `queue`, does not name it, or is
/// none. Whoever comes again with the id of its last event, through any process, misses and repeats nothing, as long as that is not more than a
/// minute without listeners or ten thousand steps of a queue ago. Ids stand on comments too: an `id` without data counts. A tenant's key hears of its
/// own jobs.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(
        ("queue" = Option<String>, Query, description = "Of this queue, which must exist"), ("tenant" = Option<String>, Query),
        ("kind" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event")),
    responses((status = 200, description = "Until the reader goes", body = String, content_type = "text/event-stream")))]
pub(crate) async fn all(
    State(api): State<Arc<Api>>,
    caller: Principal,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = caller.scope();
    let wanted = Wanted { queue: params.name("queue"), tenant: params.name("tenant"), kind: params.name("kind"), ..Wanted::new(&scope) };
    if let (Some(tenant), Scope::Tenant(own)) = (&wanted.tenant, &scope)
        && tenant != own
    {
        params.fault("tenant", format!("this key may not name the tenant `{tenant}`"), own.as_str());
    }
    params.finish()?;
    let queues = queues(&api, wanted.queue.as_ref()).await?;
    let seat = seat(&api, &scope)?;
    let listener = Listener { wanted, scope, key: bearer(&headers).unwrap_or_default().to_owned() };
    let reader = match last_event(&headers) {
        None => Reader::fresh(&api, listener, seat).await?,
        Some(last) => Reader::back(&api, listener, seat, Away::new(last.ok(), queues)),
    };
    Ok(answer(reader))
}

/// Listen to one job
///
/// As `/v1/events`, for one job. Begins with an event `job`, the job as it stands, which comes again after anything that was `missed`, and ends with
/// the job. With Last-Event-ID it goes on after that event; 204 when there is nothing to come.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "events",
    params(("id" = String, Path), ("Last-Event-ID" = Option<String>, Header, description = "Go on after this event")),
    responses((status = 200, description = "Until the job has ended", body = String, content_type = "text/event-stream"),
        (status = 204, description = "It has ended, and all was told")))]
pub(crate) async fn job(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathId(id): PathId,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let job = jobs::find(&api, &scope, deadline, id).await?;
    let (queue, ended) = (job.queue.clone(), job.state.is_ended());
    // The history may know a job of a queue that this broker does not.
    let there = api.call(deadline, Repeat::Read, || api.broker.queues()).await?.contains(&queue);
    let seat = seat(&api, &scope)?;
    let wanted = Wanted::job(queue.clone(), id);
    let listener = Listener { wanted, scope: scope.clone(), key: bearer(&headers).unwrap_or_default().to_owned() };
    let Some(last) = last_event(&headers) else {
        if ended {
            let mut reader = Reader::ended(&api, listener);
            let position = if there { Some(here(&api, &queue).await?) } else { None };
            reader.show(job, position.as_ref())?;
            return Ok(answer(reader));
        }
        let mut reader = Reader::fresh(&api, listener, seat).await?;
        let position = reader.position();
        // Only now: what happens after this is in the stream.
        reader.show(jobs::find(&api, &scope, deadline, id).await?, position.as_ref())?;
        return Ok(answer(reader));
    };
    let mut reader = Reader::back(&api, listener, seat, Away::new(last.ok(), there.then_some(queue)));
    if ended && !left(&api, deadline, &mut reader).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(answer(reader))
}

/// Whether there is something to say of a job that has ended.
async fn left(api: &Api, deadline: Deadline, reader: &mut Reader) -> Result<bool, Problem> {
    let told = tokio::time::timeout(api.left(deadline), reader.finish()).await;
    Ok(told.unwrap_or_else(|_| Err(BrokerError::Unavailable("the feed was not read in time".to_owned())))?)
}

/// The queues that somebody wants to hear. A name that is not there is refused: asking for its feed would make it.
async fn queues(api: &Api, named: Option<&Name>) -> Result<Vec<Name>, Problem> {
    let all = api.call(api.deadline(), Repeat::Read, || api.broker.queues()).await?;
    match named {
        Some(name) if all.contains(name) => Ok(vec![name.clone()]),
        Some(name) => Err(Problem::new(Code::NotFound).detail(format!("there is no queue `{name}`"))),
        None if all.len() > QUEUES_MAX => {
            let detail = format!("there are {} queues, and at most {QUEUES_MAX} can be listened to at once", all.len());
            Err(Problem::fault("/queue", detail, "the name of a queue"))
        }
        None => Ok(all),
    }
}

fn seat(api: &Api, scope: &Scope) -> Result<Seat, Problem> {
    api.hub.seats.take(scope).ok_or_else(|| Problem::new(Code::TooManyReaders))
}

/// The place in a queue's feed that is the newest now.
async fn here(api: &Api, queue: &Name) -> Result<Position, Problem> {
    let deadline = api.deadline();
    let home = api.call(deadline, Repeat::Read, || api.broker.home(queue)).await?;
    let feed = api.call(deadline, Repeat::Read, || api.broker.feed(queue, None, 1)).await?;
    let mut position = Position::default();
    position.reach(home.0, &feed.next);
    Ok(position)
}

fn answer(reader: Reader) -> Response {
    let mut response = Response::new(Body::from_stream(reader.stream()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx passes on what it gets at once.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The id of the last event that the caller had; Err where it is none of ours.
fn last_event(headers: &HeaderMap) -> Option<Result<Position, position::NoPosition>> {
    let value = headers.get("last-event-id")?;
    let text = value.to_str().unwrap_or("-").trim();
    (!text.is_empty()).then(|| text.parse())
}
