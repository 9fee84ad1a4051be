//! Limits on scopes: max_running, rates, revisions. What is blocked costs nobody else anything.

use super::rules::{RAN, at_once, burst_of, every_scope, key, pause};
use super::{Case, LONG, SHORT, complete, dead, retry};
use crate::{BrokerError, Limits, NewJob, Outcome, Priority, Rate, Replay, RuleChange, RuleScope, Scope, State};
use longshore_base::{Code, Name};
use std::time::Duration;

/// As many as allowed, in each scope, over several workers; what is beside the scope is not held back.
pub async fn q2_scopes_max_running_is_exact(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        c.limit(&scope, at_once(3)).await;
        c.fill(12, || c.keyed("a")).await;
        let mut held = c.lease_by("w1", 2, LONG).await;
        held.extend(c.lease_by("w2", 10, LONG).await);
        assert_eq!(held.len(), 3, "{scope:?}");
        assert!(c.lease_by("w3", 10, LONG).await.is_empty());
        assert_eq!(c.rules(&scope).await.running, 3);
        if let Some(job) = c.beside_scope(&scope) {
            assert_eq!(c.run(job).await.job.state, State::Running, "beside {scope:?}");
        }
    }
}

/// Every exit frees its place: complete, retry, release, cancel, a lost lease. A replay has none before its lease.
pub async fn q2_scopes_max_running_is_freed_by_every_exit(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        c.limit(&scope, at_once(2)).await;
        c.fill(20, || c.keyed("a")).await;
        let mut held = c.lease_by("w1", 10, LONG).await;
        let exits = [complete(), retry(LONG), Outcome::Release { started: true }, Outcome::Release { started: false }, dead()];
        for exit in exits {
            assert_eq!(held.len(), 2, "{scope:?}");
            let lease = held.pop().expect("two");
            c.ack(&lease, exit.clone()).await;
            let next = c.lease_by("w2", 10, LONG).await;
            assert_eq!(next.len(), 1, "one place is free after {exit:?} in {scope:?}");
            held.extend(next);
        }
        let asked = held.pop().expect("two");
        c.cancel(asked.job.id).await.expect("asked");
        assert!(c.lease_by("w1", 10, LONG).await.is_empty(), "it runs as long as it has not stopped");
        c.ack(&asked, Outcome::Cancel).await;
        held.extend(c.lease_by("w1", 10, LONG).await);
        let letter = c.list_dead().await;
        c.broker.replay(&Scope::All, vec![Replay { id: letter, new_id: c.id(), args: None }]).await.expect("an answer");
        assert!(c.lease_by("w1", 10, LONG).await.is_empty(), "a replay waits like any other");
        assert_eq!(c.rules(&scope).await.running, 2);
    }
}

/// The places of lost leases are free after the reap, and not before.
pub async fn q2_scopes_max_running_is_exact_over_a_reap(c: &Case) {
    let scopes = every_scope();
    for scope in &scopes {
        c.limit(scope, at_once(2)).await;
    }
    c.fill(6, || c.keyed("a")).await;
    assert_eq!(c.lease_by("w1", 10, SHORT).await.len(), 2);
    assert!(c.lease_by("w2", 10, LONG).await.is_empty());
    c.until("both are reaped", async || c.rules(&scopes[1]).await.running == 0).await;
    assert_eq!(c.lease_by("w2", 10, LONG).await.len(), 2);
    for scope in &scopes {
        assert_eq!(c.rules(scope).await.running, 2, "{scope:?}");
    }
}

/// Many at once may ask; together they get no more than is allowed, and as much.
pub async fn q2_scopes_max_running_holds_against_a_crowd(c: &Case) {
    c.limit(&key("a"), at_once(1)).await;
    c.limit(&RuleScope::Tenant(Name::literal("one")), at_once(5)).await;
    c.fill(20, || c.keyed("a")).await;
    c.fill(20, || c.keyed("b")).await;
    let workers: Vec<_> = (0..8).map(|at| format!("w{at}")).collect();
    for _ in 0..4 {
        let asks = workers.iter().map(|worker| c.lease_by(worker, 3, LONG));
        let held: Vec<_> = futures::future::join_all(asks).await.into_iter().flatten().collect();
        assert_eq!(held.len(), 5);
        assert!(held.iter().filter(|lease| lease.job.lane_key == "a").count() <= 1);
        c.finish(&held, |_| RAN).await;
    }
}

