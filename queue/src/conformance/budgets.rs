//! Budgets: reserved at the lease, settled by the ack, charged after a crash; hard and soft thresholds.

use super::rules::RAN;
use super::{Case, LONG, SHORT, complete, retry};
use crate::{Ack, Budget, BudgetAlert, Hard, Lease, Limits, NewJob, Note, Obstacle, Outcome, Period, RuleChange, RuleScope, State};
use longshore_base::Name;

fn one() -> RuleScope {
    RuleScope::Tenant(Name::literal("one"))
}

fn units(units: u64, hard: Hard, soft: Option<f64>) -> Limits {
    // A month: no case sees its end.
    Limits { budget: Some(Budget { units, period: Period::Month, hard, soft }), ..Limits::default() }
}

fn hard(n: u64) -> Limits {
    units(n, Hard::At(true), None)
}

async fn used(c: &Case) -> u64 {
    c.rules(&one()).await.budget.expect("a budget").used
}

async fn ends(c: &Case, lease: &Lease, used: Option<u64>, outcome: Outcome) {
    let ack = Ack { id: lease.job.id, token: lease.token, ran: RAN, used, outcome };
    let worker = lease.job.worker.clone().unwrap_or_default();
    super::only(c.broker.ack(&c.queue, &worker, vec![ack]).await.expect("an answer")).expect("accepted");
}

async fn notes(c: &Case, lease: &Lease, used: u64) {
    let note = Note { used: Some(used), ..Note::default() };
    c.broker.note(lease.job.id, lease.token, note).await.expect("noted");
}

/// While something remains the tenant is admitted; then it is closed, and others are not.
pub async fn q2_budgets_admit_while_something_remains(c: &Case) {
    c.limit(&one(), hard(10)).await;
    let ids = c.fill(6, || NewJob { cost: 4, ..c.job() }).await;
    assert_eq!(c.lease(10).await.len(), 3, "0, 4 and 8 of 10 units were used");
    assert_eq!(used(c).await, 12);
    let obstacles = c.obstacles(ids[5]).await;
    let told = obstacles.iter().find_map(|obstacle| match obstacle {
        Obstacle::Budget { tenant, used, units, until } => Some((tenant.as_str(), *used, *units, *until)),
        _ => None,
    });
    let resets_at = c.rules(&one()).await.budget.expect("a budget").resets_at;
    assert_eq!(told, Some(("one", 12, 10, resets_at)), "{obstacles:?}");
    assert!(resets_at > c.now().await);
    c.put(NewJob { cost: 4, ..c.of("two") }).await;
    assert_eq!(c.one().await.job.tenant.as_str(), "two");
}

/// The ack settles what was used: its own word, else what was noted, else the estimate.
pub async fn q2_budgets_are_settled_by_the_ack(c: &Case) {
    c.limit(&one(), hard(100)).await;
    c.fill(4, || NewJob { cost: 10, ..c.job() }).await;
    let held = c.lease(10).await;
    assert_eq!((held.len(), used(c).await), (4, 40));
    ends(c, &held[0], Some(1), complete()).await;
    assert_eq!(used(c).await, 31, "less than the estimate");
    ends(c, &held[1], Some(25), retry(LONG)).await;
    assert_eq!(used(c).await, 46, "more than the estimate");
    notes(c, &held[2], 3).await;
    notes(c, &held[2], 7).await;
    ends(c, &held[2], None, complete()).await;
    assert_eq!(used(c).await, 43, "what was last noted, in all");
    ends(c, &held[3], None, complete()).await;
    assert_eq!(used(c).await, 43, "the estimate");
    for repeated in &held {
        c.try_ack(repeated, complete()).await.expect("a repeat");
    }
    assert_eq!(used(c).await, 43, "a repeat settles nothing");
}

/// What is settled to less admits more.
pub async fn q2_budgets_open_by_what_is_settled_and_raised(c: &Case) {
    c.limit(&one(), hard(10)).await;
    c.fill(6, || NewJob { cost: 10, ..c.job() }).await;
    let held = c.one().await;
    assert!(c.lease(5).await.is_empty());
    ends(c, &held, Some(2), complete()).await;
    let held = c.one().await;
    assert!(c.lease(5).await.is_empty());
    ends(c, &held, Some(8), complete()).await;
    assert!(c.lease(5).await.is_empty(), "10 of 10 are used");
    c.limit(&one(), hard(11)).await;
    assert_eq!(c.lease(5).await.len(), 1, "a raised budget keeps what was used");
    assert_eq!(used(c).await, 20);
    c.change(&one(), RuleChange::Clear).await;
    assert_eq!(c.lease(5).await.len(), 3);
}

