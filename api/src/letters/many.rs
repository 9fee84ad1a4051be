//! Many letters at once: repeated, taken back, removed. Each call counts, and begins an operation.

mod preview;

use crate::{
    auth::Principal,
    body::{Raw, decode, shaped},
    jobs,
    operations::{FilterBody, OperationAccepted, Plan, Wish, begin, count, filter_faults},
    params::NoParams,
    problem::Problem,
    state::Api,
};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Millis};
use longshore_dlq::{Search, Wanted};
use longshore_jobs::{BULK, BulkArgs, BulkChange, FieldFault, PURGE, PurgeArgs, REPLAY, ReplayArgs, UNDO, UndoArgs, signature};
use longshore_queue::{Job, JobId, State as JobState};
use preview::{Preview, preview};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// Which letters to repeat, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLettersReplay)]
pub(crate) struct ReplayBody {
    #[schema(schema_with = says::ids)]
    ids: Option<Vec<JobId>>,
    /// Instead of ids: every letter that it matches.
    #[schema(value_type = FilterBody, inline, required = false)]
    filter: Option<Wanted>,
    /// A JSON merge patch (RFC 7396) for their args; a letter whose kind refuses the result is told and left.
    #[schema(value_type = Object, required = false)]
    args_patch: Option<Value>,
    /// So many a second at most; 100 when absent.
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    per_second: Option<u32>,
    /// From 20 first results on, the operation ends when this share of them, or more, is a failure.
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    stop_when_failing: Option<f64>,
    /// Count, and change nothing; with `args_patch` also show what it does to some of them.
    #[serde(default)]
    dry_run: bool,
    /// The number of letters, as an answer told it; a filter that matches more than 1,000 needs it.
    #[schema(nullable = false, minimum = 0)]
    confirm_count: Option<usize>,
}
shaped!(ReplayBody);

/// Which letters to remove.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLettersPurge)]
pub(crate) struct PurgeBody {
    #[schema(schema_with = says::ids)]
    ids: Option<Vec<JobId>>,
    /// Instead of ids: every letter that it matches.
    #[schema(value_type = FilterBody, inline, required = false)]
    filter: Option<Wanted>,
    /// Count, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// The number of letters, as an answer told it; a filter that matches more than 1,000 needs it.
    #[schema(nullable = false, minimum = 0)]
    confirm_count: Option<usize>,
}
shaped!(PurgeBody);

/// What to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLettersUndo)]
pub(crate) struct UndoBody {
    /// A replay, or a bulk change of priority or due time, that has ended.
    #[schema(schema_with = crate::view::id)]
    operation: JobId,
    /// Count, and change nothing.
    #[serde(default)]
    dry_run: bool,
}
shaped!(UndoBody);

mod says {
    use utoipa::openapi::schema::{Array, ArrayBuilder};

    pub(super) fn ids() -> Array {
        ArrayBuilder::new().items(crate::view::id()).min_items(Some(1)).max_items(Some(1_000)).description(Some("These letters.")).build()
    }
}

/// Repeat dead letters
///
/// As new jobs, at a rate, as long as few enough of them fail again. Letters that die after this call are not part of it.
#[utoipa::path(post, path = "/v1/dead-letters/replay", tag = "dead letters", request_body = ReplayBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "How many, and the operation that repeats them", body = OperationAccepted),
        (status = 200, description = "With dry_run: how many", body = Preview)))]
pub(crate) async fn replay(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    headers: HeaderMap,
    raw: Raw,
) -> Result<Response, Problem> {
    let body: ReplayBody = decode(raw.value.clone()).map_err(Problem::faults)?;
    let ReplayBody { ids, filter, args_patch, per_second, stop_when_failing, dry_run, confirm_count } = body;
    let args = ReplayArgs { ids, filter, before: 0, args_patch, per_second, stop_when_failing };
    check(&caller, args.filter.as_ref(), args.search())?;
    let plan = |before: Millis| {
        let args = ReplayArgs { before, ..args.clone() };
        Plan { search: found(&args.ids, &args.filter, before), args: serde_json::to_value(&args).unwrap_or_default() }
    };
    if let Some(patch) = args.args_patch.as_ref().filter(|_| dry_run) {
        let before = api.clock.now() + 1;
        let count = count(&api, &caller, &plan(before).search).await?;
        let preview = preview(&api, &caller, &args, patch).await?;
        return Ok(Json(Preview::new(count, preview)).into_response());
    }
    let wish = Wish { kind: REPLAY, body: raw.value, dry_run, confirm_count, named: args.ids.is_some() };
    begin(&api, &caller, &headers, &wish, plan).await
}