/// Lowered below what runs: nothing is killed, nothing starts until it fits. Raised: what waits goes on.
pub async fn q2_scopes_max_running_lowered_and_raised(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        c.fill(12, || c.keyed("a")).await;
        let held = c.lease(3).await;
        c.limit(&scope, at_once(2)).await;
        assert_eq!(c.rules(&scope).await.running, 3, "running jobs are not touched");
        c.finish(&held[..1], |_| RAN).await;
        assert!(c.lease(5).await.is_empty(), "two run in {scope:?}");
        c.finish(&held[1..2], |_| RAN).await;
        assert_eq!(c.lease(5).await.len(), 1);
        c.limit(&scope, at_once(4)).await;
        assert_eq!(c.lease(9).await.len(), 2, "raised in {scope:?}");
        c.change(&scope, RuleChange::Clear).await;
        assert_eq!(c.lease(9).await.len(), 6, "cleared in {scope:?}");
    }
}

/// Kinds that share a (tenant, key) share its rules; the same key of another tenant is another scope.
pub async fn q2_scopes_kinds_share_a_key(c: &Case) {
    c.limit(&key("a"), at_once(2)).await;
    for _ in 0..3 {
        c.put(c.keyed("a")).await;
        c.put(NewJob { kind: Name::literal(super::OTHER), ..c.keyed("a") }).await;
    }
    assert_eq!(c.lease(10).await.len(), 2);
    c.put(NewJob { tenant: Name::literal("two"), ..c.keyed("a") }).await;
    assert_eq!(c.one().await.job.tenant.as_str(), "two");
    c.limit(&key(""), at_once(1)).await;
    c.add(2).await;
    assert_eq!(c.lease(10).await.len(), 1, "the empty key is a scope as well");
}

/// A burst at once, then one by one; the lease tells when to come again.
pub async fn q2_gcra_admits_a_burst_and_tells_when_the_next(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        c.limit(&scope, burst_of(3)).await;
        c.fill(8, || c.keyed("a")).await;
        let first = c.lease(2).await;
        assert_eq!(first.len(), 2, "{scope:?}");
        c.finish(&first, |_| RAN).await;
        assert_eq!(c.lease(8).await.len(), 1, "{scope:?}");
        let reply = c.ask(&c.request("w1", 8, LONG)).await;
        assert!(reply.leases.is_empty());
        let due = reply.next_due.expect("a rate refills");
        assert!(due > LONG / 2 && due <= LONG + Duration::from_secs(1), "{due:?} in {scope:?}");
        if let Some(job) = c.beside_scope(&scope) {
            c.run(job).await;
        }
        c.change(&scope, RuleChange::Clear).await;
        assert_eq!(c.lease(8).await.len(), 5, "without the rate in {scope:?}");
    }
}

/// One interval after the other, by the server's clock.
pub async fn q2_gcra_keeps_the_interval(c: &Case) {
    let rate = Rate { count: 10, period_ms: 1_000, burst: 1 };
    c.limit(&RuleScope::Kind(Name::literal(super::KIND)), Limits { rate: Some(rate), ..Limits::default() }).await;
    c.add(4).await;
    let mut starts = Vec::new();
    for _ in 0..4 {
        let lease = c.one_soon().await;
        starts.push(lease.job.started_at.expect("it runs"));
    }
    for pair in starts.windows(2) {
        assert!(pair[1] - pair[0] >= 99, "{starts:?}");
    }
}

/// Only a release that never started gives its start back.
pub async fn q2_gcra_refunds_an_unstarted_release_only(c: &Case) {
    let scope = RuleScope::Tenant(Name::literal("one"));
    c.limit(&scope, burst_of(2)).await;
    c.add(8).await;
    let held = c.lease(8).await;
    assert_eq!(held.len(), 2);
    c.ack(&held[0], Outcome::Release { started: true }).await;
    assert!(c.lease(8).await.is_empty(), "it had started");
    c.ack(&held[1], Outcome::Release { started: false }).await;
    let again = c.lease(8).await;
    assert_eq!(again.len(), 1);
    c.ack(&again[0], complete()).await;
    assert!(c.lease(8).await.is_empty());
}

