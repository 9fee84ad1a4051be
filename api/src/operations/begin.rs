//! How a call begins an operation. It counts first, and says what it would do; what it starts is bounded by the moment of the call.

use crate::{
    auth::Principal,
    calls::{Deadline, Repeat},
    intake::{Begin, Intake, answered},
    problem::Problem,
    state::Api,
};
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use longshore_base::{Code, Millis, Name, Scope};
use longshore_dlq::{Count, Search, Wanted};
use longshore_jobs::{FieldFault, JobRequest, Tally};
use longshore_queue::{BrokerError, Job, JobId, OPERATIONS};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// More jobs are only with their number confirmed.
const FREE_MAX: usize = 1_000;
/// More are not one operation.
const COUNT_MAX: usize = 1_000_000;

/// What a call asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The operation's kind.
    pub(crate) kind: &'static str,
    /// The body as it came: a repeat under the same Idempotency-Key says the same, but for `confirm_count`.
    pub(crate) body: Value,
    /// Only count.
    pub(crate) dry_run: bool,
    /// The number that the caller was told before.
    pub(crate) confirm_count: Option<usize>,
    /// The jobs were named, and not described: their number needs no confirmation.
    pub(crate) named: bool,
}

/// What the call comes to.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The jobs that it is about.
    pub(crate) search: Search,
    /// What the operation's job is called with.
    pub(crate) args: Value,
}

/// What a call comes to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationAccepted {
    /// So many jobs it is about.
    count: usize,
    /// The operation's id, for /v1/operations; absent when there is nothing to do, and with `dry_run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::view::id, required = false)]
    operation: Option<JobId>,
}

/// Counts, and begins the operation unless nothing matches. `plan` makes the args from the moment of the call: jobs from that moment on are not
/// part of it.
pub(crate) async fn begin(
    api: &Api,
    caller: &Principal,
    headers: &HeaderMap,
    wish: &Wish,
    plan: impl Fn(Millis) -> Plan,
) -> Result<Response, Problem> {
    // Bounds are exclusive, and what happened in this very millisecond happened before.
    let now = plan(api.clock.now() + 1);
    if wish.dry_run {
        let count = count(api, caller, &now.search).await?;
        return Ok(shown(StatusCode::OK, count, None));
    }
    let intake = match Intake::begin(api, caller, headers, &wish.hash()).await? {
        Begin::Go(intake) => intake,
        Begin::Answered(answer) => return Ok(answered(StatusCode::ACCEPTED, answer)),
    };
    let Plan { search, args } = intake.seed().map_or(now, |(_, at)| plan(at + 1));
    let request = JobRequest { tenant: Some(tenant(caller)), internal: true, ..JobRequest::new(Name::literal(wish.kind), args) };
    let job = intake.check(0, request).await?;
    // A repeat of a call that was not finished: what it counted then, its operation may have changed since.
    let before = if intake.seed().is_some() { find(api, intake.deadline(), job.id).await? } else { None };
    let count = match before.as_ref().and_then(total) {
        Some(total) => total,
        None => count(api, caller, &search).await?,
    };
    if before.is_none() && count > 0 {
        wish.confirmed(count)?;
    }
    let intake = intake.renewed();
    let made = before.is_some() || count > 0;
    let operation = if made { Some(intake.enqueue_one(job).await?.id) } else { None };
    let answer = text(count, operation);
    intake.finish(&answer).await;
    Ok(answered(StatusCode::ACCEPTED, answer))
}

/// Every fault of a filter that stands at `/filter`, that it names another tenant than the caller's included.
pub(crate) fn filter_faults(caller: &Principal, filter: &Wanted) -> Vec<FieldFault> {
    let told = filter.faults().into_iter();
    let mut faults: Vec<_> = told.map(|fault| FieldFault::new(format!("/filter{}", fault.pointer), fault.detail, fault.allowed)).collect();
    if let (Some(tenant), Scope::Tenant(own)) = (&filter.tenant, caller.scope())
        && *tenant != own
    {
        faults.push(FieldFault::new(
            "/filter/tenant",
            format!("this key may not name the tenant `{tenant}`"),
            format!("{own}, or nothing"),
        ));
    }
    faults
}

impl Wish {
    fn confirmed(&self, count: usize) -> Result<(), Problem> {
        let said = self.confirm_count;
        if said.map_or(self.named || count <= FREE_MAX, |said| said == count) {
            return Ok(());
        }
        let told = said.map(|said| format!(", and the call confirmed {said}")).unwrap_or_default();
        let detail = format!("{count} jobs match{told}; repeat the call with confirm_count {count} to go on");
        Err(Problem::new(Code::OperationUnconfirmed).detail(detail).member("count", count.into()))
    }

    fn hash(&self) -> [u8; 32] {
        let mut body = self.body.clone();
        if let Some(fields) = body.as_object_mut() {
            // The confirmed call may come under the key of the one that asked for it.
            fields.remove("confirm_count");
        }
        Sha256::new().chain_update(self.kind).chain_update([0]).chain_update(body.to_string()).finalize().into()
    }
}

/// Whose the operation is: it reaches what its caller reaches.
fn tenant(caller: &Principal) -> Name {
    match caller.scope() {
        Scope::All => Name::literal(OPERATIONS),
        Scope::Tenant(own) => own,
    }
}

/// How many jobs a search comes to, for this caller.
pub(crate) async fn count(api: &Api, caller: &Principal, search: &Search) -> Result<usize, Problem> {
    let scope = caller.scope();
    // Longer than a call of the broker may take, as this is many of them.
    let deadline = Deadline(api.clock.elapsed() + api.limits.request_time.mul_f64(0.7));
    let found: Result<Count, BrokerError> = api.call(deadline, Repeat::Read, || search.count(&*api.broker, &scope, COUNT_MAX)).await;
    let Count { count, more } = found?;
    if more {
        return Err(Problem::fault("/filter", format!("more than {COUNT_MAX} jobs match"), "a narrower filter"));
    }
    Ok(count)
}

async fn find(api: &Api, deadline: Deadline, id: JobId) -> Result<Option<Job>, BrokerError> {
    let found = api.call(deadline, Repeat::Read, || api.broker.get(&Scope::All, std::slice::from_ref(&id))).await;
    Ok(found?.pop().flatten())
}

/// How many jobs an operation found when it began.
fn total(job: &Job) -> Option<usize> {
    let told = job.output.as_ref().or(job.progress.as_ref())?;
    let tally: Tally = serde_json::from_str(told.get()).ok()?;
    usize::try_from(tally.total).ok()
}

fn shown(status: StatusCode, count: usize, operation: Option<JobId>) -> Response {
    answered(status, text(count, operation))
}

fn text(count: usize, operation: Option<JobId>) -> String {
    json!(OperationAccepted { count, operation }).to_string()
}
