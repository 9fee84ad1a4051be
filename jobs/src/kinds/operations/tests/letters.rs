//! Replays and purges.

use super::{LATER, begin, close, end, error, fatal, finish, leased, letter, letter_in, letters, once, put, repeats, run, told};
use crate::{
    Context, Failure,
    kinds::operations::{
        course::{self, Course},
        kept::Kept,
        purge::Purging,
        replay,
    },
    operations::{PURGE, REPLAY, ReplayArgs, Tally},
    testing::{House, LEASE, NOW, name},
};
use longshore_base::Clock;
use longshore_dlq::{Search, Verdict};
use longshore_queue::{Broker, JobId, Outcome, Reason, Replay, Scope, State};
use serde_json::{Value, json};
use std::time::Duration;

fn all(more: Value) -> Value {
    let mut args = json!({"filter": {"fingerprint": "alpha"}, "before": LATER});
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    args
}

#[tokio::test]
async fn letters_are_repeated_at_the_rate_and_oldest_first() {
    let house = House::standard().await;
    let ids = letters(&house, 25).await;
    let other = letter(&house, "acme", json!({"ms": 1}), "beta").await;
    let id = begin(&house, "acme", REPLAY, all(json!({"per_second": 10}))).await;
    assert_eq!(once(&house, id).await, None);
    let first: Vec<_> = ids[..10].iter().map(|letter| Replay::id_of(*letter, id)).collect();
    let mut made = repeats(&house).await;
    made.sort_unstable_by_key(|repeat| first.iter().position(|id| id == repeat));
    assert_eq!(made, first);
    let progress: Value = serde_json::from_str(house.job(id).await.progress.unwrap().get()).unwrap();
    assert_eq!((&progress["total"], &progress["done"], &progress["replayed"]), (&json!(25), &json!(10), &json!(10)));
    let (tally, sleeps) = finish(&house, id).await;
    assert_eq!(told(&tally), json!({"total": 25, "done": 25, "replayed": 25, "skipped": 0, "refused_count": 0, "well": 0, "failing": 0}));
    assert_eq!((repeats(&house).await.len(), sleeps), (25, 2), "and a last second for the results");
    assert!(!house.job(other).await.replayed);
    let again = begin(&house, "acme", REPLAY, all(json!({}))).await;
    assert_eq!(told(&finish(&house, again).await.0)["total"], 0, "what was repeated is no letter any more");
}

#[tokio::test]
async fn a_kill_at_any_moment_repeats_nothing_and_counts_right() {
    let house = House::standard().await;
    let ids = letters(&house, 30).await;
    let args = all(json!({"per_second": 10}));
    let id = begin(&house, "acme", REPLAY, args.clone()).await;
    // After the search.
    let cx = leased(&house, id).await;
    let mut args: ReplayArgs = serde_json::from_value(args).unwrap();
    args.before = NOW + 10_000_000;
    drop(Kept::begin(&replay::Replaying { search: args.search().unwrap(), args }, &cx).await.unwrap());
    house.clock.advance(2 * LEASE);
    // In the middle of a batch, before its counts.
    let cx = leased(&house, id).await;
    cx.replay_letters(&ids[..7], None).await.unwrap();
    house.clock.advance(2 * LEASE);
    assert_eq!(once(&house, id).await, None);
    // After the counts, before the end of the run.
    let cx = leased(&house, id).await;
    assert!(run(&cx).await.is_err());
    house.clock.advance(2 * LEASE);
    let (tally, _) = finish(&house, id).await;
    assert_eq!((tally.total, tally.done, tally.replayed, tally.skipped), (30, 30, Some(30), 0));
    assert_eq!(repeats(&house).await.len(), 30);
    for letter in ids {
        assert_eq!(house.job(letter).await.replays, [Replay::id_of(letter, id)]);
    }
}

/// Leases the repeats that are there and ends them.
async fn answer(house: &House, outcome: impl Fn(usize) -> Outcome) {
    let mut n = 0;
    while let Some(lease) = house.lease(&name("dying")).await {
        end(house, &lease, outcome(n)).await;
        n += 1;
    }
}

