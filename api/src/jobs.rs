//! Jobs over HTTP: enqueue, read, edit, cancel, bring forward. Each handler checks, asks the broker, and shows what it said.

mod bulk;
mod list;
mod shapes;

pub(crate) use bulk::{__path_bulk, bulk};
pub(crate) use list::{__path_list, __path_logs, Gathered, gather, list, logs};
pub(crate) use shapes::Nothing;

use crate::{
    auth::Principal,
    body::{Body, Raw, decode},
    calls::{Deadline, Repeat},
    envelope::RequestId,
    intake::{Begin, EnqueueBody, Intake, answered},
    params::{NoParams, PathId},
    problem::Problem,
    state::Api,
    view::{JobView, Whole},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Name, Scope};
use longshore_jobs::{BlobError, FieldFault, JobRequest, RequestError};
use longshore_queue::{BrokerError, Due, Edit, Enqueued, Job, JobId, Priority, Replay, State as JobState};
use serde_json::{Value, json};
use shapes::{Accepted, BatchAccepted, BatchBody, EditBody, Moved};
use std::{sync::Arc, time::Duration};

/// Enqueue one job
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = EnqueueBody, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "It is in its queue, or was already", body = Accepted)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    headers: HeaderMap,
    raw: Raw,
) -> Result<Response, Problem> {
    let Raw { value, hash } = raw;
    let request = match read(value.clone(), &caller) {
        Ok(request) => request,
        Err(faults) => return Err(Problem::faults(with_args(&api, &value, faults).await)),
    };
    let intake = match Intake::begin(&api, &caller, &headers, &hash).await? {
        Begin::Go(intake) => intake,
        Begin::Answered(answer) => return Ok(answered(StatusCode::ACCEPTED, answer)),
    };
    let job = intake.check(0, request).await?;
    let Enqueued { id, state, duplicate } = intake.enqueue_one(job).await?;
    let answer = json!({ "id": id, "state": state, "duplicate": duplicate, "durability": api.broker.durability() }).to_string();
    intake.finish(&answer).await;
    Ok(answered(StatusCode::ACCEPTED, answer))
}

/// Enqueue up to 10,000 jobs
///
/// Per item, not atomic: results come in the order of the jobs, each with an id or an error.
#[utoipa::path(post, path = "/v1/jobs/batch", tag = "jobs", request_body = BatchBody, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "One result per job, in order", body = BatchAccepted)))]
pub(crate) async fn create_batch(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    request_id: RequestId,
    headers: HeaderMap,
    raw: Raw,
) -> Result<Response, Problem> {
    let items = batch(raw.value, api.limits.batch_max)?;
    let intake = match Intake::begin(&api, &caller, &headers, &raw.hash).await? {
        Begin::Go(intake) => intake,
        Begin::Answered(answer) => return Ok(answered(StatusCode::ACCEPTED, answer)),
    };
    let (mut jobs, mut results) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        let checked = match read(item, &caller) {
            Ok(request) => intake.check(index, request).await,
            Err(faults) => Err(Problem::faults(faults)),
        };
        results.push(checked.map(|job| jobs.push(job)));
    }
    let mut enqueued = intake.enqueue(jobs).await.into_iter();
    let results = results.into_iter().map(|checked| checked.and_then(|()| enqueued.next().unwrap_or(Err(Problem::new(Code::Internal)))));
    let results: Vec<Result<Enqueued, Problem>> = results.collect();
    if let Some(problem) = none_settled(&results) {
        return Err(problem);
    }
    let settled = !results.iter().any(|item| item.as_ref().is_err_and(Problem::is_transient));
    let show = |item: Result<Enqueued, Problem>| match item {
        Ok(Enqueued { id, state, duplicate }) => json!({ "id": id, "state": state, "duplicate": duplicate }),
        Err(problem) => json!({ "error": problem.json(&request_id.0) }),
    };
    let results: Vec<_> = results.into_iter().map(show).collect();
    let answer = json!({ "results": results, "durability": api.broker.durability() }).to_string();
    if settled {
        intake.finish(&answer).await;
    }
    Ok(answered(StatusCode::ACCEPTED, answer))
}

/// Read one job
///
/// Also one that retention has moved to the history.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "The job; ETag is its revision", body = JobView)))]
pub(crate) async fn get(State(api): State<Arc<Api>>, caller: Principal, PathId(id): PathId, _: NoParams) -> Result<Response, Problem> {
    shown(&api, find(&api, &caller.scope(), api.deadline(), id).await?).await
}

/// Edit a job that waits
#[utoipa::path(patch, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path), ("If-Match" = String, Header, description = "The job's revision")),
    request_body = EditBody, responses((status = 200, description = "The job as it is now", body = JobView)))]