/// A job that another scope holds back takes nothing of a rate.
pub async fn q2_gcra_charges_nothing_to_what_does_not_start(c: &Case) {
    c.limit(&RuleScope::Tenant(Name::literal("one")), burst_of(1)).await;
    c.change(&key("a"), pause(None)).await;
    c.fill(3, || c.keyed("a")).await;
    for _ in 0..3 {
        assert!(c.lease(5).await.is_empty());
    }
    let free = c.put(c.keyed("b")).await;
    assert_eq!(c.one().await.job.id, free);
    c.change(&key("a"), RuleChange::Resume).await;
    assert!(c.lease(5).await.is_empty(), "now the rate is used up");
}

/// A blocked lane, however long and urgent, holds nobody else; a blocked tenant neither.
pub async fn q2_blocked_lanes_hold_no_neighbour(c: &Case) {
    let urgent = || NewJob { priority: Priority::new(9).expect("at most 9"), ..c.keyed("a") };
    c.change(&key("a"), pause(None)).await;
    c.change(&RuleScope::Tenant(Name::literal("two")), pause(None)).await;
    c.fill(60, urgent).await;
    c.fill(60, || NewJob { tenant: Name::literal("two"), ..urgent() }).await;
    let mut free = c.fill(4, || c.keyed("b")).await;
    free.extend(c.fill(4, || c.of("three")).await);
    free.push(c.put(c.job()).await);
    let mut got = c.lease(6).await;
    got.extend(c.lease(10).await);
    let mut ids: Vec<_> = got.iter().map(|lease| lease.job.id).collect();
    ids.sort();
    free.sort();
    assert_eq!(ids, free);
    c.change(&RuleScope::Tenant(Name::literal("two")), RuleChange::Resume).await;
    assert_eq!(c.lease(100).await.len(), 60);
}

