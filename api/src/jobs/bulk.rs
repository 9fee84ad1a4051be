//! Many living jobs at once: cancelled, moved to another queue, given another priority, or put off, as an operation.

use crate::{
    auth::Principal,
    body::{Raw, decode, shaped},
    intake::may_name,
    operations::{FilterBody, OperationAccepted, Plan, Wish, begin, filter_faults},
    params::NoParams,
    problem::Problem,
    state::Api,
};
use axum::{extract::State, http::HeaderMap, response::Response};
use longshore_base::Millis;
use longshore_dlq::Wanted;
use longshore_jobs::{BULK, BulkArgs, BulkChange, FieldFault, Verb};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

const PER_SECOND: u32 = 1_000;

/// Which living jobs to change, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobsBulk)]
pub(crate) struct BulkBody {
    #[schema(schema_with = says::verb)]
    verb: Verb,
    #[schema(value_type = FilterBody, inline)]
    filter: Wanted,
    /// Of move the queue; of priority 0..=9; of postpone the time before which they do not start: RFC 3339, or milliseconds from now on. Of
    /// cancel nothing.
    #[schema(value_type = Value, required = false)]
    value: Option<Value>,
    /// So many a second at most; 1,000 when absent.
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    per_second: Option<u32>,
    /// Count, and do nothing.
    #[serde(default)]
    dry_run: bool,
    /// The number of jobs, as an answer told it; needed above 1,000.
    #[schema(nullable = false, minimum = 0)]
    confirm_count: Option<usize>,
}
shaped!(BulkBody);

mod says {
    use utoipa::openapi::{Object, ObjectBuilder, schema::Type};

    pub(super) fn verb() -> Object {
        let text = "cancel ends them (running ones are asked to stop); move lets them go on in another queue; priority and postpone change what they say.";
        let words = ["cancel", "move", "priority", "postpone"];
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).description(Some(text)).build()
    }
}

/// Change many living jobs
///
/// Those that the filter matches and that were enqueued before this call, in states in which the verb can change them. More than 1,000 need
/// `confirm_count`. An operation does it, at a rate, and tells how far it is.
#[utoipa::path(post, path = "/v1/jobs/bulk", tag = "jobs", request_body = BulkBody, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "How many, and the operation that changes them", body = OperationAccepted),
        (status = 200, description = "With dry_run: how many", body = OperationAccepted)))]
pub(crate) async fn bulk(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    headers: HeaderMap,
    raw: Raw,
) -> Result<Response, Problem> {
    let BulkBody { verb, filter, value, per_second, dry_run, confirm_count } = decode(raw.value.clone()).map_err(Problem::faults)?;
    let now = api.clock.now();
    let args = BulkArgs { verb, filter, value, per_second: Some(per_second.unwrap_or(PER_SECOND)), before: now };
    let change = check(&args, &caller, now).map_err(Problem::faults)?;
    if let BulkChange::Move(queue) = &change {
        may_name(&api, &caller, api.deadline(), queue).await.map_err(at_value)?;
    }
    let wish = Wish { kind: BULK, body: raw.value, dry_run, confirm_count, named: false };
    begin(&api, &caller, &headers, &wish, |before| {
        let args = BulkArgs { before, ..args.clone() };
        Plan { search: args.search(), args: serde_json::to_value(args).unwrap_or_default() }
    })
    .await
}

/// What is to be done, or every fault.
fn check(args: &BulkArgs, caller: &Principal, now: Millis) -> Result<BulkChange, Vec<FieldFault>> {
    let mut faults = filter_faults(caller, &args.filter);
    let states = args.verb.states();
    if let Some(state) = args.filter.state.filter(|state| !states.contains(state)) {
        let allowed: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        faults.push(FieldFault::new("/filter/state", format!("jobs that are {state} are not changed like this"), allowed.join(", ")));
    }
    match args.change() {
        Ok(BulkChange::Postpone(at)) if at <= now => {
            faults.push(FieldFault::new("/value", "the time is not ahead", "a time that is to come, or at least 1 ms from now"));
            Err(faults)
        }
        Ok(change) if faults.is_empty() => Ok(change),
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

/// The queue stands in the field `value`.
fn at_value(problem: Problem) -> Problem {
    match problem.into_faults() {
        Ok((_, faults)) => Problem::faults(faults.into_iter().map(|fault| FieldFault { pointer: "/value".to_owned(), ..fault }).collect()),
        Err(problem) => problem,
    }
}
