//! What a search finds.

use super::{Count, Search};
use crate::{
    Verdict, Wanted,
    testing::{House, NOW, failed, name, wanted},
};
use longshore_base::{Clock, Scope};
use longshore_queue::{Broker, OPERATIONS, Outcome, State};
use serde_json::json;

const LATER: i64 = NOW + 1_000_000;

#[tokio::test]
async fn letters_are_found_oldest_first_up_to_the_time_of_the_call() {
    let house = House::new();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(house.letter("q", "acme", json!({"n": n}), "boom").await);
    }
    house.put("q", "acme", json!({}), 3).await;
    let before = house.clock.now() + 1;
    house.clock.advance(std::time::Duration::from_secs(1));
    house.letter("q", "acme", json!({}), "boom").await;
    assert_eq!(house.found(&Search::letters(&Wanted::default(), before)).await, ids);
    let third = house.job(ids[2]).await.ended_at.unwrap();
    let search = Search::letters(&Wanted::default(), before);
    assert_eq!(house.found(&search.between(third, third + 1)).await, [ids[2]]);
    let one = search.clone().only(Some(vec![ids[4], ids[1], ids[1]]));
    assert_eq!(house.found(&one).await, [ids[1], ids[4]], "named ones, each once, oldest first");
    let count = |most| {
        let (letters, search) = (house.letters(), search.clone());
        async move { letters.count(&search, most).await.unwrap() }
    };
    assert_eq!(count(5).await, Count { count: 5, more: false });
    assert_eq!(count(4).await, Count { count: 4, more: true });
    assert_eq!(house.letters().find(&search, 4).await.unwrap(), None, "more than the bound");
}

#[tokio::test]
async fn a_filter_narrows_it() {
    let house = House::new();
    let a = house.letter("q", "acme", json!({"to": {"region": "eu"}}), "no route to host 10.0.0.1").await;
    let b = house.letter("q", "acme", json!({"to": {"region": "us"}}), "quota of 5 is spent").await;
    let c = house.letter("p", "other", json!({"to": {"region": "us"}}), "quota of 7 is spent").await;
    let find = async |filter| house.found(&Search::letters(&wanted(filter), LATER)).await;
    assert_eq!(find(json!({})).await, [a, b, c]);
    assert_eq!(find(json!({"args": {"/to/region": "us"}})).await, [b, c]);
    assert_eq!(find(json!({"fingerprint": failed("quota of 9 is spent").fingerprint})).await, [b, c]);
    assert_eq!(find(json!({"text": "ROUTE"})).await, [a]);
    assert_eq!(find(json!({"tenant": "other"})).await, [c]);
    assert_eq!(find(json!({"queue": "q", "state": "dead"})).await, [a, b]);
    assert_eq!(find(json!({"state": "ready"})).await, [], "letters are dead and nothing else");
    let seen = house.of("other").find(&Search::letters(&Wanted::default(), LATER), 10).await.unwrap().unwrap();
    assert_eq!(seen.iter().map(|found| found.id).collect::<Vec<_>>(), [c], "a tenant finds its own");
    assert_eq!(house.of("other").count(&Search::letters(&Wanted::default(), LATER).only(Some(vec![a])), 5).await.unwrap().count, 0);
}

#[tokio::test]
async fn operations_are_left_alone_unless_they_are_named() {
    let house = House::new();
    let own = house.letter(OPERATIONS, "acme", json!({}), "boom").await;
    let other = house.letter("q", "acme", json!({}), "boom").await;
    assert_eq!(house.found(&Search::letters(&Wanted::default(), LATER)).await, [other]);
    assert_eq!(house.found(&Search::letters(&wanted(json!({"queue": OPERATIONS})), LATER)).await, [own]);
    assert_eq!(house.found(&Search::letters(&Wanted::default(), LATER).only(Some(vec![own]))).await, [own]);
}

#[tokio::test]
async fn living_jobs_are_found_by_their_states() {
    let house = House::new();
    let ready = house.put("q", "acme", json!({}), 3).await;
    let running = house.lease(ready).await;
    let retrying = house.put("q", "acme", json!({}), 3).await;
    let lease = house.lease(retrying).await;
    house.end(&lease, Outcome::Retry { after: std::time::Duration::from_hours(1), error: failed("x") }).await;
    let waiting = house.put("q", "acme", json!({}), 3).await;
    house.letter("p", "acme", json!({}), "boom").await;
    let all = [State::Scheduled, State::Retrying, State::Waiting, State::Ready, State::Running];
    let living = |filter, states: &[State]| Search::living(&wanted(filter), states, LATER);
    let mut found = house.found(&living(json!({}), &all)).await;
    let mut expected = vec![running.job.id, retrying, waiting];
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(house.found(&living(json!({}), &[State::Retrying])).await, [retrying]);
    assert_eq!(house.found(&living(json!({"state": "retrying"}), &all)).await, [retrying]);
    assert_eq!(house.found(&living(json!({"state": "running"}), &[State::Ready])).await, []);
}

#[tokio::test]
async fn repeated_letters_are_found_by_their_operation_only() {
    let house = House::new();
    let (first, second) = (house.id().await, house.id().await);
    let a = house.letter("q", "acme", json!({}), "boom").await;
    let b = house.letter("q", "acme", json!({}), "boom").await;
    let kept = house.letter("q", "acme", json!({}), "boom").await;
    for (letter, operation) in [(a, first), (b, second)] {
        let verdicts = house.letters().replay(&[letter], operation, None, &crate::replay::tests::Nothing).await.unwrap();
        assert!(matches!(verdicts[..], [Verdict::Done(_)]));
    }
    assert_eq!(house.found(&Search::letters(&Wanted::default(), LATER)).await, [kept], "they are letters no more");
    assert_eq!(house.found(&Search::repeated_by(first, &Wanted::default(), LATER)).await, [a]);
    assert_eq!(house.found(&Search::repeated_by(first, &wanted(json!({"queue": "p"})), LATER)).await, []);
    assert_eq!(house.found(&Search::repeated_by(second, &Wanted::default(), LATER).only(Some(vec![a, b]))).await, [b]);
    let page = house.broker.list(&Scope::Tenant(name("acme")), &Default::default(), 10, None).await.unwrap();
    assert_eq!(page.items.len(), 5, "three letters and two repeats");
}
