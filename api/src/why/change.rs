//! The call that would remove an obstacle. A rule is replaced as a whole, so the body repeats what stays.

use super::{Change, Facts, reason::run_before};
use crate::{
    resources::QuotaBody,
    rules::{LimitsBody, Place},
};
use longshore_queue::{Hard, Job, Limits, Obstacle, Quota, ResourceState, RuleScope, ScopeState, State};
use serde_json::{Value, json};

/// None: nothing that this caller can call; the sentence says what to do.
pub(super) fn of(job: &Job, obstacle: &Obstacle, facts: &Facts) -> Option<Change> {
    match obstacle {
        Obstacle::NotDue { .. } | Obstacle::Ended { state: State::Dead, .. } => post(format!("/v1/jobs/{}/retry", job.id)),
        Obstacle::Waiting { .. } => post(format!("/v1/jobs/{}/cancel", run_before(job, obstacle)?)),
        // What follows is a change of rules.
        _ if !facts.operator => None,
        Obstacle::Gated { scope, .. } => post(format!("{}/resume", place(job, scope).path())),
        Obstacle::Probe { .. } => {
            let scope = RuleScope::Key { tenant: job.tenant.clone(), key: job.lane_key.clone() };
            post(format!("{}/resume", place(job, &scope).path()))
        }
        Obstacle::Resource { name, gate: Some(_), .. } => post(format!("/v1/resources/{name}/resume")),
        Obstacle::Resource { name, gate: None, .. } => {
            let resource = facts.resources.iter().find(|resource| resource.name == *name)?;
            Some(Change { method: "PUT", path: format!("/v1/resources/{name}"), body: wider(job, resource)? })
        }
        Obstacle::Limit { scope, max, rule: "scale", .. } => {
            Some(Change { method: "PUT", path: format!("{}/scale", place(job, scope).path()), body: json!({ "slots": max + 1 }) })
        }
        Obstacle::Limit { scope, rule: "max_share", .. } => limits(job, scope, facts, |_, limits| limits.max_share = None),
        Obstacle::Limit { scope, max, .. } => limits(job, scope, facts, |state, limits| {
            limits.max_running = Some(u32::try_from(state.running.max(*max) + 1).unwrap_or(u32::MAX));
        }),
        Obstacle::Rate { scope, .. } => limits(job, scope, facts, |_, limits| limits.rate = None),
        Obstacle::Budget { tenant, used, .. } => limits(job, &RuleScope::Tenant(tenant.clone()), facts, |_, limits| more(limits, *used)),
        _ => None,
    }
}

fn place(job: &Job, scope: &RuleScope) -> Place {
    Place { queue: job.queue.clone(), scope: scope.clone() }
}

fn post(path: String) -> Option<Change> {
    Some(Change { method: "POST", path, body: json!({}) })
}

/// The limits of a scope with one of them changed.
fn limits(job: &Job, scope: &RuleScope, facts: &Facts, change: impl FnOnce(&ScopeState, &mut Limits)) -> Option<Change> {
    let state = facts.rules_of(scope)?;
    let mut limits = state.limits.clone();
    change(state, &mut limits);
    let body = serde_json::to_value(LimitsBody::from(limits)).ok()?;
    Some(Change { method: "PUT", path: format!("{}/limits", place(job, scope).path()), body })
}

/// As much again as the budget is, on top of what was used.
fn more(limits: &mut Limits, used: u64) {
    let Some(budget) = &mut limits.budget else { return };
    let closes_at = budget.closes_at().unwrap_or(budget.units);
    let raised = used.max(closes_at).saturating_add(closes_at);
    budget.units = budget.units.max(raised);
    if let Hard::Units(at) = &mut budget.hard {
        *at = raised;
    }
}

/// A quota that lets the job in; None where the provider itself has nothing left.
fn wider(job: &Job, resource: &ResourceState) -> Option<Value> {
    let needs = if resource.quota.points.is_some() { u64::from(job.cost) } else { 1 };
    if resource.learned.is_some_and(|(remaining, _)| remaining < needs) {
        return None;
    }
    let Quota { mut rate, mut points, mut max_running } = resource.quota.clone();
    let (cost, full) = (u64::from(job.cost), max_running.is_some_and(|max| resource.running >= max.into()));
    let spent = points.is_some_and(|points| resource.points_used + cost > points.count);
    if full {
        max_running = Some(u32::try_from(resource.running + 1).unwrap_or(u32::MAX));
    }
    if let Some(points) = points.as_mut().filter(|_| spent) {
        points.count = resource.points_used + cost;
    }
    if !full && !spent {
        rate = None;
    }
    serde_json::to_value(QuotaBody::from(Quota { rate, points, max_running })).ok()
}
