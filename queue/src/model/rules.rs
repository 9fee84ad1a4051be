//! Rules on scopes: limits with their revision, gates, failures in a row, budgets.

use super::world::{Queue, Result, World};
use crate::{
    BrokerError, BudgetAlert, BudgetState, FAILURES_TO_GATE, Failures, GATE_FIRST_MS, GATE_LONGEST_MS, Gate, GateCause, Job, JobId, Limits,
    Pause, RuleChange, RuleScope, ScopeState,
};
use longshore_base::{Code, Millis, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Begin and end of a budget's period.
pub(super) type Span = (Millis, Millis);

/// What is kept of a scope.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) revision: u64,
    pub(super) gate: Option<Gate>,
    pub(super) failures: Option<Failures>,
    /// The rate's theoretical arrival time, in microseconds.
    pub(super) tat_us: f64,
    /// Units used and reserved, by period.
    pub(super) spent: BTreeMap<Span, u64>,
    /// Thresholds that were told: soft, hard.
    told: BTreeSet<(Span, bool)>,
}

impl RuleScope {
    /// The scopes that a job is in, in the order in which a lease looks.
    pub(super) fn of(job: &Job) -> [Self; 4] {
        let (tenant, key) = (job.tenant.clone(), job.lane_key.clone());
        [Self::Queue, Self::Tenant(tenant.clone()), Self::Kind(job.kind.clone()), Self::Key { tenant, key }]
    }

    pub(super) fn holds(&self, job: &Job) -> bool {
        match self {
            Self::Queue => true,
            Self::Tenant(tenant) => job.tenant == *tenant,
            Self::Kind(kind) => job.kind == *kind,
            Self::Key { tenant, key } => job.tenant == *tenant && job.lane_key == *key,
        }
    }
}

impl Gate {
    pub(super) fn is_closed(&self, now: Millis) -> bool {
        self.pause.until.is_none_or(|until| until > now)
    }
}

pub(super) fn mismatch(there: u64, expected: u64) -> BrokerError {
    BrokerError::Conflict { code: Code::RevisionMismatch, detail: format!("the rules are at revision {there}, not {expected}") }
}

impl World {
    /// Changes the rules of a scope.
    pub fn rule(&mut self, now: Millis, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState> {
        let q = self.queue(queue);
        let there = q.scopes.get(scope).map_or(0, |rules| rules.revision);
        if let Some(expected) = expected.filter(|expected| *expected != there) {
            return Err(mismatch(there, expected));
        }
        if matches!(change, RuleChange::Scale(_) | RuleChange::Auto(_)) && *scope != RuleScope::Queue {
            return Err(BrokerError::Refused("only a queue can be scaled".into()));
        }
        match change {
            RuleChange::Scale(slots) if slots != q.slots => (q.slots, q.scaled_at) = (slots, Some(now)),
            RuleChange::Scale(_) => {}
            RuleChange::Auto(auto) => q.auto = auto,
            RuleChange::Limits(limits) => q.limit(scope, limits),
            RuleChange::Clear => q.limit(scope, Limits::default()),
            RuleChange::Pause(pause) => q.rules(scope).gate = Some(Gate { pause, cause: GateCause::Person }),
            RuleChange::Resume => (q.rules(scope).gate, q.rules(scope).failures) = (None, None),
        }
        Ok(self.rules(now, queue, scope))
    }

    /// A scope as it stands.
    #[must_use]
    pub fn rules(&self, now: Millis, queue: &Name, scope: &RuleScope) -> ScopeState {
        let Some(q) = self.queues.get(queue) else { return ScopeState::default() };
        let running = q.running_in(scope).count() as u64;
        let Some(rules) = q.scopes.get(scope) else { return ScopeState { running, ..ScopeState::default() } };
        let budget = rules.limits.budget.map(|budget| {
            let span = budget.period.around(now);
            let used = rules.spent.get(&span).copied().unwrap_or(0);
            BudgetState { used, resets_at: span.1, alert: budget.alerts_at().is_some_and(|at| used >= at) }
        });
        let (limits, gate) = (rules.limits.clone(), rules.gate.clone().filter(|gate| gate.is_closed(now)));
        ScopeState { limits, revision: rules.revision, gate, failures: rules.failures.clone(), running, budget }
    }
}

impl Queue {
    pub(super) fn rules(&mut self, scope: &RuleScope) -> &mut Rules {
        self.scopes.entry(scope.clone()).or_default()
    }

    fn limit(&mut self, scope: &RuleScope, limits: Limits) {
        let rules = self.rules(scope);
        rules.limits = limits;
        rules.revision += 1;
    }

    pub(super) fn running_in(&self, scope: &RuleScope) -> impl Iterator<Item = &Job> {
        self.running.iter().map(|id| &self.jobs[id].job).filter(|job| scope.holds(job))
    }

    /// The gate of a scope, while it is closed.
    pub(super) fn gate(&self, now: Millis, scope: &RuleScope) -> Option<&Gate> {
        self.scopes.get(scope)?.gate.as_ref().filter(|gate| gate.is_closed(now))
    }

