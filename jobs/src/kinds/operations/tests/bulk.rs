//! Living jobs, many at once.

use super::{LATER, begin, end, error, fatal, finish, leased, once, put, run, told};
use crate::{
    operations::{BULK, signature},
    testing::{House, LEASE, NOW, name},
};
use longshore_queue::{Broker, EventKind, JobId, Outcome, Reason, Relocation, Scope, State};
use serde_json::{Value, json};
use std::time::Duration;

fn change(verb: &str, value: Value, more: Value) -> Value {
    let mut args = json!({"verb": verb, "filter": {"queue": "q"}, "value": value, "before": LATER});
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    args
}

async fn jobs(house: &House, n: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for ms in 0..n {
        ids.push(put(house, "q", "acme", "demo.sleep", json!({ "ms": ms })).await);
    }
    ids
}

#[tokio::test]
async fn a_cancel_ends_what_waits_and_asks_what_runs() {
    let house = House::standard().await;
    let ids = jobs(&house, 4).await;
    let runs = house.lease(&name("q")).await.unwrap();
    let retries = house.lease(&name("q")).await.unwrap();
    end(&house, &retries, Outcome::Retry { after: Duration::from_hours(1), error: error("alpha") }).await;
    let other = put(&house, "p", "acme", "demo.sleep", json!({"ms": 1})).await;
    let id = begin(&house, "acme", BULK, change("cancel", Value::Null, json!({}))).await;
    let (tally, _) = finish(&house, id).await;
    assert_eq!(told(&tally), json!({"total": 4, "done": 4, "changed": 4, "skipped": 0, "refused_count": 0}));
    for id in &ids {
        let job = house.job(*id).await;
        assert!(job.state == State::Cancelled || job.id == runs.job.id && job.cancel_requested, "{job:?}");
    }
    assert_eq!(house.job(other).await.state, State::Ready);
    let everything = json!({"filter": {}});
    let id = begin(&house, "acme", BULK, change("cancel", Value::Null, everything)).await;
    assert_eq!(finish(&house, id).await.0.changed, Some(2), "the operation is not its own");
}

#[tokio::test]
async fn moved_jobs_go_on_in_the_other_queue_once() {
    let house = House::standard().await;
    let ids = jobs(&house, 12).await;
    let runs = house.lease(&name("q")).await.unwrap().job.id;
    let id = begin(&house, "acme", BULK, change("move", json!("slow"), json!({"per_second": 5}))).await;
    assert_eq!(once(&house, id).await, None);
    // Killed after a batch that was not counted.
    let rest: Vec<_> = ids.iter().copied().filter(|id| *id != runs).skip(5).collect();
    let cx = leased(&house, id).await;
    cx.move_jobs(&rest[..3], &name("slow")).await.unwrap();
    house.clock.advance(2 * LEASE);
    let (tally, _) = finish(&house, id).await;
    assert_eq!(told(&tally), json!({"total": 11, "done": 11, "changed": 11, "skipped": 0, "refused_count": 0}));
    let home = house.broker.home(&name("slow")).await.unwrap();
    for old in ids.iter().filter(|old| **old != runs) {
        let job = house.job(*old).await;
        let new = Relocation::id_of(*old, id, home);
        assert_eq!((job.state, job.reason, job.moved_to), (State::Cancelled, Some(Reason::Moved), Some(new)));
        let moved = house.job(new).await;
        assert_eq!((moved.state, moved.moved_from, moved.queue), (State::Ready, Some(*old), name("slow")));
    }
    assert_eq!(house.broker.stats(&Scope::All, &name("slow")).await.unwrap().ready, 11);
    let back = json!({"filter": {}});
    let id = begin(&house, "acme", BULK, change("move", json!("slow"), back)).await;
    assert_eq!(told(&finish(&house, id).await.0)["changed"], 0, "they are there already");
}

#[tokio::test]
async fn edits_are_made_once_and_name_their_operation() {
    let house = House::standard().await;
    let ids = jobs(&house, 6).await;
    let id = begin(&house, "acme", BULK, change("priority", json!(8), json!({"per_second": 2}))).await;
    assert_eq!(once(&house, id).await, None);
    let cx = leased(&house, id).await;
    cx.prioritise_jobs(&ids[2..4], longshore_queue::Priority::new(8).unwrap()).await.unwrap();
    house.clock.advance(2 * LEASE);
    let (tally, _) = finish(&house, id).await;
    assert_eq!((tally.done, tally.changed, tally.skipped), (6, Some(6), 0));
    for job in &ids {
        let job = house.job(*job).await;
        let edits: Vec<_> = job.history.iter().filter(|event| event.what == EventKind::Edited).collect();
        assert_eq!((job.priority.get(), edits.len()), (8, 1));
        assert_eq!((edits[0].worker.as_deref(), edits[0].before.as_deref()), (Some(signature(id).as_str()), Some("priority 5")));
    }
    let again = begin(&house, "acme", BULK, change("priority", json!(8), json!({}))).await;
    let (tally, _) = finish(&house, again).await;
    assert_eq!((tally.changed, tally.skipped), (Some(0), 6), "they have it already");
}

#[tokio::test]
async fn a_postponed_job_is_never_brought_forward() {
    let house = House::standard().await;
    let ids = jobs(&house, 2).await;
    let edit = longshore_queue::Edit { due: Some(longshore_queue::Due::At(NOW + 7_200_000)), ..Default::default() };
    let revision = house.job(ids[1]).await.revision;
    house.broker.edit(&Scope::All, ids[1], revision, edit).await.unwrap();
    let id = begin(&house, "acme", BULK, change("postpone", json!("2026-11-22T01:00:00Z"), json!({}))).await;
    let (tally, _) = finish(&house, id).await;
    assert_eq!((tally.changed, tally.skipped), (Some(1), 1));
    assert_eq!(house.job(ids[0]).await.due_at, Some(NOW + 3_600_000));
    assert_eq!(house.job(ids[1]).await.due_at, Some(NOW + 7_200_000));
}

#[tokio::test]
async fn a_value_that_does_not_go_with_the_verb_is_fatal() {
    let house = House::standard().await;
    let id = begin(&house, "acme", BULK, change("priority", json!("high"), json!({}))).await;
    let cx = leased(&house, id).await;
    assert_eq!(fatal(run(&cx).await).1, "/value: \"high\" does not go with it");
}
