//! How many slots a queue has, and how many it wants: by hand, by itself, or by an autoscaler outside.

use crate::{
    auth::Operator,
    body::{Body, shaped},
    calls::Repeat,
    params::{NoParams, Params, PathName},
    problem::Problem,
    queues::{self, QueueView},
    rules::{self, Place},
    state::Api,
};
use axum::{Json, extract::State};
use longshore_base::Scope;
use longshore_jobs::FieldFault;
use longshore_queue::{Auto, QueueStats, RuleChange, Scaling};
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// No queue has more slots.
const SLOTS_MAX: u32 = 100_000;
/// A backlog should be cleared in a minute unless somebody says otherwise.
const CLEAR_IN_MS: u64 = 60_000;

/// Scale a queue
///
/// `slots`: at most so many of its jobs run at once, over all workers; `null` takes the cap away. `auto`: the cap follows the backlog;
/// `null` lets it stand where it is. Holds from the next lease, and over restarts.
#[utoipa::path(put, path = "/v1/queues/{queue}/scale", tag = "queues", params(("queue" = String, Path)), request_body = ScaleBody,
    responses((status = 200, description = "The queue as it is now", body = QueueView)))]
pub(crate) async fn scale(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(queue): PathName,
    _: NoParams,
    Body(body): Body<ScaleBody>,
) -> Result<Json<QueueView>, Problem> {
    match (body.slots, body.auto) {
        (Some(slots), None) => {
            let deadline = api.deadline();
            // Otherwise the scheduler would take it back.
            if queues::stats(&api, &Scope::All, &queue, deadline).await?.auto.is_some() {
                rules::change(&api, deadline, &Place::queue(queue.clone()), RuleChange::Auto(None), None).await?;
            }
            queues::rule(&api, &queue, RuleChange::Scale(slots)).await
        }
        (None, Some(auto)) => queues::rule(&api, &queue, RuleChange::Auto(auto.map(AutoBody::checked).transpose()?)).await,
        (Some(_), Some(_)) => Err(Problem::fault("/auto", "slots and auto are both there", "one of slots and auto")),
        (None, None) => Err(Problem::fault("/slots", "the field is missing", "0..=100000, or null for no cap; or auto")),
    }
}

/// Facts for an autoscaler
///
/// `wanted` is the number of slots that clears the backlog in time, as a plain number for KEDA's metrics-api scaler. Bounds and target come
/// from the queue's `auto`, or from the query.
#[utoipa::path(get, path = "/v1/scaling/{queue}", tag = "queues", params(("queue" = String, Path),
        ("clear_in_ms" = Option<u64>, Query, description = "The backlog should be cleared in this time; 60000 when nothing is said"),
        ("min" = Option<u32>, Query), ("max" = Option<u32>, Query)),
    responses((status = 200, description = "What it has and what it wants", body = ScalingView)))]
pub(crate) async fn facts(
    State(api): State<Arc<Api>>,
    _: Operator,
    PathName(queue): PathName,
    mut params: Params,
) -> Result<Json<ScalingView>, Problem> {
    let clear_in_ms = params.read("clear_in_ms", "1 or more", |text| text.parse::<u64>().ok().filter(|ms| *ms > 0));
    let slots = |from: u32| move |text: &str| text.parse::<u32>().ok().filter(|n| (from..=SLOTS_MAX).contains(n));
    let (min, max) = (params.read("min", "0..=100000", slots(0)), params.read("max", "1..=100000", slots(1)));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        params.fault("min", "min is above max", "at most max");
    }
    params.finish()?;

    let deadline = api.deadline();
    let names = api.call(deadline, Repeat::Read, || api.broker.queues()).await?;
    // An autoscaler may well ask before the first job.
    let stats = if names.contains(&queue) { queues::stats(&api, &Scope::All, &queue, deadline).await? } else { QueueStats::default() };
    let kept = stats.auto.unwrap_or(Auto { min: 0, max: SLOTS_MAX, clear_in_ms: CLEAR_IN_MS, step: None, cool_down_ms: None });
    let (min, max) = match (min, max) {
        (Some(min), None) => (min, kept.max.max(min)),
        (None, Some(max)) => (kept.min.min(max), max),
        (min, max) => (min.unwrap_or(kept.min), max.unwrap_or(kept.max)),
    };
    let auto = Auto { min, max, clear_in_ms: clear_in_ms.unwrap_or(kept.clear_in_ms), ..kept };
    let current = stats.slots.unwrap_or_else(|| u32::try_from(stats.slots_live).unwrap_or(u32::MAX));
    Ok(Json(Scaling::of(&stats, &auto, current, api.clock.now()).into()))
}

/// How many at once: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QueueScale)]
pub(crate) struct ScaleBody {
    /// null: no cap.
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<u32>, required = false, maximum = 100_000)]
    slots: Option<Option<u32>>,
    /// null: the cap does not move by itself.
    #[serde(default, deserialize_with = "told")]
    #[schema(value_type = Option<AutoBody>, required = false, inline)]
    auto: Option<Option<AutoBody>>,
}
shaped!(ScaleBody);

/// Tells `null` from nothing.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How a queue's slots follow its backlog.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Auto)]
pub(crate) struct AutoBody {
    /// Slots at least.
    #[schema(maximum = 100_000)]
    min: u32,
    /// Slots at most.
    #[schema(minimum = 1, maximum = 100_000)]
    max: u32,
    /// The backlog should be cleared in this time.
    #[schema(minimum = 1)]
    clear_in_ms: u64,
    /// Slots that one change adds or takes away at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    step: Option<u32>,
    /// Slots are not taken away sooner after a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cool_down_ms: Option<u64>,
}

impl AutoBody {
    fn checked(self) -> Result<Auto, Problem> {
        let Self { min, max, clear_in_ms, step, cool_down_ms } = self;
        if min > max {
            return Err(Problem::faults(vec![FieldFault::new("/auto/min", format!("{min} is above max"), format!("0..={max}"))]));
        }
        Ok(Auto { min, max, clear_in_ms, step, cool_down_ms })
    }
}

impl From<Auto> for AutoBody {
    fn from(Auto { min, max, clear_in_ms, step, cool_down_ms }: Auto) -> Self {
        Self { min, max, clear_in_ms, step, cool_down_ms }
    }
}

/// What an autoscaler wants to know of a queue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Scaling)]
pub(crate) struct ScalingView {
    /// Jobs that could run now.
    backlog: u64,
    /// Jobs that run.
    running: u64,
    /// Attempts that ended lately, per second.
    rate_per_s: f64,
    /// When the backlog is cleared at this rate; null: it does not move.
    clear_in_ms: Option<u64>,
    /// Slots that would clear it in time.
    wanted: u32,
}

impl From<Scaling> for ScalingView {
    fn from(Scaling { backlog, running, rate_per_s, clear_in_ms, wanted }: Scaling) -> Self {
        Self { backlog, running, rate_per_s, clear_in_ms, wanted }
    }
}
