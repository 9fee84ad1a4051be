//! Letters as they are looked for: by error, text, time, args, and whether they were repeated.

use super::{
    Case, OTHER, complete, error,
    letters::{letter, replay},
    seeing::{ids, pages},
};
use crate::{ErrorInfo, Filter, Job, JobId, NewJob, Outcome, Reason, Scope, State, Undo, json};
use longshore_base::Name;
use serde_json::{Value, json};
use std::time::Duration;

fn dead(c: &Case) -> Filter {
    Filter { queue: Some(c.queue.clone()), state: Some(State::Dead), ..Filter::default() }
}

async fn found(c: &Case, filter: Filter) -> Vec<JobId> {
    ids(&pages(c, &Scope::All, &filter, 2).await)
}

fn sorted<const N: usize>(mut ids: [JobId; N]) -> [JobId; N] {
    ids.sort();
    ids
}

fn with_args(c: &Case, args: Value) -> NewJob {
    NewJob { args: json(&args), ..c.job() }
}

fn at(pointer: &str, value: Value) -> (String, Value) {
    (pointer.to_owned(), value)
}

/// By the fingerprint of the last error, and no error before it.
pub async fn q5_letters_found_by_fingerprint(c: &Case) {
    let alpha = letter(c, c.job(), "alpha").await;
    let lease = c.run(c.job()).await;
    c.ack(&lease, Outcome::Retry { after: Duration::ZERO, error: error("alpha") }).await;
    let again = c.one_soon().await;
    c.ack(&again, Outcome::Dead { reason: Reason::Fatal, error: error("beta") }).await;
    let of = |fingerprint: &str| Filter { fingerprint: Some(fingerprint.into()), ..dead(c) };
    assert_eq!(found(c, of("alpha")).await, [alpha]);
    assert_eq!(found(c, of("beta")).await, [lease.job.id]);
    assert!(found(c, of("alph")).await.is_empty());
}

/// By text, whatever its case, in the code and the message of the last error and in the args.
pub async fn q5_letters_found_by_text(c: &Case) {
    let message = letter(c, c.job(), "Straße GRÜN").await;
    let args = letter(c, with_args(c, json!({"to": "Zebra 100%"})), "plain").await;
    let lease = c.run(c.job()).await;
    let error = ErrorInfo { code: "Provider.Refused".into(), ..error("x_y") };
    c.ack(&lease, Outcome::Dead { reason: Reason::Fatal, error }).await;
    let of = |text: &str| Filter { text: Some(text.into()), ..dead(c) };
    assert!(found(c, of("STRASSE")).await.is_empty(), "only the case may differ");
    assert_eq!(found(c, of("straße grün")).await, [message]);
    assert_eq!(found(c, of("zEBRA")).await, [args]);
    assert_eq!(found(c, of("provider.refused")).await, [lease.job.id]);
    assert_eq!(found(c, of("0%\"")).await, [args], "a text is no pattern");
    assert_eq!(found(c, of("X_Y")).await, [lease.job.id]);
    assert!(found(c, of("xzy")).await.is_empty() && found(c, of("no such text")).await.is_empty());
    assert_eq!(found(c, of("the handler says")).await.len(), 3);
}

/// By values at places in the args.
pub async fn q5_letters_found_by_args(c: &Case) {
    let deep = json!({"to": {"id": 7, "list": [1, {"x": null}]}, "a/b": "slash", "m~n": true});
    let deep = letter(c, with_args(c, deep), "alpha").await;
    let text = letter(c, with_args(c, json!({"to": {"id": "7"}})), "alpha").await;
    letter(c, with_args(c, json!([1, 2])), "alpha").await;
    let of = |args: Vec<(String, Value)>| Filter { args, ..dead(c) };
    assert_eq!(found(c, of(vec![at("/to/id", json!(7))])).await, [deep]);
    assert_eq!(found(c, of(vec![at("/to/id", json!("7"))])).await, [text]);
    assert_eq!(found(c, of(vec![at("/to/list/1/x", Value::Null)])).await, [deep]);
    assert_eq!(found(c, of(vec![at("/a~1b", json!("slash")), at("/m~0n", json!(true))])).await, [deep]);
    assert_eq!(found(c, of(vec![at("/to", json!({"id": "7"}))])).await, [text]);
    assert!(found(c, of(vec![at("/to/none", Value::Null)])).await.is_empty(), "what is not there is not null");
    assert!(found(c, of(vec![at("/to/id", json!(7)), at("/a~1b", json!("other"))])).await.is_empty(), "every value counts");
}

/// By the time of death; of living jobs by that of their enqueue. The begin belongs to a span, its end does not.
pub async fn q5_letters_found_by_time(c: &Case) {
    let mut letters: Vec<Job> = Vec::new();
    let mut living: Vec<Job> = Vec::new();
    for _ in 0..4 {
        let id = letter(c, c.job(), "alpha").await;
        letters.push(c.get(id).await);
        let id = c.put(NewJob { kind: c.own("living"), ..c.job() }).await;
        living.push(c.get(id).await);
        c.pass(Duration::from_millis(5)).await;
    }
    let ended = |n: usize| letters[n].ended_at;
    let span = |from, to| Filter { from, to, ..dead(c) };
    assert_eq!(found(c, span(ended(1), None)).await, sorted([letters[1].id, letters[2].id, letters[3].id]));
    assert_eq!(found(c, span(None, ended(1))).await, [letters[0].id]);
    assert_eq!(found(c, span(ended(1), ended(3))).await, sorted([letters[1].id, letters[2].id]));
    assert!(found(c, span(ended(2), ended(2))).await.is_empty() && found(c, span(ended(3), ended(1))).await.is_empty());
    let ready = Filter { state: Some(State::Ready), ..span(Some(living[1].created_at), Some(living[3].created_at)) };
    assert_eq!(found(c, ready.clone()).await, sorted([living[1].id, living[2].id]));
    let every = Filter { state: None, kind: Some(c.own("living")), ..ready };
    assert_eq!(found(c, every).await, sorted([living[1].id, living[2].id]));
}

