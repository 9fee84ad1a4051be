//! Kinds as records: what can be enqueued, and a way in for kinds whose code is in another language.

use crate::{
    auth::{Operator, Principal},
    body::{Body, shaped},
    calls::Repeat,
    params::{NoParams, PathName},
    problem::Problem,
    schedules::KindScheduleBody,
    state::Api,
};
use axum::{Json, extract::State};
use longshore_base::{Code, Name};
use longshore_jobs::{FieldFault, RequestError};
use longshore_queue::{Backoff, Keep, KindRecord, Policy};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// List the kinds
#[utoipa::path(get, path = "/v1/kinds", tag = "kinds", responses((status = 200, description = "By name", body = KindList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, _: Principal, _: NoParams) -> Result<Json<KindList>, Problem> {
    let mut records = records(&api).await?;
    records.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(KindList { kinds: records.into_iter().map(KindView::from).collect() }))
}

/// Read one kind
#[utoipa::path(get, path = "/v1/kinds/{name}", tag = "kinds", params(("name" = String, Path)),
    responses((status = 200, description = "Its record", body = KindView)))]
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    _: Principal,
    PathName(name): PathName,
    _: NoParams,
) -> Result<Json<KindView>, Problem> {
    let found = records(&api).await?.into_iter().find(|record| record.name == name);
    found.map(|record| Json(record.into())).ok_or_else(|| Problem::new(Code::NotFound).detail(format!("there is no kind `{name}`")))
}

/// Register a kind
///
/// A schema that would refuse jobs that wait already is not taken over.
#[utoipa::path(put, path = "/v1/kinds/{name}", tag = "kinds", params(("name" = String, Path)), request_body = KindBody,
    responses((status = 200, description = "The record as it is kept", body = KindView)))]
pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(name): PathName,
    _: NoParams,
    Body(body): Body<KindBody>,
) -> Result<Json<KindView>, Problem> {
    if let Some(other) = body.name.as_ref().filter(|other| **other != name) {
        return Err(Problem::fault("/name", format!("`{other}` is not the name in the path"), name.as_str()));
    }
    let record = body.record(name).map_err(|fault| Problem::faults(vec![fault]))?;
    let kept = api.call(api.deadline(), Repeat::Write, || api.checker.put(record.clone())).await;
    Ok(Json(kept.map_err(|error: RequestError| error)?.into()))
}

async fn records(api: &Api) -> Result<Vec<KindRecord>, Problem> {
    Ok(api.call(api.deadline(), Repeat::Read, || api.broker.kinds()).await?)
}

/// A kind to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKind)]
pub(crate) struct KindBody {
    /// The name in the path, or nothing.
    #[schema(schema_with = crate::view::name)]
    name: Option<Name>,
    /// Grows when the schema or the policy changes.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    version: u32,
    /// JSON Schema, draft 2020-12.
    #[schema(value_type = Value)]
    args_schema: Value,
    #[schema(value_type = Value, required = false)]
    output_schema: Option<Value>,
    /// Where its jobs go unless they name another queue; `default` when absent.
    #[schema(schema_with = crate::view::name)]
    queue: Option<Name>,
    #[schema(nullable = false, inline)]
    retry: Option<RetryBody>,
    #[schema(nullable = false, minimum = 1, maximum = 604_800_000)]
    timeout_ms: Option<u64>,
    /// JSON pointers into args that make the lane's key.
    #[schema(max_items = 8)]
    #[serde(default)]
    lane_by: Vec<String>,
    /// A JSON pointer into args to the units that a job costs (rounded up); 1 where there is no number.
    cost: Option<String>,
    /// JSON pointers into args that keep a second job like it away.
    #[schema(max_items = 8)]
    #[serde(default)]
    unique_by: Vec<String>,
    /// Outside quotas that it uses: names, or JSON pointers into args to a name.
    #[schema(max_items = 8)]
    #[serde(default)]
    resources: Vec<String>,
    /// false: never run again when the outcome of an attempt is not known.
    #[schema(nullable = false)]
    repeatable: Option<bool>,
    /// So many crashes in a row make it dead.
    #[schema(nullable = false, minimum = 1, maximum = 255)]
    crashes_max: Option<u8>,
    /// So many leases make it dead.
    #[schema(nullable = false, minimum = 1, maximum = 4_294_967_295_u32)]
    runs_max: Option<u32>,
    /// Older than this when it snoozes: dead.
    #[schema(minimum = 1)]
    age_max_ms: Option<u64>,
    /// For schedules of it that say nothing of their own.
    #[schema(nullable = false, inline)]
    schedule: Option<KindScheduleBody>,
    /// How long ended jobs are kept: "none" (ten minutes) or {"ms": n}; absent: the engine's default.
    #[schema(schema_with = keep)]
    keep: Option<Keep>,
    /// Who answers for it.
    #[schema(max_length = 256)]
    owner: Option<String>,
}
shaped!(KindBody);

