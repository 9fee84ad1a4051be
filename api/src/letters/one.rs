//! One letter: every attempt, what led to it and what it led to, and its args, which a person may correct before it is repeated.

use super::view::{KinView, LetterEdited, LetterInFull, LetterView, Lineage, VariesView};
use crate::{
    auth::Principal,
    body::{Body, shaped},
    calls::{Deadline, Repeat},
    jobs::{self, if_match},
    params::{NoParams, PathId},
    problem::Problem,
    rules::etag,
    state::Api,
};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Millis, Scope};
use longshore_dlq::{DeadLetters, Search, Wanted, diff};
use longshore_jobs::RequestError;
use longshore_queue::{BrokerError, Edit, Job, JobId, OPERATIONS, State as JobState};
use serde::Deserialize;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use utoipa::ToSchema;

/// What varies in a group is not worth a longer wait.
const VARIES_TIME: Duration = Duration::from_secs(2);

/// Read one dead letter
///
/// With every attempt's error, how its replays stand, and what varies in the args of its group. Also one that was repeated, and one that
/// retention has moved to the history.
#[utoipa::path(get, path = "/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path)),
    responses((status = 200, description = "The letter; ETag is its revision", body = LetterInFull)))]
pub(crate) async fn get(State(api): State<Arc<Api>>, caller: Principal, PathId(id): PathId, _: NoParams) -> Result<Response, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let job = letter(&api, &scope, deadline, id).await?;
    let lineage = lineage(&api, &scope, deadline, &job).await?;
    let varies = varies(&api, &scope, &job).await;
    let letter = LetterView::of(jobs::whole(&api, job).await);
    Ok((etag(letter.job.revision.into()), Json(LetterInFull { letter, lineage, varies })).into_response())
}

/// What may be changed of a letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterEdit)]
pub(crate) struct EditBody {
    /// Replaces the args; checked against the kind's schema.
    #[schema(value_type = Value)]
    args: Value,
}
shaped!(EditBody);

/// Edit the args of a dead letter
///
/// What it is repeated with. It stays in its place and its group; the history says who changed it.
#[utoipa::path(patch, path = "/v1/dead-letters/{id}", tag = "dead letters",
    params(("id" = String, Path), ("If-Match" = String, Header, description = "The letter's revision")), request_body = EditBody,
    responses((status = 200, description = "The letter as it is now, and what changed; ETag is its revision", body = LetterEdited)))]
pub(crate) async fn edit(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathId(id): PathId,
    _: NoParams,
    headers: HeaderMap,
    Body(body): Body<EditBody>,
) -> Result<Response, Problem> {
    let revision = if_match(&headers)?;
    let (scope, deadline) = (caller.scope(), api.deadline());
    let job = letter(&api, &scope, deadline, id).await?;
    if job.revision != revision {
        return Err(Problem::new(Code::RevisionMismatch).detail(format!("the letter's revision is {}", job.revision)));
    }
    api.call(deadline, Repeat::Read, || api.checker.check_caller(&job.kind, caller.is_tenant())).await.map_err(|e: RequestError| e)?;
    let args = api.call(deadline, Repeat::Read, || api.checker.check_other_args(&job, id, &body.args)).await;
    let args = args.map_err(|e: RequestError| e)?;
    // The broker refuses another revision than this one, so the difference is to what the edit replaces. Args that are lost can be replaced.
    let before = api.checker.blobs().args(&job).await;
    let before = before.map(|before| serde_json::from_str(before.get()).unwrap_or_default()).unwrap_or_default();
    let diff = diff(&before, &body.args).into_iter().map(Into::into).collect();
    let edit = Edit { args: Some(args), by: Some(caller.name.to_string()), ..Edit::default() };
    match api.call(deadline, Repeat::Once, || api.broker.edit(&scope, id, revision, edit.clone())).await {
        Ok(_) => {}
        // The history has it, the queue does not.
        Err(BrokerError::NotFound) => return Err(Problem::new(Code::NotEditable)),
        Err(error) => return Err(Problem::from(error).ids([id])),
    }
    let letter = LetterView::of(jobs::whole(&api, letter(&api, &scope, deadline, id).await?).await);
    Ok((etag(letter.job.revision.into()), Json(LetterEdited { letter, diff })).into_response())
}

/// The letter, which may have been repeated; a job that is not dead is none.
async fn letter(api: &Api, scope: &Scope, deadline: Deadline, id: JobId) -> Result<Job, Problem> {
    let job = jobs::find(api, scope, deadline, id).await?;
    if job.state == JobState::Dead {
        return Ok(job);
    }
    Err(Problem::new(Code::JobNotFound).detail(format!("the job {id} is {}, and no dead letter", job.state)))
}

async fn lineage(api: &Api, scope: &Scope, deadline: Deadline, letter: &Job) -> Result<Lineage, Problem> {
    let ids: Vec<JobId> = letter.replay_of.into_iter().chain(letter.replays.iter().copied()).collect();
    if ids.is_empty() {
        return Ok(Lineage::default());
    }
    let found = api.call(deadline, Repeat::Read, || api.broker.get(scope, &ids)).await.map_err(|error: BrokerError| error)?;
    let mut kin = ids.iter().zip(&found).map(|(id, job)| KinView::new(*id, job.as_ref()));
    let replay_of = letter.replay_of.and_then(|_| kin.next());
    Ok(Lineage { replay_of, replays: kin.collect() })
}

/// What varies in the args of a letter's group, as far as the caller sees it and it is found out soon.
async fn varies(api: &Api, scope: &Scope, letter: &Job) -> Option<VariesView> {
    let fingerprint = letter.last_error()?.fingerprint.clone();
    // No filter means an operation unless it names their queue.
    let queue = Some(letter.queue.clone()).filter(|queue| queue.as_str() == OPERATIONS);
    let wanted = Wanted { kind: Some(letter.kind.clone()), fingerprint: Some(fingerprint), queue, ..Wanted::default() };
    let (letters, search) = (DeadLetters::new(Arc::clone(&api.broker), scope.clone()), Search::letters(&wanted, Millis::MAX));
    let varies = tokio::time::timeout(VARIES_TIME, letters.varies(&search)).await;
    varies.ok()?.ok().map(VariesView::from)
}