/// A crash charges the estimate, or what was noted if that is more.
pub async fn q2_budgets_charge_a_crash_the_larger_of_both(c: &Case) {
    c.limit(&one(), hard(1_000)).await;
    c.fill(2, || NewJob { cost: 10, ..c.job() }).await;
    let doomed = c.lease_by("w1", 2, SHORT).await;
    notes(c, &doomed[0], 70).await;
    notes(c, &doomed[1], 4).await;
    assert_eq!(used(c).await, 20);
    c.until("both are reaped", async || c.rules(&one()).await.running == 0).await;
    assert_eq!(used(c).await, 80);
}

/// An unstarted release gives everything back; one after the start settles like any end. So does what extend does not list.
pub async fn q2_budgets_refund_what_never_started(c: &Case) {
    c.limit(&one(), hard(100)).await;
    c.fill(3, || NewJob { cost: 10, ..c.job() }).await;
    let held = c.lease(2).await;
    c.ack(&held[0], Outcome::Release { started: false }).await;
    assert_eq!(used(c).await, 10);
    c.ack(&held[1], Outcome::Release { started: true }).await;
    assert_eq!(used(c).await, 10, "it had started");
    assert_eq!(c.lease(3).await.len(), 3);
    assert_eq!(used(c).await, 40);
    c.broker.extend(&c.queue, "w1", &[], c.last_call(), LONG).await.expect("a reply");
    assert_eq!(used(c).await, 10, "leases whose reply never arrived");
}

/// A hard threshold of its own, and one that never closes.
pub async fn q2_budgets_close_at_their_hard_threshold(c: &Case) {
    c.limit(&one(), units(100, Hard::Units(15), None)).await;
    c.fill(10, || NewJob { cost: 10, ..c.job() }).await;
    assert_eq!(c.lease(10).await.len(), 2);
    c.limit(&one(), units(20, Hard::At(false), None)).await;
    assert_eq!(c.lease(10).await.len(), 8, "it only counts");
    assert_eq!(used(c).await, 100);
}

/// Each threshold is told once a period, by a tick.
pub async fn q2_budgets_alert_once(c: &Case) {
    c.limit(&one(), units(10, Hard::At(true), Some(0.5))).await;
    c.fill(3, || NewJob { cost: 5, ..c.job() }).await;
    assert!(c.tick().await.alerts.is_empty());
    let first = c.one().await;
    let budget = c.rules(&one()).await.budget.expect("a budget");
    assert!(budget.alert && budget.used == 5);
    let told = c.tick().await.alerts;
    assert_eq!(told, [BudgetAlert { tenant: Name::literal("one"), used: 5, units: 5, hard: false }]);
    assert!(c.tick().await.alerts.is_empty(), "once");
    c.one().await;
    let told = c.tick().await.alerts;
    assert_eq!(told, [BudgetAlert { tenant: Name::literal("one"), used: 10, units: 10, hard: true }]);
    assert!(c.lease(5).await.is_empty());
    ends(c, &first, Some(0), complete()).await;
    c.one().await;
    assert!(c.tick().await.alerts.is_empty(), "both were told in this period");
}

/// Thresholds and what is used are kept, and a job that costs nothing uses nothing.
pub async fn q2_budgets_survive_a_restart(c: &Case) {
    c.limit(&one(), hard(5)).await;
    c.put(NewJob { cost: 0, ..c.job() }).await;
    c.one().await;
    assert_eq!(used(c).await, 0);
    c.put(NewJob { cost: 6, ..c.job() }).await;
    let lease = c.one().await;
    let later = c.fixture.reopened().await;
    let there = later.rules(&c.queue, &one()).await.expect("the rules").budget;
    assert_eq!(there, c.rules(&one()).await.budget);
    assert_eq!(there.map(|budget| budget.used), Some(6));
    assert_eq!(c.state(lease.job.id).await, State::Running);
}