/// Every field at once, and each of them alone keeps the letter out.
pub async fn q5_letters_found_by_everything_together(c: &Case) {
    let name = Name::literal;
    let job = NewJob {
        kind: name(OTHER),
        tenant: name("two"),
        client: Some(name("acme")),
        tags: vec![name("red")],
        ..with_args(c, json!({"n": 1}))
    };
    letter(c, c.job(), "beta").await;
    let wanted = letter(c, job, "alpha").await;
    letter(c, c.job(), "alpha").await;
    let died = c.get(wanted).await.ended_at.expect("it is dead");
    let all = Filter {
        tenant: Some(name("two")),
        client: Some(name("acme")),
        kind: Some(name(OTHER)),
        tag: Some(name("red")),
        fingerprint: Some("alpha".into()),
        from: Some(died),
        to: Some(died + 1),
        text: Some("ALPHA".into()),
        args: vec![at("/n", json!(1))],
        ..dead(c)
    };
    assert_eq!(found(c, all.clone()).await, [wanted]);
    assert_eq!(ids(&pages(c, &Scope::Tenant(name("two")), &all, 2).await), [wanted]);
    assert!(pages(c, &Scope::Tenant(name("one")), &all, 2).await.is_empty(), "another tenant's");
    let others = [
        Filter { state: Some(State::Completed), ..all.clone() },
        Filter { tenant: Some(name("one")), ..all.clone() },
        Filter { client: Some(name("other")), ..all.clone() },
        Filter { kind: Some(name(super::KIND)), ..all.clone() },
        Filter { tag: Some(name("blue")), ..all.clone() },
        Filter { fingerprint: Some("beta".into()), ..all.clone() },
        Filter { from: Some(died + 1), to: None, ..all.clone() },
        Filter { from: None, to: Some(died), ..all.clone() },
        Filter { text: Some("beta".into()), ..all.clone() },
        Filter { args: vec![at("/n", json!(2))], ..all.clone() },
        Filter { replayed: true, ..all.clone() },
        Filter { queue: Some(c.own("nowhere")), ..all },
    ];
    for other in others {
        assert!(found(c, other.clone()).await.is_empty(), "{other:?}");
    }
}

/// Repeated letters are found by asking for them, and among all jobs; never among the dead.
pub async fn q5_letters_found_when_they_were_repeated(c: &Case) {
    let (kept, first, second) = (letter(c, c.job(), "alpha").await, letter(c, c.job(), "alpha").await, letter(c, c.job(), "beta").await);
    let (one, two) = (replay(c, first, c.id()).await.expect("replayed"), replay(c, second, c.id()).await.expect("replayed"));
    assert_eq!(found(c, dead(c)).await, [kept]);
    let repeated = || Filter { replayed: true, ..dead(c) };
    assert_eq!(found(c, repeated()).await, sorted([first, second]));
    assert_eq!(found(c, Filter { state: None, ..repeated() }).await, sorted([first, second]));
    assert_eq!(found(c, Filter { state: None, fingerprint: Some("beta".into()), ..repeated() }).await, [second]);
    assert!(found(c, Filter { state: Some(State::Ready), ..repeated() }).await.is_empty());
    assert!(pages(c, &Scope::Tenant(Name::literal("two")), &repeated(), 2).await.is_empty(), "another tenant's");
    assert_eq!(found(c, Filter { state: None, ..dead(c) }).await, sorted([kept, first, second, one, two]));
    for (id, replayed) in [(kept, false), (first, true), (second, true), (one, false)] {
        assert_eq!(c.get(id).await.replayed, replayed);
    }
    let undone = c.broker.undo(&Scope::All, vec![Undo { id: first, replay: one }]).await.expect("an answer");
    assert!(undone[0].is_ok(), "{undone:?}");
    assert_eq!(found(c, dead(c)).await, sorted([kept, first]));
    assert_eq!(found(c, repeated()).await, [second]);
    assert!(!c.get(first).await.replayed);
    c.ack(&c.one().await, complete()).await;
}

/// Without a queue, in all of them.
pub async fn q5_letters_found_over_all_queues(c: &Case) {
    let other = c.beside().await;
    let fingerprint = c.own("fingerprint").to_string();
    let here = letter(c, c.job(), &fingerprint).await;
    let there = letter(&other, other.job(), &fingerprint).await;
    let dead = || Filter { queue: None, fingerprint: Some(fingerprint.clone()), ..dead(c) };
    assert_eq!(ids(&pages(c, &Scope::All, &dead(), 1_000).await), sorted([here, there]));
    replay(&other, there, other.id()).await.expect("replayed");
    assert_eq!(ids(&pages(c, &Scope::All, &dead(), 1_000).await), [here]);
    assert_eq!(ids(&pages(c, &Scope::All, &Filter { replayed: true, ..dead() }, 1_000).await), [there]);
}
