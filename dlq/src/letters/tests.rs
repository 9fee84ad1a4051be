//! Taking back and removing.

use crate::{Verdict, replay::tests::Nothing, testing::House};
use longshore_base::Code;
use longshore_queue::{Broker, BrokerError, Reason, Replay, Scope, State};
use serde_json::json;

#[tokio::test]
async fn what_has_not_begun_is_taken_back_and_the_rest_is_told() {
    let house = House::new();
    let operation = house.id().await;
    let letters = [house.letter("q", "acme", json!({}), "a").await, house.letter("p", "acme", json!({}), "a").await];
    house.letters().replay(&letters, operation, None, &Nothing).await.unwrap();
    house.lease(Replay::id_of(letters[1], operation)).await;
    for round in 0..2 {
        let verdicts = house.letters().undo(&letters, operation).await.unwrap();
        assert_eq!(verdicts[0], Verdict::Done(letters[0]), "round {round}");
        assert!(matches!(&verdicts[1], Verdict::Refused(detail) if detail.contains("running")), "{verdicts:?}");
    }
    let back = house.job(letters[0]).await;
    assert_eq!((back.state, back.replayed, back.replays.len()), (State::Dead, false, 1));
    let repeat = house.job(Replay::id_of(letters[0], operation)).await;
    assert_eq!((repeat.state, repeat.reason), (State::Cancelled, Some(Reason::Undone)));
    let second = house.id().await;
    let again = house.letters().replay(&letters[..1], second, None, &Nothing).await.unwrap();
    assert_eq!(again, [Verdict::Done(Replay::id_of(letters[0], second))], "it can be repeated again");
}

#[tokio::test]
async fn letters_are_removed_and_nothing_else_is() {
    let house = House::new();
    let operation = house.id().await;
    let letter = house.letter("q", "acme", json!({}), "a").await;
    let repeated = house.letter("q", "acme", json!({}), "a").await;
    house.letters().replay(&[repeated], operation, None, &Nothing).await.unwrap();
    let living = house.put("p", "acme", json!({}), 1).await;
    let ids = [living, letter, repeated];
    let verdicts = [Verdict::Skipped, Verdict::Done(letter), Verdict::Skipped];
    assert_eq!(house.letters().purge(&ids).await.unwrap(), verdicts);
    assert_eq!(house.letters().purge(&ids).await.unwrap(), verdicts, "repeated, it is the same");
    let there = house.broker.get(&Scope::All, &ids).await.unwrap();
    assert_eq!(there.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let other = house.letter("q", "acme", json!({}), "a").await;
    house.of("other").purge(&[other]).await.unwrap();
    assert_eq!(house.job(other).await.state, State::Dead, "another tenant's stays");
}

#[test]
fn what_may_succeed_later_is_no_verdict() {
    assert!(Verdict::of(BrokerError::Unavailable("x".into())).is_err());
    assert_eq!(Verdict::of(BrokerError::NotFound).unwrap(), Verdict::Skipped);
    let conflict = |code| Verdict::of(BrokerError::Conflict { code, detail: "why".into() }).unwrap();
    assert_eq!(conflict(Code::NotRetryable), Verdict::Skipped);
    assert_eq!(conflict(Code::UniqueTaken), Verdict::Refused("why".into()));
}
