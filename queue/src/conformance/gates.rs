//! Gates: a person's pause on each scope, a handler's, and a run of failures with its probe.

use super::rules::{every_scope, is_gated, key, pause};
use super::{Case, LONG, SHORT, complete, dead, retry};
use crate::{FAILURES_TO_GATE, GATE_FIRST_MS, GateCause, JobId, Lease, NewJob, Obstacle, Outcome, Policy, RuleChange, RuleScope, State};
use longshore_base::Name;
use std::time::Duration;

/// Pause and resume on each scope: why, by whom, until when; what is beside the scope goes on, what runs too.
pub async fn q2_gates_pause_and_resume_each_scope(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        let lease = c.run(c.keyed("a")).await;
        let id = c.put(c.keyed("a")).await;
        let told = c.change(&scope, pause(None)).await.gate.expect("closed");
        assert_eq!((told.cause, told.pause.until, told.pause.by.as_deref()), (GateCause::Person, None, Some("somebody")));
        assert_eq!(c.rules(&scope).await.gate, Some(told));
        assert!(c.lease(5).await.is_empty(), "{scope:?} is closed");
        assert!(is_gated(&c.obstacles(id).await, &scope));
        if let Some(job) = c.beside_scope(&scope) {
            c.run(job).await;
        }
        c.ack(&lease, complete()).await;
        assert_eq!(c.change(&scope, RuleChange::Resume).await.gate, None);
        assert_eq!(c.one().await.job.id, id);
    }
}

/// A pause with an end ends by itself on each scope, and the lease tells when.
pub async fn q2_gates_pause_until_ends_on_each_scope(c: &Case) {
    for scope in every_scope() {
        let c = &c.beside().await;
        let id = c.put(c.keyed("a")).await;
        c.change(&scope, pause(Some(c.now().await + 3_600_000))).await;
        let reply = c.ask(&c.request("w1", 5, LONG)).await;
        let due = reply.next_due.expect("the pause has an end");
        assert!(reply.leases.is_empty() && due > LONG / 2 && due <= LONG, "{due:?} in {scope:?}");
        let until = c.now().await + 100;
        c.change(&scope, pause(Some(until))).await;
        let lease = c.one_soon().await;
        assert!(lease.job.id == id && lease.job.started_at.expect("it runs") >= until, "{scope:?}");
        assert_eq!(c.rules(&scope).await.gate, None);
    }
}

/// A handler's gate closes its (tenant, key), for whatever kind, spends no attempt, and opens by itself. Other keys go on.
pub async fn q2_gates_a_handler_closes_its_key_for_a_time(c: &Case) {
    let lease = c.run(c.keyed("a")).await;
    let other_kind = c.put(NewJob { kind: Name::literal(super::OTHER), ..c.keyed("a") }).await;
    let until = c.now().await + 200;
    let outcome = Outcome::Gate { after: Duration::from_millis(200), reason: "429".into() };
    assert_eq!(c.ack(&lease, outcome).await, State::Ready);
    let gate = c.rules(&key("a")).await.gate.expect("closed");
    assert_eq!((gate.cause, gate.pause.reason.as_deref()), (GateCause::Handler, Some("429")));
    assert!(gate.pause.until.expect("an end") >= until);
    let counters = c.get(lease.job.id).await.counters;
    assert_eq!((counters.attempts, counters.crashes, counters.interruptions, counters.runs), (0, 0, 0, 1));
    for id in [lease.job.id, other_kind] {
        assert!(is_gated(&c.obstacles(id).await, &key("a")));
    }
    let neighbours = [c.put(c.keyed("b")).await, c.put(NewJob { tenant: Name::literal("two"), ..c.keyed("a") }).await];
    let mut got: Vec<JobId> = c.lease(10).await.into_iter().map(|lease| lease.job.id).collect();
    got.sort();
    let mut wanted = neighbours.to_vec();
    wanted.sort();
    assert_eq!(got, wanted);
    let mut back = vec![c.one_soon().await];
    back.push(c.one_soon().await);
    assert!(back.iter().all(|lease| lease.job.started_at.expect("it runs") >= until));
    assert_eq!(c.rules(&key("a")).await.gate, None);
}