/// How often, and with which waits between.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetryBody {
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    attempts_max: Option<u16>,
    /// The bound before the second attempt; doubles with each.
    #[schema(nullable = false, minimum = 1)]
    base_ms: Option<u64>,
    /// The bound that is not passed.
    #[schema(nullable = false, minimum = 1)]
    max_ms: Option<u64>,
}

impl KindBody {
    fn record(self, name: Name) -> Result<KindRecord, FieldFault> {
        let schedule = self.schedule.map(KindScheduleBody::checked).transpose()?;
        let usual = Policy::default();
        let retry = self.retry.unwrap_or(RetryBody { attempts_max: None, base_ms: None, max_ms: None });
        let policy = Policy {
            attempts_max: retry.attempts_max.unwrap_or(usual.attempts_max),
            crashes_max: self.crashes_max.unwrap_or(usual.crashes_max),
            timeout_ms: self.timeout_ms.unwrap_or(usual.timeout_ms),
            repeatable: self.repeatable.unwrap_or(usual.repeatable),
            runs_max: self.runs_max.unwrap_or(usual.runs_max),
            age_max_ms: self.age_max_ms,
            backoff: Backoff {
                base_ms: retry.base_ms.unwrap_or(usual.backoff.base_ms),
                max_ms: retry.max_ms.unwrap_or(usual.backoff.max_ms),
            },
            keep: self.keep,
        };
        Ok(KindRecord {
            schedule,
            name,
            version: self.version,
            args_schema: self.args_schema,
            output_schema: self.output_schema,
            queue: self.queue.unwrap_or_else(|| Name::literal("default")),
            policy,
            lane_by: self.lane_by,
            cost: self.cost,
            unique_by: self.unique_by,
            resources: self.resources,
            keep: self.keep,
            owner: self.owner,
            refused: None,
            internal: false,
            operators: false,
        })
    }
}

/// null, "none" or {"ms": n}.
fn keep() -> utoipa::openapi::schema::Schema {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
    let (null, none) =
        (ObjectBuilder::new().schema_type(Type::Null), ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["none"])));
    let ms =
        ObjectBuilder::new().schema_type(Type::Object).property("ms", ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)));
    OneOfBuilder::new().item(null).item(none).item(ms.required("ms")).build().into()
}

/// Every kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindList {
    kinds: Vec<KindView>,
}

/// What is known of a kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Kind)]
pub(crate) struct KindView {
    #[schema(schema_with = crate::view::name)]
    name: Name,
    version: u32,
    args_schema: Value,
    output_schema: Option<Value>,
    #[schema(schema_with = crate::view::name)]
    queue: Name,
    retry: RetryView,
    timeout_ms: u64,
    lane_by: Vec<String>,
    cost: Option<String>,
    unique_by: Vec<String>,
    resources: Vec<String>,
    repeatable: bool,
    crashes_max: u8,
    runs_max: u32,
    age_max_ms: Option<u64>,
    #[schema(value_type = Value)]
    keep: Option<Keep>,
    /// What a schedule of it takes over when it names no timing, and the args when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    schedule: Option<KindScheduleBody>,
    owner: Option<String>,
    /// Why a newer version was not taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// How often, and with which waits between.
#[derive(Debug, Serialize, ToSchema)]
struct RetryView {
    attempts_max: u16,
    base_ms: u64,
    max_ms: u64,
}

impl From<KindRecord> for KindView {
    fn from(record: KindRecord) -> Self {
        let Policy { attempts_max, crashes_max, timeout_ms, repeatable, runs_max, age_max_ms, backoff, keep } = record.policy;
        Self {
            name: record.name,
            version: record.version,
            args_schema: record.args_schema,
            output_schema: record.output_schema,
            queue: record.queue,
            retry: RetryView { attempts_max, base_ms: backoff.base_ms, max_ms: backoff.max_ms },
            timeout_ms,
            lane_by: record.lane_by,
            cost: record.cost,
            unique_by: record.unique_by,
            resources: record.resources,
            repeatable,
            crashes_max,
            runs_max,
            age_max_ms,
            keep: record.keep.or(keep),
            schedule: record.schedule.map(KindScheduleBody::from),
            owner: record.owner,
            refused: record.refused,
        }
    }
}
