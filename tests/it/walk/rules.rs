//! Rules on a walk: limits, gates, budgets and outside quotas, here and there; and how every scope stands.

use super::ops::{Op, Quotas, SCOPES, When};
use super::walker::{Granted, KINDS, Stop, Walker, same};
use longshore_base::{Millis, Name};
use longshore_queue::{
    Budget, Hard, Limits, Note, Pause, Period, Quota, Rate, ResourceChange, ResourceState, RuleChange, RuleScope, ScopeState,
};
use std::fmt::Debug;

/// Rates are so slow that nothing comes back on a walk.
const PERIOD_MS: u64 = 3_600_000;
/// Beyond what may pass between two looks, in milliseconds.
const FAR_ENOUGH: Millis = 60_000;

fn scope(number: u8) -> RuleScope {
    let tenant = |number: u8| Name::new(format!("t{number}")).expect("a name");
    match number {
        0 => RuleScope::Queue,
        1..=3 => RuleScope::Tenant(tenant(number - 1)),
        4 | 5 => RuleScope::Kind(Name::literal(KINDS[usize::from(number - 4)])),
        _ => RuleScope::Key { tenant: tenant((number - 6) / 2), key: format!("k{}", number % 2) },
    }
}

impl Walker {
    /// The name of an outside quota that this walk alone uses.
    pub(super) fn quota(&self, number: u8) -> Name {
        self.case.own(&format!("quota{number}"))
    }

    pub(super) async fn change(&mut self, op: &Op, now: Millis) -> Result<(), Stop> {
        match op {
            Op::Limit { scope: at, max_running, burst, units, stale } => {
                let at = scope(*at);
                let rate = burst.map(|burst| Rate { count: 1, period_ms: PERIOD_MS, burst });
                let units = units.filter(|_| matches!(at, RuleScope::Tenant(_)));
                let budget = units.map(|units| Budget { units, period: Period::Month, hard: Hard::At(true), soft: Some(0.5) });
                let limits = Limits { max_running: *max_running, rate, budget, ..Limits::default() };
                let revision = self.world.rules(now, &self.case.queue, &at).revision;
                let change = if limits == Limits::default() { RuleChange::Clear } else { RuleChange::Limits(limits) };
                self.rule(&at, change, Some(revision + u64::from(*stale) * 7), now).await
            }
            Op::Gate { scope: at, closed } => {
                let until = |when: Option<When>| when.map(|when| now + Millis::try_from(when.after().as_millis()).unwrap_or(0));
                let pause = |when| RuleChange::Pause(Pause { until: until(when), reason: Some("walk".into()), by: None });
                self.rule(&scope(*at), closed.map_or(RuleChange::Resume, pause), None, now).await
            }
            Op::Quota { name, to } => {
                let change = match to {
                    Quotas::Put(max) => ResourceChange::Put(Quota { max_running: Some(*max), ..Quota::default() }),
                    Quotas::Pause => ResourceChange::Pause(Pause { until: None, reason: None, by: None }),
                    Quotas::Resume => ResourceChange::Resume,
                    Quotas::Remove => ResourceChange::Remove,
                };
                self.resource(&self.quota(*name), change, now).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn rule(&mut self, at: &RuleScope, change: RuleChange, expected: Option<u64>, now: Millis) -> Result<(), Stop> {
        let queue = self.case.queue.clone();
        let told = self.case.broker.rule(&queue, at, change.clone(), expected).await;
        let ours = self.world.rule(now, &queue, at, change, expected);
        // A gate that is near its end may be over before the broker answers; it is compared when it is.
        let shown = |mut state: ScopeState| {
            state.gate = state.gate.filter(|gate| gate.pause.until.is_none_or(|until| until > now + FAR_ENOUGH));
            shown(&state)
        };
        same(told.map(shown), ours.map(shown))
    }

    pub(super) async fn resource(&mut self, name: &Name, change: ResourceChange, now: Millis) -> Result<(), Stop> {
        let told = self.case.broker.resource(name, change.clone(), None).await;
        let ours = self.world.resource(now, name, change, None);
        let shown = |state: ResourceState| (state.quota, state.revision, state.gate.is_some());
        same(told.map(shown), ours.map(shown))
    }

    pub(super) async fn used(&mut self, lease: &Granted, units: u64) -> Result<(), Stop> {
        let note = || Note { used: Some(units), ..Note::default() };
        let now = self.case.now().await;
        let told = self.case.broker.note(lease.id, lease.broker, note()).await;
        same(told, self.world.note(now, lease.id, lease.model, note()))
    }

    /// One scope after the other; all of them after each step would take too long.
    pub(super) async fn compare_rules(&mut self) -> Result<(), Stop> {
        self.looks = (self.looks + 1) % SCOPES;
        let (at, now) = (scope(self.looks), self.case.now().await);
        let told = self.case.broker.rules(&self.case.queue, &at).await.map_err(|error| error.to_string())?;
        let ours = self.world.rules(now, &self.case.queue, &at);
        let (told, ours) = (shown(&told), shown(&ours));
        if told == ours { Ok(()) } else { Err(format!("{at:?} differs:\n  broker {told:?}\n  model  {ours:?}")) }
    }
}

/// What can be seen of a scope and does not depend on the two clocks.
fn shown(state: &ScopeState) -> impl PartialEq + Debug + use<> {
    let gate = state.gate.clone().map(|gate| (gate.cause, gate.pause.until.is_some(), gate.pause.reason));
    let budget = state.budget.map(|budget| (budget.used, budget.alert));
    (state.limits.clone(), state.revision, gate, state.failures.clone(), state.running, budget)
}