    /// Closes a (tenant, key) by itself: a person's pause stands, of others the later end.
    pub(super) fn close(&mut self, now: Millis, scope: &RuleScope, until: Millis, reason: String, cause: GateCause) {
        let there = self.gate(now, scope);
        let stays = there.is_some_and(|gate| gate.cause == GateCause::Person || gate.pause.until.is_none_or(|end| end >= until));
        if !stays {
            let pause = Pause { until: Some(until), reason: Some(reason), by: None };
            self.rules(scope).gate = Some(Gate { pause, cause });
        }
    }

    /// An attempt of a key ended well, or badly.
    pub(super) fn count_failure(&mut self, now: Millis, id: JobId, good: bool) {
        let job = &self.jobs[&id].job;
        let scope = RuleScope::Key { tenant: job.tenant.clone(), key: job.lane_key.clone() };
        if job.lane_key.is_empty() {
            return;
        }
        let rules = self.rules(&scope);
        if good {
            rules.failures = None;
            rules.gate = rules.gate.take().filter(|gate| gate.cause != GateCause::Failures);
            return;
        }
        let failures = rules.failures.get_or_insert(Failures { in_row: 0, wait_ms: 0, probe: None });
        failures.in_row += 1;
        let wait_ms = match failures.wait_ms {
            0 if failures.in_row >= FAILURES_TO_GATE => GATE_FIRST_MS,
            before if before > 0 && failures.probe == Some(id) => (before * 2).min(GATE_LONGEST_MS),
            _ => return,
        };
        (failures.wait_ms, failures.probe) = (wait_ms, None);
        let reason = format!("{} attempts in a row failed", failures.in_row);
        self.close(now, &scope, now + Millis::try_from(wait_ms).unwrap_or(0), reason, GateCause::Failures);
    }

    /// The failures of a key whose gate is over, and that has not been proved well since: one job at a time may try.
    pub(super) fn tries(&self, now: Millis, scope: &RuleScope) -> Option<&Failures> {
        let failures = self.scopes.get(scope)?.failures.as_ref();
        failures.filter(|failures| failures.wait_ms > 0 && self.gate(now, scope).is_none())
    }

    /// Budgets that have reached a threshold since this was last asked.
    pub(super) fn alerts(&mut self, now: Millis) -> Vec<BudgetAlert> {
        let mut alerts = Vec::new();
        for (scope, rules) in &mut self.scopes {
            let (RuleScope::Tenant(tenant), Some(budget)) = (scope, rules.limits.budget) else { continue };
            let span = budget.period.around(now);
            let used = rules.spent.get(&span).copied().unwrap_or(0);
            for (threshold, hard) in [(budget.alerts_at(), false), (budget.closes_at(), true)] {
                let Some(units) = threshold.filter(|units| used >= *units) else { continue };
                if rules.told.insert((span, hard)) {
                    alerts.push(BudgetAlert { tenant: tenant.clone(), used, units, hard });
                }
            }
        }
        alerts
    }

    /// The job's units are now known to be these, in the period of its lease.
    pub(super) fn settle_budget(&mut self, id: JobId, units: u64) {
        let record = self.get(id);
        let (Some(span), cost) = (record.reserved.take(), u64::from(record.job.cost)) else { return };
        let tenant = RuleScope::Tenant(record.job.tenant.clone());
        let spent = self.rules(&tenant).spent.entry(span).or_default();
        *spent = (*spent).saturating_sub(cost) + units;
    }

    /// Takes what a start takes of its scopes: rates, units, the place of the one that tries.
    pub(super) fn take(&mut self, now: Millis, id: JobId) {
        let job = self.jobs[&id].job.clone();
        for scope in RuleScope::of(&job) {
            if self.tries(now, &scope).is_some() {
                let failures = self.rules(&scope).failures.as_mut();
                failures.expect("it tries").probe = Some(id);
            }
            let Some(rules) = self.scopes.get_mut(&scope) else { continue };
            if let Some(rate) = rules.limits.rate {
                let now_us = now as f64 * 1_000.0;
                rules.tat_us = rate.charged(rate.clamped(rules.tat_us, now_us), now_us, 1);
            }
            if let Some(budget) = rules.limits.budget {
                let span = budget.period.around(now);
                *rules.spent.entry(span).or_default() += u64::from(job.cost);
                self.get(id).reserved = Some(span);
            }
        }
    }

    /// A lease that never started gives everything back that it took.
    pub(super) fn give_back(&mut self, now: Millis, id: JobId) {
        let job = self.jobs[&id].job.clone();
        for scope in RuleScope::of(&job) {
            let Some(rules) = self.scopes.get_mut(&scope) else { continue };
            if let Some(rate) = rules.limits.rate {
                rules.tat_us = rate.charged(rules.tat_us, now as f64 * 1_000.0, -1);
            }
        }
        self.settle_budget(id, 0);
        self.correct(id, 0.0);
    }

    /// A try that has ended without a word leaves its place to another.
    pub(super) fn leave_try(&mut self, id: JobId) {
        for failures in self.scopes.values_mut().filter_map(|rules| rules.failures.as_mut()).filter(|f| f.probe == Some(id)) {
            failures.probe = None;
        }
    }
}
