//! A backfill: the ticks of a range once more, at a rate, as a job that can be watched and cancelled.

use super::{known, target::Target, view::timetable};
use crate::{
    auth::Principal,
    body::{Hashed, shaped},
    intake::{Begin, Intake, answered},
    problem::Problem,
    state::Api,
    time::Time,
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use longshore_base::{Code, Millis, Name, rfc3339};
use longshore_jobs::{BACKFILL, FieldFault, JobRequest};
use longshore_queue::Timetable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// The longest range: ten years.
const RANGE_MAX_MS: Millis = 3_653 * 86_400_000;
/// More ticks are not made up for at once.
const COUNT_MAX: usize = 1_000_000;
/// More are only with their number confirmed.
const FREE_MAX: usize = 10_000;
const PER_SECOND: u32 = 10;

/// A range of ticks to make up for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Backfill)]
pub(crate) struct BackfillBody {
    #[schema(schema_with = says::from)]
    from: Time,
    #[schema(schema_with = says::to)]
    to: Time,
    /// So many jobs at most; 10 when absent.
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    per_second: Option<u32>,
    /// The number of ticks, as an answer told it; needed above 10,000.
    #[schema(nullable = false, minimum = 0)]
    confirm_count: Option<usize>,
}
shaped!(BackfillBody);

mod says {
    use crate::view;
    use utoipa::openapi::{Object, ObjectBuilder};

    pub(super) fn from() -> Object {
        ObjectBuilder::from(view::time()).description(Some("The first tick may be at this time.")).build()
    }
    pub(super) fn to() -> Object {
        ObjectBuilder::from(view::time()).description(Some("All ticks are before this; at most now, and ten years after `from`.")).build()
    }
}

/// What the operation's job is called with. Times are milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BackfillArgs {
    pub(crate) schedule: Name,
    pub(crate) from: Millis,
    pub(crate) to: Millis,
    #[serde(default)]
    pub(crate) per_second: Option<u32>,
}

/// Make up for a range of ticks
///
/// Each tick from `from` on and before `to` becomes a job, whether it was carried out before or not, but for those whose job is still there.
/// The overlap rule does not hold. More than 10,000 need `confirm_count`; more than 1,000,000 are refused.
#[utoipa::path(post, path = "/v1/schedules/{name}/backfill", tag = "schedules", request_body = BackfillBody,
    params(("name" = String, Path), ("tenant" = Option<String>, Query), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "How many, and the operation that makes them", body = BackfillAccepted)))]
pub(crate) async fn backfill(
    State(api): State<Arc<Api>>,
    caller: Principal,
    target: Target,
    headers: HeaderMap,
    body: Hashed<BackfillBody>,
) -> Result<Response, Problem> {
    let (target, hash, body) = (target.finish()?, body.hash, body.value);
    let (from, to) = (body.from.0, body.to.0);
    range(from, to, api.clock.now())?;
    let state = known(&api, &caller, api.deadline(), &target).await?;
    let timetable = timetable(&state).ok_or_else(|| Problem::new(Code::Internal).cause("a kept schedule has no timetable"))?;
    let count = count(timetable, from, to).await?;
    if count > COUNT_MAX {
        let detail = format!("the range has more than {COUNT_MAX} ticks");
        return Err(Problem::fault("/to", detail, format!("a range with at most {COUNT_MAX}")));
    }
    if count > FREE_MAX && body.confirm_count != Some(count) {
        let said = body.confirm_count.map(|said| format!(", and the call confirmed {said}")).unwrap_or_default();
        let detail = format!("the range has {count} ticks{said}; repeat the call with confirm_count {count} to make them up");
        return Err(Problem::new(Code::BackfillUnconfirmed).detail(detail).member("count", count.into()));
    }
    // Begun only now: the confirmed call has another body, and may come under the same key.
    let intake = match Intake::begin(&api, &caller, &headers, &hash).await? {
        Begin::Go(intake) => intake,
        Begin::Answered(answer) => return Ok(answered(StatusCode::ACCEPTED, answer)),
    };
    let answer = if count == 0 {
        json!({ "count": 0 })
    } else {
        let per_second = Some(body.per_second.unwrap_or(PER_SECOND));
        let args = BackfillArgs { schedule: target.name, from, to, per_second };
        let request = JobRequest {
            queue: Some(state.schedule.queue),
            tenant: Some(target.tenant),
            ..JobRequest::new(Name::literal(BACKFILL), serde_json::to_value(args).unwrap_or(Value::Null))
        };
        let job = intake.check(0, request).await?;
        json!({ "count": count, "operation": intake.enqueue_one(job).await?.id })
    };
    let answer = answer.to_string();
    intake.finish(&answer).await;
    Ok(answered(StatusCode::ACCEPTED, answer))
}

fn range(from: Millis, to: Millis, now: Millis) -> Result<(), Problem> {
    let fault = |detail: String, allowed: String| Problem::faults(vec![FieldFault::new("/to", detail, allowed)]);
    if from < 0 {
        return Err(Problem::fault("/from", rfc3339(from), "1970-01-01T00:00:00.000Z or later"));
    }
    if to <= from {
        return Err(fault(format!("{} is not after from", rfc3339(to)), format!("later than {}", rfc3339(from))));
    }
    if to.saturating_sub(from) > RANGE_MAX_MS {
        return Err(fault(format!("{} is more than ten years after from", rfc3339(to)), "at most ten years after from".into()));
    }
    if to > now {
        // A tick that is made up for before it is due would not be carried out when it is.
        return Err(fault(format!("{} is not there yet", rfc3339(to)), format!("at most {}, which is now", rfc3339(now))));
    }
    Ok(())
}

/// The number of ticks, one more than [`COUNT_MAX`] at most; beside the requests, as a million of them take a while.
async fn count(timetable: Timetable, from: Millis, to: Millis) -> Result<usize, Problem> {
    let counted = tokio::task::spawn_blocking(move || timetable.count_between(from, to, COUNT_MAX + 1)).await;
    counted.map_err(|error| Problem::new(Code::Internal).cause(error.to_string()))
}

/// What a backfill comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillAccepted {
    /// So many ticks are in the range.
    count: u64,
    /// The operation's id, for /v1/operations; absent when there is nothing to do.
    #[schema(schema_with = crate::view::id, required = false)]
    operation: String,
}
