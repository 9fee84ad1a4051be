//! How attempts end: every outcome, repeated and late.

use super::{Case, LONG, SHORT, args, complete, dead, error, retry};
use crate::{BrokerError, EventKind, NewJob, Outcome, Policy, Reason, State};
use std::time::Duration;

/// Completed: the output is kept, the attempt is counted.
pub async fn q3_complete_keeps_the_output(c: &Case) {
    let lease = c.running().await;
    assert_eq!(c.ack(&lease, Outcome::Complete { output: Some(args("done")) }).await, State::Completed);
    let job = c.get(lease.job.id).await;
    assert_eq!(
        (job.state, job.output.as_deref().map(|o| o.get().to_owned()), job.reason),
        (State::Completed, Some(args("done").get().to_owned()), None)
    );
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (1, 0, 0));
    assert!(job.ended_at.is_some() && job.worker.is_none() && job.due_at.is_none());
    assert_eq!(job.history.last().map(|e| (e.what, e.run)), Some((EventKind::Completed, 1)));
}

/// Retrying: due after what was asked, with the error told, and leased again then.
pub async fn q3_retry_waits_as_long_as_asked(c: &Case) {
    let lease = c.running().await;
    let before = c.now().await;
    assert_eq!(c.ack(&lease, retry(Duration::from_millis(300))).await, State::Retrying);
    let job = c.get(lease.job.id).await;
    let due = job.due_at.expect("it is due");
    assert!(due >= before + 300 && due <= c.now().await + 300);
    assert_eq!((job.counters.attempts, job.counters.runs), (1, 1));
    let event = job.history.last().expect("a line");
    assert_eq!((event.what, &event.error, event.worker.as_deref()), (EventKind::Retried, &Some(error("oops")), Some("w1")));
    let again = c.one_soon().await;
    assert!(again.job.started_at.expect("it runs") >= due && again.token > lease.token);
    assert_eq!((again.job.id, again.job.counters.runs), (lease.job.id, 2));
}

/// The attempt that is one too many makes the job Dead.
pub async fn q3_retry_with_no_attempt_left_is_dead(c: &Case) {
    let id = c.put(NewJob { policy: Policy { attempts_max: 3, ..Policy::default() }, ..c.job() }).await;
    for wanted in [State::Retrying, State::Retrying, State::Dead] {
        let lease = c.one_soon().await;
        assert_eq!(c.ack(&lease, retry(Duration::ZERO)).await, wanted);
    }
    let job = c.get(id).await;
    assert_eq!((job.state, job.reason, job.counters.attempts), (State::Dead, Some(Reason::Exhausted), 3));
    assert!(c.lease(1).await.is_empty());
}

/// A fatal failure ends the job at once.
pub async fn q3_retry_or_fatal_is_dead(c: &Case) {
    for reason in [Reason::Fatal, Reason::OutputTooLarge] {
        let lease = c.running().await;
        assert_eq!(c.ack(&lease, Outcome::Dead { reason, error: error("bad") }).await, State::Dead);
        let job = c.get(lease.job.id).await;
        assert_eq!((job.state, job.reason, job.counters.attempts), (State::Dead, Some(reason), 1));
        assert_eq!(job.history.last().and_then(|e| e.error.clone()), Some(error("bad")));
    }
}

/// Snooze: later, and no counter moves.
pub async fn q3_snooze_moves_no_counter(c: &Case) {
    let lease = c.running().await;
    assert_eq!(c.ack(&lease, Outcome::Snooze { after: SHORT }).await, State::Scheduled);
    let job = c.get(lease.job.id).await;
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (0, 0, 0));
    assert!(job.due_at.is_some());
    let again = c.one_soon().await;
    assert_eq!((again.job.id, again.job.counters.runs), (lease.job.id, 2));
}

/// Snooze is bounded by the number of runs …
pub async fn q3_snooze_is_bounded_by_runs(c: &Case) {
    c.put(NewJob { policy: Policy { runs_max: 2, ..Policy::default() }, ..c.job() }).await;
    assert_eq!(c.ack(&c.one().await, Outcome::Snooze { after: Duration::ZERO }).await, State::Scheduled);
    let lease = c.one_soon().await;
    assert_eq!(c.ack(&lease, Outcome::Snooze { after: Duration::ZERO }).await, State::Dead);
    assert_eq!(c.get(lease.job.id).await.reason, Some(Reason::RunsExhausted));
}

/// … and by the job's age.
pub async fn q3_snooze_is_bounded_by_age(c: &Case) {
    let lease = c.run(NewJob { policy: Policy { age_max_ms: Some(60), ..Policy::default() }, ..c.job() }).await;
    c.pass(SHORT).await;
    assert_eq!(c.ack(&lease, Outcome::Snooze { after: SHORT }).await, State::Dead);
    assert_eq!(c.get(lease.job.id).await.reason, Some(Reason::AgeExhausted));
}

/// Gate: the job is Ready again, no counter moves, and its (tenant, key) rests.
pub async fn q3_gate_release_gate_rests_without_a_count(c: &Case) {
    let lease = c.running().await;
    let state = c.ack(&lease, Outcome::Gate { after: SHORT, reason: "429".into() }).await;
    assert_eq!(state, State::Ready);
    assert!(c.lease(5).await.is_empty(), "the gate is closed");
    let again = c.one_soon().await;
    assert_eq!((again.job.id, again.job.counters.attempts), (lease.job.id, 0));
}