/// Remove dead letters
///
/// For good. Letters that die after this call are not part of it, and one that was repeated meanwhile is left.
#[utoipa::path(post, path = "/v1/dead-letters/purge", tag = "dead letters", request_body = PurgeBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "How many, and the operation that removes them", body = OperationAccepted),
        (status = 200, description = "With dry_run: how many", body = OperationAccepted)))]
pub(crate) async fn purge(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    headers: HeaderMap,
    raw: Raw,
) -> Result<Response, Problem> {
    let PurgeBody { ids, filter, dry_run, confirm_count } = decode(raw.value.clone()).map_err(Problem::faults)?;
    let args = PurgeArgs { ids, filter, before: 0 };
    check(&caller, args.filter.as_ref(), args.search())?;
    let wish = Wish { kind: PURGE, body: raw.value, dry_run, confirm_count, named: args.ids.is_some() };
    begin(&api, &caller, &headers, &wish, |before| {
        let args = PurgeArgs { before, ..args.clone() };
        Plan { search: found(&args.ids, &args.filter, before), args: serde_json::to_value(&args).unwrap_or_default() }
    })
    .await
}

/// Take an operation back
///
/// As far as what it did has not begun: a letter whose repeat was never leased is dead again, and a job whose priority or due time was changed
/// has its own again. What has started is told, job by job, by the operation that this begins.
#[utoipa::path(post, path = "/v1/dead-letters/undo", tag = "dead letters", request_body = UndoBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "How many, and the operation that takes them back", body = OperationAccepted),
        (status = 200, description = "With dry_run: how many", body = OperationAccepted)))]
pub(crate) async fn undo(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    headers: HeaderMap,
    raw: Raw,
) -> Result<Response, Problem> {
    let UndoBody { operation, dry_run } = decode(raw.value.clone()).map_err(Problem::faults)?;
    let done = match jobs::find(&api, &caller.scope(), api.deadline(), operation).await {
        Ok(job) if [REPLAY, BULK, PURGE, UNDO].contains(&job.kind.as_str()) => job,
        Err(problem) if problem.code() != Code::JobNotFound => return Err(problem),
        _ => {
            return Err(Problem::fault(
                "/operation",
                format!("there is no operation {operation}"),
                "a replay, or a bulk change, of this key's",
            ));
        }
    };
    let search = undoing(&done)?;
    let args = serde_json::to_value(UndoArgs { operation }).unwrap_or_default();
    // Whoever names the operation names what it did.
    let wish = Wish { kind: UNDO, body: raw.value, dry_run, confirm_count: None, named: true };
    begin(&api, &caller, &headers, &wish, |_| Plan { search: search.clone(), args: args.clone() }).await
}

/// Every fault of how letters are named.
fn check(caller: &Principal, filter: Option<&Wanted>, named: Result<Search, FieldFault>) -> Result<(), Problem> {
    let mut faults = filter.map(|filter| filter_faults(caller, filter)).unwrap_or_default();
    faults.extend(named.err());
    if let Some(state) = filter.and_then(|filter| filter.state).filter(|state| *state != JobState::Dead) {
        faults.push(FieldFault::new("/filter/state", format!("a job that is {state} is no dead letter"), "dead, or nothing"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::faults(faults)) }
}

/// The letters, of which one of `ids` and `filter` is there.
fn found(ids: &Option<Vec<JobId>>, filter: &Option<Wanted>, before: Millis) -> Search {
    Search::letters(filter.as_ref().unwrap_or(&Wanted::default()), before).only(ids.clone())
}

/// What an ended operation left that can be taken back.
fn undoing(done: &Job) -> Result<Search, Problem> {
    let refused = |detail: String| Problem::new(Code::NotUndoable).detail(detail);
    if !done.state.is_ended() {
        return Err(refused(format!("the operation {} is {}; it can be taken back after its end", done.id, done.state)));
    }
    let until = |before: Millis| before.min(done.created_at + 1);
    match done.kind.as_str() {
        REPLAY => {
            let args: ReplayArgs = read(done)?;
            Ok(Search::repeated_by(done.id, &args.filter.unwrap_or_default(), until(args.before)).only(args.ids))
        }
        BULK => {
            let args: BulkArgs = read(done)?;
            match args.change() {
                Ok(BulkChange::Priority(_) | BulkChange::Postpone(_)) => {
                    Ok(Search::edited_by(signature(done.id), &args.filter, args.verb.states(), until(args.before)))
                }
                _ => Err(refused("a cancel and a move cannot be taken back".to_owned())),
            }
        }
        kind => Err(refused(format!("what a job of the kind `{kind}` did cannot be taken back"))),
    }
}

fn read<T: DeserializeOwned>(done: &Job) -> Result<T, Problem> {
    let cause = |error| Problem::new(Code::Internal).cause(format!("the args of the operation {} cannot be read: {error}", done.id));
    serde_json::from_str(done.args.get()).map_err(cause)
}