#[tokio::test]
async fn too_many_failures_stop_it_from_the_twentieth_result_on() {
    let house = House::standard().await;
    letters(&house, 100).await;
    let id = begin(&house, "acme", REPLAY, all(json!({"per_second": 15, "stop_when_failing": 0.5}))).await;
    let fails = |n: usize| match n % 3 {
        0 => Outcome::Complete { output: None },
        1 => Outcome::Retry { after: Duration::from_hours(1), error: error("alpha") },
        _ => Outcome::Dead { reason: Reason::Fatal, error: error("alpha") },
    };
    assert_eq!(once(&house, id).await, None);
    answer(&house, fails).await;
    assert_eq!(once(&house, id).await, None, "fifteen results are too few");
    answer(&house, fails).await;
    let tally = once(&house, id).await.expect("it stops");
    assert_eq!((tally.total, tally.done, tally.replayed), (100, 30, Some(30)));
    assert_eq!((tally.well, tally.failing), (Some(10), Some(20)));
    assert_eq!(tally.stopped.as_deref(), Some("20 of 30 first results are failures; stop_when_failing is 0.5"));
    let dead = house.broker.stats(&Scope::All, &name("dying")).await.unwrap().dead;
    assert_eq!(dead, 70 + 10, "seventy that it did not come to, and ten repeats that died");
}

#[tokio::test]
async fn few_failures_let_it_go_on() {
    let house = House::standard().await;
    letters(&house, 60).await;
    let id = begin(&house, "acme", REPLAY, all(json!({"per_second": 30, "stop_when_failing": 0.5}))).await;
    for _ in 0..2 {
        assert_eq!(once(&house, id).await, None);
        answer(&house, |n| match n % 3 {
            0 => Outcome::Retry { after: Duration::from_hours(1), error: error("alpha") },
            _ => Outcome::Complete { output: None },
        })
        .await;
    }
    let (tally, _) = finish(&house, id).await;
    assert_eq!((tally.replayed, tally.well, tally.failing, tally.stopped), (Some(60), Some(40), Some(20), None));
}

