//! Taking operations back.

use super::{LATER, begin, fatal, finish, leased, letter_in, letters, once, put, run, told};
use crate::{
    operations::{BULK, PURGE, REPLAY, UNDO},
    testing::{House, LEASE, NOW, name},
};
use longshore_queue::{Broker, Priority, Reason, Replay, Scope, State};
use serde_json::json;

#[tokio::test]
async fn a_replay_is_taken_back_as_far_as_it_has_not_begun() {
    let house = House::standard().await;
    let ids = letters(&house, 5).await;
    let replay = begin(&house, "acme", REPLAY, json!({"filter": {}, "before": LATER})).await;
    finish(&house, replay).await;
    let other = letter_in(&house, "late", "acme", json!({"ms": 9}), "alpha").await;
    let second = begin(&house, "acme", REPLAY, json!({"ids": [other], "before": LATER})).await;
    finish(&house, second).await;
    let started = house.lease(&name("dying")).await.unwrap().job;
    assert_eq!(house.broker.stats(&Scope::All, &name("dying")).await.unwrap().dead, 0);

    let undo = begin(&house, "acme", UNDO, json!({"operation": replay})).await;
    let (tally, _) = finish(&house, undo).await;
    assert_eq!(told(&tally), json!({"total": 5, "done": 5, "undone": 4, "skipped": 0, "refused_count": 1}));
    assert_eq!(Some(tally.refused[0].id), started.replay_of);
    assert!(tally.refused[0].detail.contains("running"), "{}", tally.refused[0].detail);
    for id in ids.iter().filter(|id| Some(**id) != started.replay_of) {
        let (letter, repeat) = (house.job(*id).await, house.job(Replay::id_of(*id, replay)).await);
        assert_eq!((letter.state, letter.replayed), (State::Dead, false));
        assert_eq!((repeat.state, repeat.reason), (State::Cancelled, Some(Reason::Undone)));
    }
    assert!(house.job(other).await.replayed, "another operation's stays");
    let groups = house.broker.groups(&Scope::All, None).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.count).collect::<Vec<_>>(), [4]);

    let third = begin(&house, "acme", REPLAY, json!({"filter": {}, "before": LATER})).await;
    assert_eq!(finish(&house, third).await.0.replayed, Some(4), "after the fix they are repeated again");
}

#[tokio::test]
async fn a_killed_undo_counts_right() {
    let house = House::standard().await;
    let ids = letters(&house, 5).await;
    let replay = begin(&house, "acme", REPLAY, json!({"ids": ids, "before": LATER})).await;
    finish(&house, replay).await;
    let undo = begin(&house, "acme", UNDO, json!({"operation": replay})).await;
    let cx = leased(&house, undo).await;
    // It is killed after its run, before the ack: everything is back and counted.
    assert_eq!(run(&cx).await.unwrap().undone, Some(5));
    house.clock.advance(2 * LEASE);
    assert_eq!(told(&finish(&house, undo).await.0), json!({"total": 5, "done": 5, "undone": 5, "skipped": 0, "refused_count": 0}));
}

#[tokio::test]
async fn a_priority_and_a_due_time_come_back_where_nobody_changed_them_since() {
    let house = House::standard().await;
    let mut ids = Vec::new();
    for ms in 0..4 {
        ids.push(put(&house, "q", "acme", "demo.sleep", json!({ "ms": ms })).await);
    }
    let args = json!({"verb": "priority", "filter": {"queue": "q"}, "value": 9, "before": LATER});
    let first = begin(&house, "acme", BULK, args).await;
    assert_eq!(finish(&house, first).await.0.changed, Some(4));
    let edit = longshore_queue::Edit { priority: Priority::new(2), by: Some("ops".into()), ..Default::default() };
    let revision = house.job(ids[0]).await.revision;
    house.broker.edit(&Scope::All, ids[0], revision, edit).await.unwrap();
    assert_eq!(house.lease(&name("q")).await.unwrap().job.id, ids[1]);
    let undo = begin(&house, "acme", UNDO, json!({"operation": first})).await;
    let (tally, _) = finish(&house, undo).await;
    assert_eq!(told(&tally), json!({"total": 3, "done": 3, "undone": 2, "skipped": 1, "refused_count": 0}));
    let mut now = Vec::new();
    for id in &ids {
        now.push(house.job(*id).await.priority.get());
    }
    assert_eq!(now, [2, 9, 5, 5]);

    let args = json!({"verb": "postpone", "filter": {"queue": "q", "state": "ready"}, "value": 3_600_000, "before": NOW + 60_000});
    let second = begin(&house, "acme", BULK, args).await;
    assert_eq!(finish(&house, second).await.0.changed, Some(3));
    let put_off = house.job(ids[2]).await;
    assert_eq!((put_off.state, put_off.due_at), (State::Scheduled, Some(NOW + 60_000 + 3_600_000)));
    let undo = begin(&house, "acme", UNDO, json!({"operation": second})).await;
    assert_eq!(finish(&house, undo).await.0.undone, Some(3), "whatever state the change has led to");
    let back = house.job(ids[2]).await;
    assert_eq!((back.state, back.due_at), (State::Ready, None));
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_refused() {
    let house = House::standard().await;
    let ids = letters(&house, 30).await;
    let running = begin(&house, "acme", REPLAY, json!({"ids": ids, "per_second": 10, "before": LATER})).await;
    assert_eq!(once(&house, running).await, None);
    let undo = begin(&house, "acme", UNDO, json!({"operation": running})).await;
    let cx = leased(&house, undo).await;
    let (code, detail) = fatal(run(&cx).await);
    assert_eq!(code, "operations.not_undoable");
    assert!(detail.ends_with("is scheduled; it can be taken back after its end"), "{detail}");
}

#[tokio::test]
async fn only_replays_and_edits_can_be_taken_back() {
    let house = House::standard().await;
    letters(&house, 1).await;
    put(&house, "q", "acme", "demo.sleep", json!({"ms": 1})).await;
    let cancel = begin(&house, "acme", BULK, json!({"verb": "cancel", "filter": {"queue": "q"}, "before": LATER})).await;
    finish(&house, cancel).await;
    let purge = begin(&house, "acme", PURGE, json!({"filter": {}, "before": LATER})).await;
    finish(&house, purge).await;
    for (tenant, operation, expected) in
        [("acme", cancel, "operations.not_undoable"), ("operations", purge, "operations.not_undoable"), ("other", cancel, "handler.failed")]
    {
        let undo = begin(&house, tenant, UNDO, json!({"operation": operation})).await;
        let cx = leased(&house, undo).await;
        assert_eq!(fatal(run(&cx).await).0, expected);
        super::close(&house, &cx, longshore_queue::Outcome::Cancel).await;
    }
}
