//! Quiet, drain, release, and the commands that ask for them.

use super::{
    house::{House, history, options},
    kinds::Act,
};
use crate::Options;
use longshore_base::Clock;
use longshore_queue::{Command, EventKind, State, WorkerState};
use std::{sync::atomic::Ordering::SeqCst, time::Duration};

#[tokio::test]
async fn a_drain_lets_end_what_ends_and_gives_back_the_rest_without_an_attempt() {
    let house = House::new("drain").await;
    let worker = house.worker(Options { concurrency: 2, ..options() });
    let (ends, hangs, never) = (house.enqueue(Act::Wait).await, house.enqueue(Act::Hang).await, house.enqueue(Act::Return).await);
    house.eventually("two run", async || (house.probe.running.load(SeqCst) == 2).then_some(())).await;
    let draining = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain(Duration::from_millis(500)).await }
    });
    house.eventually("it drains", async || (worker.status().state == WorkerState::Draining).then_some(())).await;
    house.probe.open();
    let drained = draining.await.unwrap();
    assert_eq!((drained.released, drained.abandoned, drained.undelivered), (1, 0, 0));
    let (ends, hangs, never) = (house.job(ends).await, house.job(hangs).await, house.job(never).await);
    assert_eq!((ends.state, ends.counters.attempts), (State::Completed, 1));
    assert_eq!((hangs.state, history(&hangs)), (State::Ready, vec![EventKind::Released]));
    assert_eq!((hangs.counters.attempts, hangs.counters.crashes, hangs.counters.interruptions), (0, 0, 1));
    assert_eq!((never.state, never.counters.runs, never.counters.interruptions), (State::Ready, 0, 0));
    assert!(house.broker.workers().await.unwrap().is_empty(), "it said good-bye");
}

#[tokio::test]
async fn a_handler_that_blocks_cannot_keep_the_worker_from_stopping() {
    let house = House::new("blocked stop").await;
    let worker = house.worker(options());
    let id = house.enqueue(Act::Block).await;
    house.eventually("it runs", async || (house.probe.running.load(SeqCst) == 1).then_some(())).await;
    let asked = house.clock.elapsed();
    let drained = worker.stop_now().await;
    assert!(house.clock.elapsed() - asked < Duration::from_secs(3));
    assert_eq!((drained.released, drained.abandoned, drained.undelivered), (1, 1, 0));
    let job = house.job(id).await;
    assert_eq!((job.state, job.counters.attempts, job.counters.interruptions), (State::Ready, 0, 1));
}

#[tokio::test]
async fn a_second_stop_does_not_wait_for_the_first_ones_grace() {
    let house = House::new("second stop").await;
    let worker = house.worker(options());
    let id = house.enqueue(Act::Hang).await;
    house.eventually("it runs", async || (house.probe.running.load(SeqCst) == 1).then_some(())).await;
    let patient = tokio::spawn({
        let worker = worker.clone();
        async move { worker.drain(Duration::from_secs(600)).await }
    });
    house.eventually("it drains", async || (worker.status().state == WorkerState::Draining).then_some(())).await;
    let now = worker.stop_now().await;
    assert_eq!(now, patient.await.unwrap());
    assert_eq!(house.job(id).await.counters.interruptions, 1);
}

#[tokio::test]
async fn a_worker_stops_during_an_outage() {
    let house = House::new("stop in outage").await;
    let worker = house.worker(options());
    house.enqueue(Act::Hang).await;
    house.eventually("it runs", async || (house.probe.running.load(SeqCst) == 1).then_some(())).await;
    house.cuts.all.store(true, SeqCst);
    let asked = house.clock.elapsed();
    let drained = worker.stop_now().await;
    assert!(house.clock.elapsed() - asked < Duration::from_secs(8));
    assert_eq!(drained.undelivered, 1);
}

#[tokio::test]
async fn what_an_unanswered_lease_call_took_is_given_back_at_the_end() {
    let house = House::new("unseen").await;
    house.cuts.lease_replies.store(1, SeqCst);
    let id = house.enqueue(Act::Return).await;
    let worker = house.worker(options());
    house.until_job(id, "it is leased", |job| job.state == State::Running).await;
    worker.stop_now().await;
    let job = house.job(id).await;
    assert_eq!((job.state, job.counters.interruptions, job.counters.crashes), (State::Ready, 0, 0));
    assert_eq!(house.probe.started.load(SeqCst), 0);
}

#[tokio::test]
async fn commands_make_a_worker_quiet_active_and_gone() {
    let house = House::new("commands").await;
    let worker = house.worker(options());
    let says = async |state| {
        let seen = async || house.broker.workers().await.unwrap().into_iter().find(|report| report.state == state);
        house.eventually("it reports its state", seen).await
    };
    assert_eq!(says(WorkerState::Active).await.id, worker.id());
    house.broker.command(worker.id(), Command::Quiet).await.unwrap();
    says(WorkerState::Quiet).await;
    let id = house.enqueue(Act::Return).await;
    house.broker.command(worker.id(), Command::Resume).await.unwrap();
    let job = house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    assert_eq!(job.counters.runs, 1);
    house.broker.command(worker.id(), Command::Drain).await.unwrap();
    worker.ended().await;
    assert!(house.broker.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_quiet_worker_leases_nothing() {
    let house = House::new("quiet").await;
    let worker = house.worker(options());
    house.eventually("it has looked", async || worker.status().last_lease).await;
    worker.quiet();
    let id = house.enqueue(Act::Return).await;
    let began = house.clock.elapsed();
    house.eventually("a while has passed", async || (house.clock.elapsed() > began + Duration::from_millis(300)).then_some(())).await;
    assert_eq!(house.job(id).await.state, State::Ready);
    worker.resume();
    house.until_job(id, "it is completed", |job| job.state == State::Completed).await;
    worker.stop_now().await;
}