pub(crate) async fn edit(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathId(id): PathId,
    _: NoParams,
    headers: HeaderMap,
    Body(body): Body<EditBody>,
) -> Result<Response, Problem> {
    if body.is_empty() {
        return Err(Problem::fault("", "there is nothing to change", "one or more of args, priority, run_at, tags"));
    }
    let revision = if_match(&headers)?;
    let (scope, deadline) = (caller.scope(), api.deadline());
    let job = find(&api, &scope, deadline, id).await?;
    if job.state == JobState::Dead {
        // Its args are a letter's, with a diff and a revision of its own.
        return Err(Problem::new(Code::NotEditable).detail(format!("the job is dead; PATCH /v1/dead-letters/{id} changes its args")));
    }
    let args = match &body.args {
        Some(args) => {
            api.call(deadline, Repeat::Read, || api.checker.check_caller(&job.kind, caller.is_tenant()))
                .await
                .map_err(|e: RequestError| e)?;
            let checked = api.call(deadline, Repeat::Read, || api.checker.check_other_args(&job, id, args)).await;
            Some(checked.map_err(|e: RequestError| e)?)
        }
        None => None,
    };
    body.run_at.map_or(Ok(()), |at| api.checker.check_run_at(at.0))?;
    let (priority, due) = (body.priority.and_then(Priority::new), body.run_at.map(|at| Due::At(at.0)));
    let edit = Edit { args, priority, due, tags: body.tags, by: Some(caller.name.to_string()) };
    match api.call(deadline, Repeat::Once, || api.broker.edit(&scope, id, revision, edit.clone())).await {
        Ok(_) => shown(&api, find(&api, &scope, deadline, id).await?).await,
        // The history has it, the queue does not: it has ended.
        Err(BrokerError::NotFound) => Err(Problem::new(Code::NotEditable)),
        Err(error) => Err(Problem::from(error).ids([id])),
    }
}

/// Cancel a job
///
/// At once unless it runs; a running attempt is asked to stop, and the job ends when it has.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "Where it stands now", body = Moved)))]
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathId(id): PathId,
    _: NoParams,
    _: Body<Nothing>,
) -> Result<Json<Moved>, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let done =
        api.call(deadline, Repeat::Write, || async { api.broker.cancel(&scope, &[id]).await?.pop().unwrap_or(Err(BrokerError::NotFound)) });
    match done.await {
        Ok(state) => Ok(Json(Moved { id, state, replay_of: None })),
        Err(BrokerError::NotFound) => {
            find(&api, &scope, deadline, id).await?;
            Err(Problem::new(Code::NotCancellable))
        }
        Err(error) => Err(Problem::from(error).ids([id])),
    }
}

/// Run a job now
///
/// A scheduled or retrying one is brought forward; a dead one is replayed, and the answer has the new job's id.
#[utoipa::path(post, path = "/v1/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "The job that will run", body = Moved)))]
pub(crate) async fn retry(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathId(id): PathId,
    _: NoParams,
    _: Body<Nothing>,
) -> Result<Json<Moved>, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let job = find(&api, &scope, deadline, id).await?;
    let told = |error: BrokerError, id| match error {
        // The history has it, the queue does not: it has ended.
        BrokerError::NotFound => Problem::new(Code::NotRetryable),
        error => Problem::from(error).ids([id]),
    };
    if job.state != JobState::Dead {
        let state = api.call(deadline, Repeat::Once, || api.broker.retry_now(&scope, id)).await.map_err(|error| told(error, id))?;
        return Ok(Json(Moved { id, state, replay_of: None }));
    }
    // The same id for the same count of replays, so that a repeat of this call makes no second job.
    let seed = format!("{id}/replay/{}", job.replays.len());
    let new_id = JobId::derived(job.ended_at.unwrap_or_else(|| id.time()), id.home(), seed.as_bytes());
    api.checker.blobs().share(&job, &job.queue, new_id).await?;
    let replays = || vec![Replay { id, new_id, args: None }];
    let done = api.call(deadline, Repeat::Write, || async {
        api.broker.replay(&scope, replays()).await?.pop().unwrap_or(Err(BrokerError::NotFound))
    });
    let new_id = done.await.map_err(|error| told(error, new_id))?;
    let state = find(&api, &scope, deadline, new_id).await.map_or(JobState::Ready, |job| job.state);
    Ok(Json(Moved { id: new_id, state, replay_of: Some(id) }))
}

/// The job, from its queue or from the history.
pub(crate) async fn find(api: &Api, scope: &Scope, deadline: Deadline, id: JobId) -> Result<Job, Problem> {
    let found = api.call(deadline, Repeat::Read, || api.broker.get(scope, std::slice::from_ref(&id))).await;
    if let Some(Some(job)) = found.map_err(|error: BrokerError| error)?.pop() {
        return Ok(job);
    }
    let kept = api.store.history(scope, &id.to_string()).await?.ok_or_else(|| Problem::new(Code::JobNotFound))?;
    serde_json::from_str(&kept)
        .map_err(|error| Problem::new(Code::Internal).cause(format!("job {id} in the history cannot be read: {error}")))
}