/// The history tells why a handler closed its lane.
pub async fn q3_gate_release_tells_why(c: &Case) {
    let lease = c.running().await;
    c.ack(&lease, Outcome::Gate { after: SHORT, reason: format!("429 {}", "é".repeat(200)) }).await;
    let event = c.get(lease.job.id).await.history.pop().expect("a line");
    let error = event.error.unwrap_or_else(|| panic!("no reason"));
    assert_eq!((event.what, error.code.as_str()), (EventKind::Gated, "gated"));
    assert_eq!(error.message, format!("429 {}", "é".repeat(126)), "at most 256 bytes, and no half of a letter");
}

/// Release: back to its place at once; an interruption only if the handler had started.
pub async fn q3_gate_release_counts_only_what_had_started(c: &Case) {
    let lease = c.running().await;
    assert_eq!(c.ack(&lease, Outcome::Release { started: false }).await, State::Ready);
    assert_eq!(c.get(lease.job.id).await.counters.interruptions, 0);
    let again = c.one().await;
    assert_eq!(c.ack(&again, Outcome::Release { started: true }).await, State::Ready);
    let counters = c.get(lease.job.id).await.counters;
    assert_eq!((counters.attempts, counters.crashes, counters.interruptions), (0, 0, 1));
}

/// The same token again gives the same outcome; the first payload wins.
pub async fn q4_leased_and_fenced_acks_may_be_repeated(c: &Case) {
    for outcome in every_outcome() {
        let lease = c.running().await;
        let state = c.ack(&lease, outcome.clone()).await;
        for again in [outcome, complete(), dead()] {
            let acked = c.unchanged(c.try_ack(&lease, again)).await.expect("a repeat is accepted");
            assert_eq!((acked.state, acked.repeated), (state, true));
        }
        if !state.is_ended() {
            assert_eq!(c.cancel(lease.job.id).await.expect("it can be cancelled"), State::Cancelled);
        }
    }
}

/// Every exit from Running clears the token: no other write is accepted under it.
pub async fn q3_every_exit_clears_the_token(c: &Case) {
    for outcome in every_outcome() {
        let lease = c.running().await;
        let state = c.ack(&lease, outcome).await;
        let job = c.get(lease.job.id).await;
        assert_eq!((job.state, job.worker.clone()), (state, None));
        let saves = crate::Saves { cursor: Some(args("late")), steps: vec![] };
        assert!(matches!(c.refused(c.broker.save(job.id, lease.token, saves)).await, BrokerError::LeaseLost));
        let note = crate::Note { progress: Some(args("late")), logs: vec![], used: None, output: None };
        assert!(matches!(c.refused(c.broker.note(job.id, lease.token, note)).await, BrokerError::LeaseLost));
        if !state.is_ended() {
            c.cancel(job.id).await.expect("it can be cancelled");
        }
    }
}

/// A batch is per item: a late ack in its middle keeps nothing else from being accepted.
pub async fn q4_repeating_an_ack_batch_is_per_item(c: &Case) {
    c.add(3).await;
    let leases = c.lease(3).await;
    let ack = |i: usize, token| crate::Ack { id: leases[i].job.id, token, ran: SHORT, used: None, outcome: complete() };
    let acks = vec![ack(0, leases[0].token), ack(1, crate::Token(7)), ack(2, leases[2].token)];
    let answers = c.broker.ack(&c.queue, "w1", acks).await.expect("an answer");
    assert!(matches!(answers[..], [Ok(_), Err(BrokerError::LeaseLost), Ok(_)]), "{answers:?}");
    assert_eq!(c.state(leases[1].job.id).await, State::Running);
}

/// An ack twice in one batch is one ending.
pub async fn q4_repeating_an_ack_inside_a_batch(c: &Case) {
    let lease = c.running().await;
    let ack = |outcome| crate::Ack { id: lease.job.id, token: lease.token, ran: SHORT, used: None, outcome };
    let answers = c.broker.ack(&c.queue, "w1", vec![ack(complete()), ack(dead())]).await.expect("an answer");
    let told: Vec<_> = answers.into_iter().map(|a| a.expect("accepted")).map(|a| (a.state, a.repeated)).collect();
    assert_eq!(told, [(State::Completed, false), (State::Completed, true)]);
    assert_eq!(c.get(lease.job.id).await.counters.attempts, 1);
}

/// The three counters move each for their own reason, and stay.
pub async fn q4_three_counters_are_never_mixed(c: &Case) {
    let id = c.put(c.job()).await;
    let counters = async || {
        let counters = c.get(id).await.counters;
        (counters.attempts, counters.crashes, counters.interruptions)
    };
    c.ack(&c.one().await, retry(Duration::ZERO)).await;
    assert_eq!(counters().await, (1, 0, 0));
    c.ack(&c.one_soon().await, Outcome::Release { started: true }).await;
    assert_eq!(counters().await, (1, 0, 1));
    c.lease_by("w1", 1, SHORT).await;
    c.until_state(id, State::Retrying).await;
    assert_eq!(counters().await, (1, 1, 1));
    c.ack(&c.one_soon().await, Outcome::Snooze { after: Duration::ZERO }).await;
    assert_eq!(counters().await, (1, 1, 1));
    c.ack(&c.one_soon().await, complete()).await;
    assert_eq!(counters().await, (2, 1, 1));
}

/// Every way to end an attempt that a worker has.
fn every_outcome() -> Vec<Outcome> {
    vec![
        complete(),
        retry(LONG),
        dead(),
        Outcome::Snooze { after: LONG },
        Outcome::Release { started: true },
        Outcome::Wait(super::for_signal("go")),
        Outcome::Cancel,
    ]
}
