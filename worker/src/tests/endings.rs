//! How attempts end, as section 3 of QUEUE.md says.

use super::{
    house::{House, history, last_code, options},
    kinds::Act,
};
use longshore_base::{Clock, Scope};
use longshore_queue::{EventKind, Reason, State};
use std::{sync::atomic::Ordering::SeqCst, time::Duration};

#[tokio::test]
async fn a_job_is_completed_with_its_output() {
    let house = House::new("completed").await;
    let worker = house.worker(options());
    let id = house.enqueue(Act::Return).await;
    let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    assert_eq!(job.output.unwrap().get(), "\"done\"");
    assert_eq!((job.counters.attempts, job.counters.runs, job.counters.crashes, job.counters.interruptions), (1, 1, 0, 0));
    worker.stop_now().await;
}

#[tokio::test]
async fn a_panic_spends_attempts_and_kills_only_the_job() {
    let house = House::new("panic").await;
    let worker = house.worker(options());
    let id = house.enqueue_with(Act::Panic, |job| job.policy.attempts_max = 2).await;
    let job = house.until_job(id, "it is dead", |job| job.state == State::Dead).await;
    assert_eq!(job.counters.attempts, 2);
    assert_eq!(last_code(&job), Some("attempt.panicked"));
    let message = &job.history.last().unwrap().error.as_ref().unwrap().message;
    assert!(message.contains("the 1th panic of panic"), "{message}");
    let next = house.enqueue(Act::Return).await;
    house.until_job(next, "the worker lives", |job| job.state == State::Completed).await;
    worker.stop_now().await;
}

#[tokio::test]
async fn what_was_logged_before_a_panic_is_kept() {
    let house = House::new("log and panic").await;
    let worker = house.worker(options());
    let id = house.enqueue_with(Act::LogAndPanic, |job| job.policy.attempts_max = 1).await;
    house.until_job(id, "it is dead", |job| job.state == State::Dead).await;
    let lines = house.broker.logs(&Scope::All, id).await.unwrap().lines;
    assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["before the panic"]);
    assert_eq!(house.stats().await.lease_lost, 0);
    worker.stop_now().await;
}

#[tokio::test]
async fn a_panic_of_a_kind_that_must_not_run_twice_is_an_unknown_outcome() {
    let house = House::new("panic once").await;
    let worker = house.worker(options());
    let id = house.enqueue_with(Act::Panic, |job| job.policy.repeatable = false).await;
    let job = house.until_job(id, "it is dead", |job| job.state == State::Dead).await;
    assert_eq!(job.reason, Some(Reason::OutcomeUnknown));
    assert_eq!(house.probe.started.load(SeqCst), 1);
    worker.stop_now().await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_stopped() {
    let house = House::new("timeout").await;
    let worker = house.worker(options());
    let id = house.enqueue_with(Act::Hang, |job| (job.policy.timeout_ms, job.policy.attempts_max) = (100, 2)).await;
    let job = house.until_job(id, "it is dead", |job| job.state == State::Dead).await;
    assert_eq!((job.counters.attempts, last_code(&job)), (2, Some("attempt.timeout")));
    assert_eq!(house.probe.running.load(SeqCst), 0, "its future was dropped");
    worker.stop_now().await;
}

#[tokio::test]
async fn a_blocking_handler_times_out_and_frees_its_slot() {
    let house = House::new("block").await;
    let worker = house.worker(crate::Options { concurrency: 1, ..options() });
    let id = house.enqueue_with(Act::Block, |job| (job.policy.timeout_ms, job.policy.attempts_max) = (100, 1)).await;
    let job = house.until_job(id, "it is dead", |job| job.state == State::Dead).await;
    assert_eq!(last_code(&job), Some("attempt.timeout"));
    assert_eq!(worker.status().stuck, 1);
    let next = house.enqueue(Act::Return).await;
    house.until_job(next, "the slot is free", |job| job.state == State::Completed).await;
    house.probe.open();
    house.eventually("the thread is free again", async || (worker.status().stuck == 0).then_some(())).await;
    worker.stop_now().await;
}

#[tokio::test]
async fn blocking_handlers_do_not_stop_heartbeats() {
    let house = House::new("heartbeats").await;
    let worker = house.worker(crate::Options { threads: Some(1), lease_ms: 3_000, heartbeat_ms: 200, ..options() });
    let id = house.enqueue(Act::Block).await;
    let began = house.clock.elapsed();
    house
        .eventually("a lease and a half have passed", async || (house.clock.elapsed() > began + Duration::from_millis(4_500)).then_some(()))
        .await;
    let job = house.job(id).await;
    assert_eq!((job.state, job.counters.crashes, job.counters.runs), (State::Running, 0, 1));
    house.probe.open();
    let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    assert_eq!((job.counters.attempts, job.counters.crashes), (1, 0));
    worker.stop_now().await;
}

#[tokio::test]
async fn a_cancelled_job_stops_within_a_second() {
    let house = House::new("cancel").await;
    let worker = house.worker(crate::Options { lease_ms: 15_000, heartbeat_ms: 5_000, ..options() });
    for settle_ms in [0, 100, 300, 600] {
        // A machine that is busy with other tests may miss the second once; a request that is not heard misses it every time.
        let mut took = cancel_after(&house, settle_ms).await;
        for _ in 0..4 {
            if took >= Duration::from_secs(1) {
                took = took.min(cancel_after(&house, settle_ms).await);
            }
        }
        assert!(took < Duration::from_secs(1), "cancelled {settle_ms} ms after its start it took {took:?}");
    }
    worker.stop_now().await;
}

/// Also beside others that go on, and what has ended is not watched any longer.
#[tokio::test]
async fn one_of_many_watched_jobs_hears_of_its_cancel_and_ended_ones_are_let_go() {
    let house = House::new("cancel one of many").await;
    let worker = house.worker(crate::Options { lease_ms: 60_000, heartbeat_ms: 20_000, ..options() });
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(house.enqueue(Act::Wait).await);
    }
    let watches = async || house.cuts.watched.lock().unwrap().clone();
    let watched = house.eventually("they are watched", watches).await;
    // One after the other: the first may owe it to the extend that their first watch brings.
    for id in &ids[..4] {
        house.broker.cancel(&Scope::All, &[*id]).await.unwrap();
        house.until_job(*id, "it is cancelled", |job| job.state == State::Cancelled).await;
    }
    assert!(!watched.is_empty());
    house.probe.open();
    for id in &ids[4..] {
        house.until_job(*id, "it is completed", |job| job.state == State::Completed).await;
    }
    assert!(watched.is_empty());
    worker.stop_now().await;
}