#[tokio::test]
async fn a_patch_that_a_kind_refuses_is_told_and_the_others_go_on() {
    let house = House::standard().await;
    let good = letter(&house, "acme", json!({"ms": 1}), "alpha").await;
    let id = begin(&house, "acme", REPLAY, all(json!({"args_patch": {"ms": 5}}))).await;
    assert_eq!(finish(&house, id).await.0.replayed, Some(1));
    assert_eq!(house.job(Replay::id_of(good, id)).await.args.get(), r#"{"ms":5}"#);
    let mut bad = Vec::new();
    for _ in 0..25 {
        bad.push(letter_in(&house, "late", "acme", json!({"ms": 1}), "alpha").await);
    }
    let id = begin(&house, "acme", REPLAY, all(json!({"args_patch": {"ms": "soon"}}))).await;
    let (tally, _) = finish(&house, id).await;
    assert_eq!((tally.total, tally.done, tally.replayed, tally.refused_count), (25, 25, Some(0), 25));
    assert_eq!((tally.refused.len(), tally.refused[0].id), (25, bad[0]));
    assert_eq!(tally.refused[0].detail, r#"/args/ms: "soon" has the wrong type"#);
    assert_eq!(house.job(bad[3]).await.args.get(), r#"{"ms":1}"#);
}

#[tokio::test]
async fn a_tenants_operation_sees_its_own_letters_and_an_operators_all() {
    let house = House::standard().await;
    let own = letter(&house, "acme", json!({"ms": 1}), "alpha").await;
    let other = letter(&house, "other", json!({"ms": 1}), "alpha").await;
    let id = begin(&house, "acme", PURGE, json!({"ids": [own, other], "before": LATER})).await;
    let (tally, _) = finish(&house, id).await;
    assert_eq!(told(&tally), json!({"total": 1, "done": 1, "purged": 1, "skipped": 0, "refused_count": 0}));
    let there = house.broker.get(&Scope::All, &[own, other]).await.unwrap();
    assert_eq!(there.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    let id = begin(&house, "operations", PURGE, json!({"filter": {}, "before": LATER})).await;
    assert_eq!(finish(&house, id).await.0.purged, Some(1));
}

#[tokio::test]
async fn letters_that_die_after_the_call_are_no_part_of_it() {
    let house = House::standard().await;
    let early = letters(&house, 2).await;
    let before = house.clock.now() + 1;
    let late = letter(&house, "acme", json!({"ms": 1}), "alpha").await;
    let id = begin(&house, "acme", PURGE, json!({"filter": {}, "before": before})).await;
    let between = letter(&house, "acme", json!({"ms": 1}), "alpha").await;
    assert_eq!(finish(&house, id).await.0.purged, Some(early.len() as u64));
    let id = begin(&house, "acme", PURGE, json!({"ids": [late], "before": 0})).await;
    assert_eq!(finish(&house, id).await.0.purged, Some(1), "one that is named is meant");
    let id = begin(&house, "acme", PURGE, json!({"filter": {}, "before": LATER})).await;
    let after = letter(&house, "acme", json!({"ms": 1}), "alpha").await;
    assert_eq!(finish(&house, id).await.0.purged, Some(1), "the call's clock is ahead, and the operation's own time holds");
    assert!(house.broker.get(&Scope::All, &[between]).await.unwrap()[0].is_none());
    assert_eq!(house.job(after).await.state, State::Dead);
}

#[tokio::test]
async fn a_killed_purge_counts_what_it_had_removed() {
    let house = House::standard().await;
    let ids = letters(&house, 5).await;
    let id = begin(&house, "acme", PURGE, all(json!({}))).await;
    let cx = leased(&house, id).await;
    let search = Search::letters(&Default::default(), LATER);
    drop(Kept::begin(&Purging { search }, &cx).await.unwrap());
    cx.purge_letters(&ids[..3]).await.unwrap();
    house.clock.advance(2 * LEASE);
    assert_eq!(told(&finish(&house, id).await.0), json!({"total": 5, "done": 5, "purged": 5, "skipped": 0, "refused_count": 0}));
}

#[tokio::test]
async fn a_cancel_ends_it_before_the_next_batch() {
    let house = House::standard().await;
    letters(&house, 30).await;
    let id = begin(&house, "acme", REPLAY, all(json!({"per_second": 10}))).await;
    assert_eq!(once(&house, id).await, None);
    assert_eq!(house.broker.cancel(&Scope::All, &[id]).await.unwrap().remove(0).unwrap(), State::Cancelled);
    assert_eq!(repeats(&house).await.len(), 10);
    begin(&house, "acme", REPLAY, all(json!({"per_second": 10}))).await;
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    let lease = house.lease(&name("operations")).await.unwrap();
    let cx = house.context_with(lease, stop);
    assert!(matches!(run(&cx).await, Err(Failure::Cancelled)));
    assert_eq!(repeats(&house).await.len(), 10);
    close(&house, &cx, Outcome::Cancel).await;
}

#[tokio::test]
async fn args_that_name_nothing_are_fatal() {
    let house = House::standard().await;
    let id = begin(&house, "acme", PURGE, json!({"before": 1})).await;
    let cx = leased(&house, id).await;
    assert_eq!(fatal(run(&cx).await).1, "/filter: the field is missing");
}

/// A purge that keeps few jobs as the next ones.
struct Piecewise(Purging);

impl Course for Piecewise {
    const PART: usize = 7;
    fn search(&self) -> &Search {
        self.0.search()
    }
    fn per_second(&self) -> usize {
        5
    }
    fn count<'a>(&self, tally: &'a mut Tally) -> &'a mut Option<u64> {
        self.0.count(tally)
    }
    async fn act(&self, ids: &[JobId], cx: &Context) -> Result<Vec<Verdict>, Failure> {
        self.0.act(ids, cx).await
    }
}

#[tokio::test]
async fn more_letters_than_are_kept_at_once_are_found_piece_by_piece() {
    let house = House::standard().await;
    letters(&house, 30).await;
    // As many died in one and the same millisecond.
    let mut leases = Vec::new();
    for ms in 0..30 {
        put(&house, "dying", "acme", "demo.sleep", json!({ "ms": ms })).await;
        leases.push(house.lease(&name("dying")).await.unwrap());
    }
    for lease in &leases {
        end(&house, lease, Outcome::Dead { reason: Reason::Fatal, error: error("alpha") }).await;
    }
    letter(&house, "acme", json!({"ms": 1}), "alpha").await;
    let id = begin(&house, "acme", PURGE, all(json!({}))).await;
    let course = Piecewise(Purging { search: Search::letters(&Default::default(), LATER) });
    let mut runs = 0;
    let tally = loop {
        let cx = leased(&house, id).await;
        runs += 1;
        match course::run(&course, &cx).await {
            Ok(tally) => break tally,
            Err(Failure::Snooze(after)) => close(&house, &cx, Outcome::Snooze { after }).await,
            Err(other) => panic!("{other:?}"),
        }
        let kept: Value = serde_json::from_str(house.broker.saved(id).await.unwrap().cursor.unwrap().get()).unwrap();
        assert!(kept["part"].as_str().unwrap().len() <= 7 * 22, "a piece and no more is kept: {kept}");
    };
    assert_eq!(told(&tally), json!({"total": 61, "done": 61, "purged": 61, "skipped": 0, "refused_count": 0}));
    assert!((13..=20).contains(&runs), "{runs} runs");
    assert_eq!(house.broker.stats(&Scope::All, &name("dying")).await.unwrap().dead, 0);
}
