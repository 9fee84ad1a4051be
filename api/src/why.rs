//! Why a job is not running, or why it ended: every reason that holds, who is behind it, and the call that would remove it.
//! Read `reason.rs` for the reasons in words, `change.rs` for the calls.

mod change;
mod reason;

use crate::{
    auth::Principal,
    calls::{Deadline, Repeat},
    jobs,
    params::{NoParams, PathId},
    problem::Problem,
    rules,
    state::Api,
    time::Time,
};
use axum::{Json, extract::State};
use longshore_base::{Code, Scope};
use longshore_queue::{BrokerError, Explanation, Job, JobId, Obstacle, ResourceState, RuleScope, ScopeState, State as JobState};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use utoipa::ToSchema;

/// Why is a job not running?
///
/// Every reason that holds now, in the order in which a lease looks; no reason and `ready`: the next worker that asks may have it. For an
/// ended job, why it ended.
#[utoipa::path(get, path = "/v1/jobs/{id}/why", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "The reasons", body = Why)))]
pub(crate) async fn why(State(api): State<Arc<Api>>, caller: Principal, PathId(id): PathId, _: NoParams) -> Result<Json<Why>, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let job = jobs::find(&api, &scope, deadline, id).await?;
    let told = match api.call(deadline, Repeat::Read, || api.broker.explain(&scope, id)).await {
        // The history has it, the queue does not: it has ended.
        Err(BrokerError::NotFound) if job.state.is_ended() => ended(&job),
        Err(BrokerError::NotFound) => return Err(Problem::new(Code::JobNotFound)),
        other => other?,
    };
    let facts = Facts::gather(&api, &scope, deadline, &job, &told.obstacles).await?;
    Ok(Json(Why::new(&job, &told, &facts)))
}

fn ended(job: &Job) -> Explanation {
    let obstacles = vec![Obstacle::Ended { state: job.state, reason: job.reason }];
    Explanation { state: job.state, obstacles, ahead: 0, estimated_start: None }
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Why {
    #[schema(schema_with = crate::view::id)]
    id: JobId,
    #[schema(schema_with = crate::view::state)]
    state: JobState,
    reasons: Vec<Reason>,
    /// Jobs that would start before it if nothing were in the way.
    ahead: u64,
    /// By what is known now: due time, gates, rates, and the rate of the queue. An estimate.
    #[schema(value_type = Option<String>, format = DateTime)]
    estimated_start: Option<Time>,
}

/// One reason.
#[derive(Debug, Serialize, ToSchema)]
struct Reason {
    /// not_due · gated.queue|tenant|kind|key|resource · limit.queue|tenant|kind|key · rate.… · budget · resource · no_worker ·
    /// unknown_kind · suspect · behind · turn · waiting · ended.…
    code: String,
    /// The same for people, with names and numbers.
    detail: String,
    /// The jobs or the people behind it, as far as the caller may see them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    by: Vec<String>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// The call that would remove it, where there is one that the caller may make.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
}

/// A call.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Change {
    method: &'static str,
    path: String,
    #[schema(value_type = Object)]
    body: Value,
}

/// What the reasons are told from, besides the obstacles.
#[derive(Debug, Default)]
struct Facts {
    /// May change rules.
    operator: bool,
    /// The rules of the scopes that stand in the way.
    rules: Vec<(RuleScope, ScopeState)>,
    resources: Vec<ResourceState>,
    /// The jobs among those named that the caller may see; None: all.
    visible: Option<BTreeSet<JobId>>,
}

impl Facts {
    async fn gather(api: &Api, scope: &Scope, deadline: Deadline, job: &Job, obstacles: &[Obstacle]) -> Result<Self, Problem> {
        if let Scope::Tenant(_) = scope {
            let ids: Vec<_> = obstacles.iter().flat_map(named).collect();
            let seen = if ids.is_empty() { Vec::new() } else { api.call(deadline, Repeat::Read, || api.broker.get(scope, &ids)).await? };
            let visible = seen.into_iter().flatten().map(|job| job.id).collect();
            return Ok(Self { visible: Some(visible), ..Self::default() });
        }
        let mut facts = Self { operator: true, ..Self::default() };
        for obstacle in obstacles {
            let scope = match obstacle {
                Obstacle::Limit { scope, .. } | Obstacle::Rate { scope, .. } => scope.clone(),
                Obstacle::Budget { tenant, .. } => RuleScope::Tenant(tenant.clone()),
                Obstacle::Resource { gate: None, .. } if facts.resources.is_empty() => {
                    facts.resources = api.call(deadline, Repeat::Read, || api.broker.resources()).await?;
                    continue;
                }
                _ => continue,
            };
            if facts.rules_of(&scope).is_none() {
                let state = rules::state(api, deadline, &job.queue, &scope).await?;
                facts.rules.push((scope, state));
            }
        }
        Ok(facts)
    }

    fn rules_of(&self, scope: &RuleScope) -> Option<&ScopeState> {
        self.rules.iter().find(|(known, _)| known == scope).map(|(_, state)| state)
    }
}

/// The jobs that an obstacle names.
fn named(obstacle: &Obstacle) -> Vec<JobId> {
    match obstacle {
        Obstacle::Waiting { by, .. } | Obstacle::Limit { by, .. } | Obstacle::Suspect { by } => by.clone(),
        Obstacle::Probe { by } => by.iter().copied().collect(),
        Obstacle::Behind { first, .. } => vec![*first],
        _ => Vec::new(),
    }
}

impl Why {
    fn new(job: &Job, told: &Explanation, facts: &Facts) -> Self {
        Self {
            id: job.id,
            state: told.state,
            reasons: told.obstacles.iter().map(|obstacle| Reason::new(job, obstacle, facts)).collect(),
            ahead: told.ahead,
            estimated_start: told.estimated_start.map(Time),
        }
    }
}

#[cfg(test)]
mod tests;
