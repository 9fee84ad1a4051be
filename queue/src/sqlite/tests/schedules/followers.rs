//! Jobs that wait for the end of another one, as the file keeps them.

use super::{HOUR, House, LEASE, START};
use crate::{Broker, Due, NewJob, Outcome, Overlap, Reason, Scope, State, TICKS_KEPT, TickOutcome, Wait, WaitOn, WaitPolicy};
use std::time::Duration;

#[tokio::test]
async fn a_job_that_nobody_follows_looks_for_no_followers() {
    let house = House::new();
    let broker = house.open();
    let (id, led) = (house.put(&broker).await, house.put(&broker).await);
    let behind = house.behind(&broker, led, "behind").await;
    let follower = behind.id;
    assert_eq!(broker.enqueue(vec![behind]).await.expect("an answer").remove(0).expect("taken").state, State::Waiting);
    let leases = house.lease(&broker, 1).await;
    // Without the table, an end that looked into it would fail.
    broker.write(true, |tx| Ok(tx.db.0.execute_batch("ALTER TABLE followers RENAME TO away")?)).await.expect("put away");
    let done = |at: usize| House::ack(&leases[at], Outcome::Complete { output: None });
    assert_eq!(leases[0].job.id, id);
    assert!(broker.ack(&house.queue, "w", done(0)).await.expect("an answer")[0].is_ok());
    assert!(broker.ack(&house.queue, "w", done(1)).await.is_err(), "a followed one looks");
    broker.write(true, |tx| Ok(tx.db.0.execute_batch("ALTER TABLE away RENAME TO followers")?)).await.expect("put back");
    assert_eq!((house.get(&broker, led).await.state, house.get(&broker, follower).await.state), (State::Running, State::Waiting));
    assert!(broker.ack(&house.queue, "w", done(1)).await.expect("an answer")[0].is_ok());
    assert_eq!(house.get(&broker, follower).await.state, State::Ready);
    assert_eq!(house.count(&broker, "SELECT count(*) FROM followers").await, 0);
    house.assert_counted(&broker).await;
}

#[tokio::test]
async fn every_end_wakes_who_waits_for_it() {
    let house = House::new();
    let broker = house.open();
    let mut followers = Vec::new();
    let mut lead = async |label: &str, job: NewJob| {
        let behind = house.behind(&broker, job.id, label).await;
        followers.push((label.to_owned(), behind.id));
        let answers = broker.enqueue(vec![job, behind]).await.expect("an answer");
        assert!(answers.into_iter().all(|answer| answer.is_ok()), "{label}");
    };
    let ends = ["completed", "dead", "cancelled", "retried away", "given up", "crashed", "timed out", "extended"];
    for label in ends {
        lead(label, house.job(&broker).await).await;
    }
    lead("expired", NewJob { due: Due::In(HOUR * 9), expires_at: Some(START + 1_000), ..house.job(&broker).await }).await;
    lead("cancelled by somebody", NewJob { due: Due::In(HOUR * 9), ..house.job(&broker).await }).await;
    let by_hand = broker.list(&Scope::All, &crate::Filter { state: Some(State::Scheduled), ..Default::default() }, 9, None).await;
    let by_hand = by_hand.expect("a page").items.into_iter().find(|job| job.expires_at.is_none()).expect("it sleeps").id;
    let leases = house.lease(&broker, 1).await;
    let error = || crate::ErrorInfo { code: "c".into(), message: "m".into(), fingerprint: "f".into() };
    let dies = Wait {
        on: WaitOn::Signal("never".into()),
        timeout: Some(Duration::from_millis(500)),
        on_timeout: WaitPolicy::Die,
        on_child_failed: WaitPolicy::Ignore,
    };
    let outcomes = [
        Some(Outcome::Complete { output: None }),
        Some(Outcome::Dead { reason: Reason::Fatal, error: error() }),
        Some(Outcome::Cancel),
        None,
        Some(Outcome::Retry { after: HOUR * 9, error: error() }),
        None,
        Some(Outcome::Wait(dies)),
        None,
    ];
    for (lease, outcome) in leases.iter().zip(outcomes) {
        if let Some(outcome) = outcome {
            broker.ack(&house.queue, "w", House::ack(lease, outcome)).await.expect("an answer").remove(0).expect("acked");
        }
    }
    let stop = [leases[3].job.id, leases[7].job.id, by_hand];
    broker.cancel(&Scope::All, &stop).await.expect("an answer");
    broker.ack(&house.queue, "w", House::ack(&leases[3], Outcome::Retry { after: HOUR, error: error() })).await.expect("acked");
    broker.give_up(&Scope::All, leases[4].job.id).await.expect("given up");
    // A lease whose reply never arrived is given back, and ends if it was to be cancelled.
    broker.extend(&house.queue, "w", &[], 1, LEASE).await.expect("an answer");
    house.clock.advance(Duration::from_secs(1));
    broker.tick(&house.queue, LEASE).await.expect("a tick");
    for (label, id) in &followers {
        let job = house.get(&broker, *id).await;
        if label == "crashed" {
            assert_eq!(job.state, State::Waiting, "its leader was given back and is ready");
            let leader = leases[5].job.id;
            broker.cancel(&Scope::All, &[leader]).await.expect("an answer").remove(0).expect("cancelled");
            assert_eq!(house.get(&broker, *id).await.state, State::Ready);
            continue;
        }
        assert_eq!(job.state, State::Ready, "{label}");
    }
    assert_eq!(house.count(&broker, "SELECT count(*) FROM followers").await, 0);
    house.assert_counted(&broker).await;
}

