//! Repeating letters, once.

use super::{ArgsFault, CheckArgs};
use crate::{
    Search, Verdict, Wanted,
    testing::{House, NOW},
};
use async_trait::async_trait;
use longshore_queue::{BrokerError, Job, JobId, Json, Replay, State, json as raw};
use serde_json::{Value, json};

/// Asked for nothing.
pub(crate) struct Nothing;

#[async_trait]
impl CheckArgs for Nothing {
    async fn check(&self, _: &Job, _: JobId, args: &Value) -> Result<Json, ArgsFault> {
        panic!("asked about {args}");
    }
    async fn args(&self, letter: &Job) -> Result<Value, ArgsFault> {
        panic!("asked for the args of {}", letter.id);
    }
    async fn share(&self, letter: &Job, new: JobId) -> Result<(), ArgsFault> {
        assert_ne!(letter.id, new);
        Ok(())
    }
}

/// Takes numbers in `to` only.
struct Numbers;

#[async_trait]
impl CheckArgs for Numbers {
    async fn check(&self, letter: &Job, new: JobId, args: &Value) -> Result<Json, ArgsFault> {
        assert_eq!(letter.kind.as_str(), "demo.fail");
        assert_ne!(letter.id, new);
        match &args["to"] {
            Value::Number(_) => Ok(raw(args)),
            Value::Bool(_) => Err(ArgsFault::Broker(BrokerError::Unavailable("gone".into()))),
            other => Err(ArgsFault::Refused(format!("/args/to: {other} has the wrong type"))),
        }
    }
    async fn args(&self, letter: &Job) -> Result<Value, ArgsFault> {
        Ok(serde_json::from_str(letter.args.get()).expect("args"))
    }
    async fn share(&self, letter: &Job, _: JobId) -> Result<(), ArgsFault> {
        panic!("{} is repeated with other args", letter.id);
    }
}

/// Has lost the files of letters.
struct Lost;

#[async_trait]
impl CheckArgs for Lost {
    async fn check(&self, _: &Job, _: JobId, args: &Value) -> Result<Json, ArgsFault> {
        panic!("asked about {args}");
    }
    async fn args(&self, _: &Job) -> Result<Value, ArgsFault> {
        Err(ArgsFault::Refused("files.missing".to_owned()))
    }
    async fn share(&self, _: &Job, _: JobId) -> Result<(), ArgsFault> {
        Err(ArgsFault::Refused("files.missing".to_owned()))
    }
}

#[tokio::test]
async fn a_letter_whose_args_are_lost_is_told_and_left() {
    let house = House::new();
    let operation = house.id().await;
    let letter = house.letter("q", "acme", json!({"n": 1}), "a").await;
    for patch in [None, Some(&json!({"n": 2}))] {
        let verdicts = house.letters().replay(&[letter], operation, patch, &Lost).await.unwrap();
        assert_eq!(verdicts, [Verdict::Refused("files.missing".to_owned())]);
    }
    assert!(house.job(letter).await.replays.is_empty());
}

#[tokio::test]
async fn a_letter_is_repeated_once_by_an_operation() {
    let house = House::new();
    let operation = house.id().await;
    let letters = [house.letter("q", "acme", json!({"n": 1}), "a").await, house.letter("q", "acme", json!({"n": 2}), "b").await];
    let new: Vec<_> = letters.iter().map(|id| Replay::id_of(*id, operation)).collect();
    let done: Vec<_> = new.iter().map(|id| Verdict::Done(*id)).collect();
    assert_eq!(house.letters().replay(&letters, operation, None, &Nothing).await.unwrap(), done);
    assert_eq!(house.letters().replay(&letters, operation, None, &Nothing).await.unwrap(), done, "repeated, it is the same");
    for (old, new) in letters.iter().zip(&new) {
        let (letter, repeat) = (house.job(*old).await, house.job(*new).await);
        assert_eq!((letter.replays, letter.replayed, repeat.replay_of), (vec![*new], true, Some(*old)));
        assert_eq!((repeat.state, repeat.args.get(), repeat.tenant), (State::Ready, letter.args.get(), letter.tenant));
    }
    let other = house.id().await;
    let verdicts = house.letters().replay(&letters, other, None, &Nothing).await.unwrap();
    assert_eq!(verdicts, [Verdict::Skipped, Verdict::Skipped], "somebody else was first");
}

#[tokio::test]
async fn what_is_no_letter_is_skipped() {
    let house = House::new();
    let operation = house.id().await;
    let living = house.put("q", "acme", json!({}), 1).await;
    let letter = house.letter("p", "acme", json!({}), "a").await;
    let gone = house.id().await;
    let verdicts = house.of("acme").replay(&[living, gone, letter], operation, None, &Nothing).await.unwrap();
    assert_eq!(verdicts, [Verdict::Skipped, Verdict::Skipped, Verdict::Done(Replay::id_of(letter, operation))]);
    let letter = house.letter("p", "acme", json!({}), "a").await;
    assert_eq!(house.of("other").replay(&[letter], operation, None, &Nothing).await.unwrap(), [Verdict::Skipped], "another tenant's");
    assert!(!house.job(letter).await.replayed);
}

#[tokio::test]
async fn a_patch_is_checked_letter_by_letter() {
    let house = House::new();
    let operation = house.id().await;
    let letters = [house.letter("q", "acme", json!({"to": 1, "a": 1}), "a").await, house.letter("q", "acme", json!({"a": 1}), "a").await];
    let patch = json!({"a": null, "b": {"c": 2}});
    let verdicts = house.letters().replay(&letters, operation, Some(&patch), &Numbers).await.unwrap();
    let new = Replay::id_of(letters[0], operation);
    assert_eq!(verdicts, [Verdict::Done(new), Verdict::Refused("/args/to: null has the wrong type".into())]);
    assert_eq!(house.job(new).await.args.get(), r#"{"b":{"c":2},"to":1}"#);
    assert_eq!(house.job(letters[0]).await.args.get(), r#"{"a":1,"to":1}"#, "the letter stays as it was");
    assert!(house.job(letters[1]).await.replays.is_empty());
    let error = house.letters().replay(&letters[1..], operation, Some(&json!({"to": true})), &Numbers).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(house.found(&Search::letters(&Wanted::default(), NOW + 1_000_000)).await, [letters[1]]);
}