async fn shown(api: &Api, job: Job) -> Result<Response, Problem> {
    let view = JobView::from(whole(api, job).await);
    Ok(([(header::ETAG, format!("\"{}\"", view.revision))], Json(view)).into_response())
}

/// The job with its args and its output as they are, from their files where they lie in some. One that cannot be read is left out, and told.
pub(crate) async fn whole(api: &Api, job: Job) -> Whole {
    let mut whole = Whole::without_files(job);
    let blobs = api.checker.blobs();
    if whole.large.args.is_some() {
        let args = tokio::time::timeout(LARGE_TIME, blobs.args(&whole.job)).await.map_err(|_| Code::FilesUnavailable);
        match args.and_then(|args| args.map_err(|error| told(&whole.job, &error))) {
            Ok(args) => whole.args = Some(args),
            Err(code) => whole.large.args = whole.large.args.map(|args| args.at_fault(code)),
        }
    }
    if whole.large.output.is_some() {
        let output = tokio::time::timeout(LARGE_TIME, blobs.output(&whole.job)).await.map_err(|_| Code::FilesUnavailable);
        match output.and_then(|output| output.map_err(|error| told(&whole.job, &error))) {
            Ok(output) => whole.output = output,
            Err(code) => whole.large.output = whole.large.output.map(|output| output.at_fault(code)),
        }
    }
    whole
}

/// A job is shown without what cannot be read in this time.
const LARGE_TIME: Duration = Duration::from_secs(10);

fn told(job: &Job, error: &BlobError) -> Code {
    tracing::warn!(job.id = %job.id, code = %error.code(), "a job is shown without what lies in a file: {error}");
    error.code()
}

fn read(value: Value, caller: &Principal) -> Result<JobRequest, Vec<FieldFault>> {
    decode::<EnqueueBody>(value)?.request(caller)
}

/// The faults of the args beside those of the fields, so that all are told at once; best effort, for the request is refused anyway.
async fn with_args(api: &Api, value: &Value, mut faults: Vec<FieldFault>) -> Vec<FieldFault> {
    let kind = value.get("kind").and_then(|kind| Name::new(kind.as_str()?).ok());
    if let (Some(kind), Some(args)) = (kind, value.get("args"))
        && let Ok(Err(RequestError::Faults { faults: more, .. })) =
            tokio::time::timeout(api.limits.deadline, api.checker.check_args(&kind, args)).await
    {
        faults.extend(more);
    }
    faults
}

/// The items of a batch, which are checked one by one.
fn batch(value: Value, max: usize) -> Result<Vec<Value>, Problem> {
    let Value::Object(mut fields) = value else { return Err(Problem::fault("", "the body has the wrong type", "object")) };
    let jobs = fields.remove("jobs");
    let mut faults: Vec<_> = fields.keys().map(|name| FieldFault::new(format!("/{name}"), "there is no such field", "jobs")).collect();
    let allowed = format!("1 to {max} jobs");
    match jobs {
        Some(Value::Array(items)) if (1..=max).contains(&items.len()) && faults.is_empty() => return Ok(items),
        Some(Value::Array(items)) if (1..=max).contains(&items.len()) => {}
        Some(Value::Array(items)) => faults.push(FieldFault::new("/jobs", format!("{} jobs", items.len()), allowed)),
        Some(_) => faults.push(FieldFault::new("/jobs", "the field has the wrong type", allowed)),
        None => faults.push(FieldFault::new("/jobs", "the field is missing", allowed)),
    }
    Err(Problem::faults(faults))
}

/// The problem of the whole, when a repeat may settle each of the jobs: 503 then, not a list of the same.
fn none_settled(results: &[Result<Enqueued, Problem>]) -> Option<Problem> {
    let problems: Vec<_> = results.iter().map_while(|item| item.as_ref().err().filter(|problem| problem.is_transient())).collect();
    if problems.len() < results.len() {
        return None;
    }
    let ids = problems.iter().flat_map(|problem| problem.named()).copied();
    let worst = problems.iter().find(|problem| problem.code() == Code::OutcomeUnknown).or(problems.first())?;
    Some(Problem::clone(worst).ids(ids))
}

/// The revision that `If-Match` names, with or without the quotes of an ETag.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<u32, Problem> {
    let value = headers.get(header::IF_MATCH).ok_or_else(|| Problem::new(Code::RevisionMissing))?;
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    bare.parse().map_err(|_| Problem::fault("/If-Match", "the header names no revision", "the job's revision, a number"))
}