/// A lane that was blocked goes on in its order: priority, then enqueue, also of what came or changed meanwhile.
pub async fn q2_blocked_lanes_keep_their_order(c: &Case) {
    let at = |priority| NewJob { priority: Priority::new(priority).expect("at most 9"), ..c.keyed("a") };
    let mut wanted = vec![(1, c.put(at(5)).await)];
    c.change(&key("a"), pause(None)).await;
    assert!(c.lease(1).await.is_empty());
    wanted.push((2, c.put(at(5)).await));
    wanted.push((0, c.put(at(9)).await));
    let edited = c.put(at(9)).await;
    wanted.push((3, edited));
    let edit = crate::Edit { priority: Priority::new(0), ..crate::Edit::default() };
    c.broker.edit(&Scope::All, edited, c.get(edited).await.revision, edit).await.expect("edited");
    let gone = c.put(at(9)).await;
    c.cancel(gone).await.expect("cancelled");
    assert!(c.lease(1).await.is_empty());
    c.change(&key("a"), RuleChange::Resume).await;
    wanted.sort_unstable();
    let got: Vec<_> = c.lease(10).await.into_iter().map(|lease| lease.job.id).collect();
    assert_eq!(got, wanted.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

/// Jobs that were enqueued, promoted or given back while their scope was closed are there when it opens.
pub async fn q2_blocked_jobs_of_every_origin_come_back(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        let running = c.fill(2, || c.keyed("a")).await;
        let held = c.lease(2).await;
        c.change(&scope, pause(None)).await;
        let due = NewJob { due: crate::Due::In(Duration::from_millis(30)), ..c.keyed("a") };
        let promoted = c.put(due).await;
        let plain = c.put(c.keyed("a")).await;
        c.ack(&held[0], Outcome::Release { started: true }).await;
        c.ack(&held[1], retry(Duration::ZERO)).await;
        c.until_state(promoted, State::Ready).await;
        c.until_state(running[1], State::Ready).await;
        assert!(c.lease(10).await.is_empty(), "{scope:?} is closed");
        c.change(&scope, RuleChange::Resume).await;
        let got: Vec<_> = c.lease(10).await.into_iter().map(|lease| lease.job.id).collect();
        assert_eq!(got, [running[0], running[1], promoted, plain], "{scope:?}");
    }
}

/// What opens a scope wakes those who wait: a resume, a raised limit, an end.
pub async fn q2_blocked_scopes_wake_the_waiting_when_they_open(c: &Case) {
    c.fill(5, || c.keyed("a")).await;
    c.change(&key("a"), pause(None)).await;
    assert!(c.lease(1).await.is_empty());
    super::steering::wakes(c, "resume", c.change(&key("a"), RuleChange::Resume)).await;
    c.limit(&key("a"), at_once(1)).await;
    let lease = c.one().await;
    assert!(c.lease(1).await.is_empty());
    super::steering::wakes(c, "an end", c.ack(&lease, complete())).await;
    let _held = c.one().await;
    assert!(c.lease(1).await.is_empty());
    super::steering::wakes(c, "a raised limit", c.limit(&key("a"), at_once(2))).await;
    assert_eq!(c.lease(5).await.len(), 1);
}

/// Every change of the limits is a revision; a change that was made from another one is refused and changes nothing.
pub async fn q2_scopes_revisions_keep_two_people_apart(c: &Case) {
    for scope in every_scope() {
        let first = c.rules(&scope).await;
        assert_eq!((first.revision, first.limits.clone()), (0, Limits::default()), "{scope:?}");
        let set = async |limits, expected| c.broker.rule(&c.queue, &scope, RuleChange::Limits(limits), expected).await;
        let second = set(at_once(7), Some(0)).await.expect("nobody was faster");
        assert_eq!((second.revision, second.limits.clone()), (1, at_once(7)));
        for wrong in [0, 2, 9] {
            let error = c.refused(set(at_once(1), Some(wrong))).await;
            assert_eq!(error.code(), Code::RevisionMismatch);
            assert!(matches!(error, BrokerError::Conflict { .. }));
        }
        let clear = c.broker.rule(&c.queue, &scope, RuleChange::Clear, Some(7));
        assert_eq!(c.refused(clear).await.code(), Code::RevisionMismatch);
        let both = tokio::join!(set(at_once(2), Some(1)), set(at_once(3), Some(1)));
        assert!(both.0.is_ok() != both.1.is_ok(), "one of two: {both:?}");
        assert_eq!(c.rules(&scope).await.revision, 2);
        c.change(&scope, pause(None)).await;
        let cleared = c.change(&scope, RuleChange::Clear).await;
        assert_eq!((cleared.revision, cleared.limits), (3, Limits::default()));
        assert!(cleared.gate.is_some(), "the gate stays");
        c.change(&scope, RuleChange::Resume).await;
        assert_eq!(c.rules(&scope).await.revision, 3, "a gate is no limit");
    }
    let scope = key("a");
    let scale = c.broker.rule(&c.queue, &scope, RuleChange::Scale(Some(1)), None);
    assert!(matches!(c.refused(scale).await, BrokerError::Refused(_)), "only a queue can be scaled");
}

/// Rules are kept: a process that starts later finds them as they were.
pub async fn q2_scopes_rules_survive_a_restart(c: &Case) {
    let limits = Limits { rate: burst_of(2).rate, max_running: Some(9), ..Limits::default() };
    for scope in every_scope() {
        c.limit(&scope, limits.clone()).await;
        c.change(&scope, pause(None)).await;
    }
    let auto = crate::Auto { min: 1, max: 9, clear_in_ms: 30_000, step: Some(2), cool_down_ms: None };
    c.change(&RuleScope::Queue, RuleChange::Auto(Some(auto))).await;
    c.change(&RuleScope::Queue, RuleChange::Scale(Some(3))).await;
    let later = c.fixture.reopened().await;
    for scope in every_scope() {
        let there = later.rules(&c.queue, &scope).await.expect("the rules");
        assert_eq!(there, c.rules(&scope).await, "{scope:?}");
        assert_eq!((there.limits, there.revision, there.gate.is_some()), (limits.clone(), 1, true));
    }
    let stats = later.stats(&Scope::All, &c.queue).await.expect("stats");
    assert_eq!((stats.slots, stats.auto), (Some(3), Some(auto)));
    assert!(stats.scaled_at.is_some() && stats.paused.is_some());
}

impl Case {
    /// The one dead job of the queue.
    async fn list_dead(&self) -> crate::JobId {
        let filter = crate::Filter { queue: Some(self.queue.clone()), state: Some(State::Dead), ..crate::Filter::default() };
        super::only(self.broker.list(&Scope::All, &filter, 5, None).await.expect("a page").items).id
    }
}