/// The reason is kept up to 256 bytes; of two handlers' gates the later end holds.
pub async fn q2_gates_of_handlers_keep_the_later_end(c: &Case) {
    c.fill(3, || c.keyed("a")).await;
    let held = c.lease(3).await;
    let gate = |after, reason: &str| Outcome::Gate { after, reason: reason.into() };
    c.ack(&held[0], gate(LONG, &"é".repeat(200))).await;
    let first = c.rules(&key("a")).await.gate.expect("closed");
    let reason = first.pause.reason.clone().expect("told");
    assert!(reason.len() <= 256 && !reason.is_empty() && reason.chars().all(|letter| letter == 'é'), "{reason}");
    c.ack(&held[1], gate(SHORT, "sooner")).await;
    assert_eq!(c.rules(&key("a")).await.gate, Some(first), "the later end holds");
    c.ack(&held[2], gate(LONG * 2, "later")).await;
    assert_eq!(c.rules(&key("a")).await.gate.expect("closed").pause.reason.as_deref(), Some("later"));
}

/// A person's pause stands until its end or a resume, whatever handlers say.
pub async fn q2_gates_of_persons_stand_over_handlers(c: &Case) {
    c.fill(2, || c.keyed("a")).await;
    let held = c.lease(2).await;
    c.change(&key("a"), pause(None)).await;
    c.ack(&held[0], Outcome::Gate { after: SHORT, reason: "429".into() }).await;
    let gate = c.rules(&key("a")).await.gate.expect("closed");
    assert_eq!((gate.cause, gate.pause.until), (GateCause::Person, None));
    c.change(&key("a"), RuleChange::Resume).await;
    c.ack(&held[1], Outcome::Gate { after: LONG, reason: "429".into() }).await;
    assert!(c.lease(5).await.is_empty());
    c.change(&key("a"), RuleChange::Resume).await;
    assert_eq!(c.lease(5).await.len(), 2, "a resume opens whoever closed it");
}

/// Gates end at runs_max like snoozes, so that no job goes round for ever.
pub async fn q2_gates_a_handler_is_bounded_by_runs_max(c: &Case) {
    let policy = Policy { runs_max: 2, ..Policy::default() };
    let id = c.put(NewJob { policy, ..c.keyed("a") }).await;
    for state in [State::Ready, State::Dead] {
        let lease = c.one_soon().await;
        assert_eq!(lease.job.id, id);
        assert_eq!(c.ack(&lease, Outcome::Gate { after: Duration::from_millis(1), reason: "429".into() }).await, state);
    }
    assert_eq!(c.get(id).await.reason, Some(crate::Reason::RunsExhausted));
}

/// A gate that was closed for a key that has no rules is told among the lanes.
pub async fn q2_gates_are_told_by_the_lanes(c: &Case) {
    c.fill(2, || c.keyed("a")).await;
    c.put(c.keyed("b")).await;
    let held = c.lease(1).await;
    c.ack(&held[0], Outcome::Gate { after: LONG, reason: "429".into() }).await;
    let lanes = c.broker.lanes(&crate::Scope::All, &c.queue, 10).await.expect("lanes");
    let gated: Vec<_> = lanes.iter().filter(|lane| lane.gate.is_some()).map(|lane| lane.key.as_str()).collect();
    assert_eq!(gated, [held[0].job.lane_key.as_str()]);
}

/// As many failures in a row as it takes to close the key, from jobs of two kinds.
async fn fail_in_a_row(c: &Case) -> Vec<JobId> {
    let n = FAILURES_TO_GATE as usize;
    let jobs = c.fill(n, || c.keyed("a")).await;
    let held = c.lease(n).await;
    assert_eq!(held.len(), n);
    for (at, lease) in held.iter().enumerate() {
        assert_eq!(c.rules(&key("a")).await.gate, None, "after {at} failures");
        c.ack(lease, if at % 2 == 0 { dead() } else { retry(LONG) }).await;
        assert_eq!(c.rules(&key("a")).await.failures.expect("counted").in_row as usize, at + 1);
    }
    jobs
}

/// Ends the gate soon, as if its time were over: a person's pause replaces it, with an end that is near.
async fn let_it_end(c: &Case) {
    c.change(&key("a"), pause(Some(c.now().await + 20))).await;
    c.pass(Duration::from_millis(30)).await;
}

/// The one job that may try.
async fn probe(c: &Case) -> Lease {
    let mut held = c.lease(10).await;
    assert_eq!(held.len(), 1, "one job tries");
    let lease = held.remove(0);
    let failures = c.rules(&key("a")).await.failures.expect("a run of failures");
    assert_eq!(failures.probe, Some(lease.job.id));
    assert!(c.lease(10).await.is_empty(), "the others wait for it");
    lease
}