#[tokio::test]
async fn a_lost_lease_that_is_the_last_one_wakes_who_waits_for_it() {
    let house = House::new();
    let broker = house.open();
    let job = house.job(&broker).await;
    let leader = NewJob { policy: crate::Policy { crashes_max: 1, ..job.policy.clone() }, ..job };
    let behind = house.behind(&broker, leader.id, "behind").await;
    let follower = behind.id;
    broker.enqueue(vec![leader, behind]).await.expect("an answer");
    assert_eq!(house.lease(&broker, 1).await.len(), 1);
    broker.tick(&house.queue, LEASE * 10).await.expect("a tick");
    house.clock.advance(LEASE * 2);
    assert_eq!(broker.tick(&house.queue, LEASE * 10).await.expect("a tick").reaped, 1);
    assert_eq!(house.get(&broker, follower).await.state, State::Ready);
    house.assert_counted(&broker).await;
}

#[tokio::test]
async fn who_is_woken_and_timed_out_by_one_tick_is_counted_once() {
    let house = House::new();
    let broker = house.open();
    let leader = house.put(&broker).await;
    let lease = house.lease(&broker, 1).await.remove(0);
    let wait = |on, on_timeout| Wait { on, timeout: Some(Duration::from_secs(5)), on_timeout, on_child_failed: WaitPolicy::Ignore };
    let behind = house.behind(&broker, leader, "behind").await;
    let follower = behind.id;
    let behind = NewJob { wait: Some(wait(WaitOn::Job(leader), WaitPolicy::Wake)), ..behind };
    let dies = wait(WaitOn::Signal("never".into()), WaitPolicy::Die);
    broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Wait(dies))).await.expect("an answer").remove(0).expect("it waits");
    broker.enqueue(vec![behind]).await.expect("an answer").remove(0).expect("taken");
    house.clock.advance(Duration::from_secs(5));
    broker.tick(&house.queue, LEASE * 10).await.expect("a tick");
    assert_eq!((house.get(&broker, leader).await.state, house.get(&broker, follower).await.state), (State::Dead, State::Ready));
    house.assert_counted(&broker).await;
}

#[tokio::test]
async fn a_long_run_under_cancel_gathers_no_followers() {
    let house = House::new();
    let broker = house.open();
    house.plan(&broker, house.planned("s", Overlap::Cancel)).await;
    let first = house.ticks(&broker, "s", 1).await[0].job.expect("its job");
    let lease = house.lease(&broker, 1).await.remove(0);
    assert_eq!(lease.job.id, first);
    let mut held = None;
    for round in 0..3 {
        for record in house.ticks(&broker, "s", 120).await {
            assert_eq!(record.outcome, TickOutcome::Held, "{round}");
            held = record.job;
        }
    }
    assert!(house.count(&broker, "SELECT count(*) FROM followers").await <= 101);
    assert_eq!(house.count(&broker, "SELECT count(*) FROM jobs WHERE state = 4").await, 1);
    assert_eq!(house.count(&broker, "SELECT count(*) FROM ticks").await, i64::try_from(TICKS_KEPT).expect("a small number"));
    broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Cancel)).await.expect("acked");
    assert_eq!(Some(house.lease(&broker, 2).await.remove(0).job.id), held);
    assert_eq!(house.count(&broker, "SELECT count(*) FROM followers").await, 0);
    house.assert_counted(&broker).await;
}