/// How long it takes from the request to the state.
async fn cancel_after(house: &House, settle_ms: u64) -> Duration {
    let started = house.probe.started.load(SeqCst);
    let id = house.enqueue(Act::Hang).await;
    house.eventually("it runs", async || (house.probe.started.load(SeqCst) > started).then_some(())).await;
    let began = house.clock.elapsed();
    let ripe = || house.clock.elapsed() >= began + Duration::from_millis(settle_ms);
    house.eventually("it has run for a while", async || ripe().then_some(())).await;
    let asked = house.clock.elapsed();
    assert_eq!(house.broker.cancel(&Scope::All, &[id]).await.unwrap().remove(0).unwrap(), State::Running);
    let job = house.until_job(id, "it is cancelled", |job| job.state == State::Cancelled).await;
    assert_eq!((job.reason, house.probe.running.load(SeqCst)), (Some(Reason::Cancelled), 0));
    house.clock.elapsed() - asked
}

#[tokio::test]
async fn an_end_wins_over_a_cancel_and_a_failure_does_not() {
    let house = House::new("told").await;
    let worker = house.worker(options());
    let (good, bad) = (house.enqueue(Act::ReturnWhenTold).await, house.enqueue(Act::FailWhenTold).await);
    house.eventually("both run", async || (house.probe.running.load(SeqCst) == 2).then_some(())).await;
    house.broker.cancel(&Scope::All, &[good, bad]).await.unwrap();
    house.until_job(good, "it is completed", |job| job.state == State::Completed).await;
    house.until_job(bad, "it is cancelled", |job| job.state == State::Cancelled).await;
    worker.stop_now().await;
}

#[tokio::test]
async fn a_worker_that_cannot_extend_stops_the_attempt_and_its_late_ack_is_refused() {
    let house = House::new("lost").await;
    let worker = house.worker(crate::Options { lease_ms: 3_000, heartbeat_ms: 300, ..options() });
    let id = house.enqueue(Act::WaitOnce).await;
    house.eventually("it runs", async || (house.probe.running.load(SeqCst) == 1).then_some(())).await;
    house.cuts.extend.store(true, SeqCst);
    house.cuts.ack.store(true, SeqCst);
    house.eventually("the attempt has been stopped", async || (house.probe.running.load(SeqCst) == 0).then_some(())).await;
    house.until_job(id, "the lease was reaped", |job| job.counters.crashes == 1).await;
    house.cuts.extend.store(false, SeqCst);
    house.cuts.ack.store(false, SeqCst);
    let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (1, 1, 0));
    assert_eq!(history(&job), [EventKind::Crashed, EventKind::Completed]);
    house.eventually("the late ack was counted", async || (house.stats().await.lease_lost >= 1).then_some(())).await;
    worker.stop_now().await;
}

#[tokio::test]
async fn a_lease_that_cannot_be_trusted_is_given_back_when_nobody_took_it() {
    let house = House::new("given back").await;
    // Long enough that the margin before its end outlasts a busy machine.
    let worker = house.worker(crate::Options { lease_ms: 4_000, heartbeat_ms: 400, ..options() });
    let id = house.enqueue(Act::WaitOnce).await;
    house.eventually("it runs", async || (house.probe.running.load(SeqCst) == 1).then_some(())).await;
    house.cuts.extend.store(true, SeqCst);
    let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    house.cuts.extend.store(false, SeqCst);
    assert_eq!((job.counters.attempts, job.counters.crashes, job.counters.interruptions), (1, 0, 1));
    worker.stop_now().await;
}