/// Ten in a row close the key for ten seconds, its neighbours not; an end that is good begins anew.
pub async fn q2_gates_by_failure_close_after_ten_in_a_row(c: &Case) {
    c.fill(9, || c.keyed("a")).await;
    for lease in c.lease(9).await {
        c.ack(&lease, dead()).await;
    }
    let good = c.run(c.keyed("a")).await;
    c.ack(&good, complete()).await;
    assert_eq!(c.rules(&key("a")).await.failures, None, "a good end begins anew");
    fail_in_a_row(c).await;
    let state = c.rules(&key("a")).await;
    let (gate, failures) = (state.gate.expect("closed"), state.failures.expect("told"));
    assert_eq!((gate.cause, failures.in_row, failures.wait_ms), (GateCause::Failures, FAILURES_TO_GATE, GATE_FIRST_MS));
    let left = gate.pause.until.expect("an end") - c.now().await;
    assert!(left > 0 && left <= i64::try_from(GATE_FIRST_MS).expect("small"), "{left} ms");
    let waits = c.put(c.keyed("a")).await;
    assert!(c.lease(5).await.is_empty() && is_gated(&c.obstacles(waits).await, &key("a")));
    let neighbour = c.put(c.keyed("b")).await;
    assert_eq!(c.one().await.job.id, neighbour);
}

/// After its end one job tries; if it fails, the gate is closed for twice as long.
pub async fn q2_gates_by_failure_a_bad_probe_doubles_the_wait(c: &Case) {
    fail_in_a_row(c).await;
    let waiting = c.fill(3, || c.keyed("a")).await;
    for wait_ms in [GATE_FIRST_MS * 2, GATE_FIRST_MS * 4] {
        let_it_end(c).await;
        let lease = probe(c).await;
        let other = waiting.iter().find(|id| **id != lease.job.id).expect("three");
        let obstacles = c.obstacles(*other).await;
        assert!(obstacles.contains(&Obstacle::Probe { by: Some(lease.job.id) }), "{obstacles:?}");
        c.ack(&lease, retry(Duration::ZERO)).await;
        let state = c.rules(&key("a")).await;
        let failures = state.failures.expect("told");
        assert_eq!((failures.wait_ms, failures.probe, state.gate.map(|gate| gate.cause)), (wait_ms, None, Some(GateCause::Failures)));
        assert!(c.lease(5).await.is_empty());
    }
}

/// A good probe opens the key and forgets the failures.
pub async fn q2_gates_by_failure_a_good_probe_opens(c: &Case) {
    fail_in_a_row(c).await;
    c.fill(4, || c.keyed("a")).await;
    let_it_end(c).await;
    let lease = probe(c).await;
    c.ack(&lease, complete()).await;
    let state = c.rules(&key("a")).await;
    assert_eq!((state.gate, state.failures), (None, None));
    assert_eq!(c.lease(10).await.len(), 3);
}

/// A probe that is lost, or given back, or ends without saying well or badly, lets another try.
pub async fn q2_gates_by_failure_a_lost_probe_lets_another_try(c: &Case) {
    fail_in_a_row(c).await;
    c.fill(3, || c.keyed("a")).await;
    let_it_end(c).await;
    for outcome in [Outcome::Release { started: false }, Outcome::Release { started: true }, Outcome::Snooze { after: LONG }] {
        let lease = probe(c).await;
        c.ack(&lease, outcome).await;
        assert_eq!(c.rules(&key("a")).await.failures.expect("told").probe, None);
    }
    let doomed = super::only(c.lease_by("w1", 5, SHORT).await);
    c.until("the probe is reaped", async || c.state(doomed.job.id).await != State::Running).await;
    let again = c.one_soon().await;
    c.ack(&again, complete()).await;
    assert_eq!(c.rules(&key("a")).await.failures, None);
}

/// A resume forgets the failures; jobs without a key are not counted.
pub async fn q2_gates_by_failure_are_reset_by_a_resume(c: &Case) {
    fail_in_a_row(c).await;
    let state = c.change(&key("a"), RuleChange::Resume).await;
    assert_eq!((state.gate, state.failures), (None, None));
    c.fill(4, || c.keyed("a")).await;
    assert_eq!(c.lease(10).await.len(), 4);
    let n = FAILURES_TO_GATE as usize + 2;
    c.add(n).await;
    for lease in c.lease(n).await {
        c.ack(&lease, dead()).await;
    }
    let plain = c.rules(&RuleScope::Key { tenant: Name::literal("one"), key: String::new() }).await;
    assert_eq!((plain.gate, plain.failures), (None, None), "the empty key is no account that could be down");
}
