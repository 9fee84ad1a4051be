//! Four causes, of which one is in the args, one is still there when somebody tries again, and two are left for later.

use super::{
    house::{House, PATIENCE},
    on_both,
};
use serde_json::{Value, json};
use std::collections::HashMap;

on_both! {
    letters_are_grouped_patched_stopped_undone_and_repeated_though_the_worker_is_killed;
    #[ignore = "the size of the promise: 12,400 letters"]
    twelve_thousand_letters_are_grouped_patched_stopped_undone_and_repeated_though_the_worker_is_killed;
}

async fn letters_are_grouped_patched_stopped_undone_and_repeated_though_the_worker_is_killed(house: House) {
    morning(house, Size { unit: 31, per_second: 50 }).await;
}

async fn twelve_thousand_letters_are_grouped_patched_stopped_undone_and_repeated_though_the_worker_is_killed(house: House) {
    morning(house, Size { unit: 620, per_second: 200 }).await;
}

struct Size {
    /// A twentieth of the letters.
    unit: u64,
    per_second: u64,
}

const TIMEOUT: &str = "timeout";
const QUOTA: &str = "quota";
const ORDER: &str = "order";
const MAILBOX: &str = "mailbox";
/// Each cause, with its twentieths.
const CAUSES: [(&str, u64); 4] = [(TIMEOUT, 10), (QUOTA, 5), (ORDER, 3), (MAILBOX, 2)];
/// One after the other they are slower than any rate, so that some have not begun when a replay is stopped.
const TIMEOUT_MS: u64 = 50;

/// What a job says when it fails: different every time, and the same but for what changes from job to job.
fn message(cause: &str, n: u64) -> String {
    match cause {
        TIMEOUT => format!("no answer from 10.{}.{}.7:5432 within {} ms", n % 250, n % 7, 1_000 + n),
        QUOTA => format!("account '{}' has sent {n} messages since 2026-11-22T{:02}:14:07Z", n * 7, n % 24),
        ORDER => format!("order {n:08x}-0000-7000-8000-00000000{:04x} names no plan", n % 4_096),
        _ => format!("the mailbox user{n}@example.org does not exist"),
    }
}

/// The cause that such a message is of.
pub(super) fn cause_of(message: &str) -> Option<&'static str> {
    let signs = [("no answer from", TIMEOUT), ("messages since", QUOTA), ("names no plan", ORDER), ("does not exist", MAILBOX)];
    signs.iter().find(|(sign, _)| message.contains(sign)).map(|(_, cause)| *cause)
}

async fn morning(mut house: House, size: Size) {
    let of = |cause: &str| CAUSES.iter().find(|(name, _)| *name == cause).expect("a cause").1 * size.unit;
    outage(&house, &size).await;
    let groups = house.groups().await;
    for (cause, parts) in CAUSES {
        assert_eq!(groups[cause].0, parts * size.unit, "{cause}: {groups:?}");
    }

    let patched = json!({"filter": {"queue": "mail", "args": {"/cause": ORDER}}, "args_patch": {"cause": "none", "message": null},
        "per_second": size.per_second, "stop_when_failing": 0.9});
    let operation = house.replay(patched, of(ORDER)).await;
    let end = killed_in_the_middle(&mut house, &operation, "scheduled").await;
    through(&end, of(ORDER), of(ORDER));
    let queue = house.at_rest().await;
    assert_eq!((&queue["completed"], &queue["dead"]), (&json!(of(ORDER)), &json!(17 * size.unit)), "{queue}");
    let left = house.groups().await;
    assert_eq!((left.len(), left.contains_key(ORDER)), (3, false), "{left:?}");

    let begun = stopped_and_undone(&house, &size, &groups[TIMEOUT].1, of(TIMEOUT)).await;
    assert_eq!(house.groups().await[TIMEOUT], groups[TIMEOUT], "those that came back, and those that died again");

    house.broken(&[QUOTA, ORDER, MAILBOX]);
    house.engine.call("PUT", "/v1/queues/mail/scale", Some(json!({"slots": null}))).await;
    house.engine.call("POST", "/v1/queues/mail/resume", Some(json!({}))).await;
    let again = json!({"filter": {"fingerprint": groups[TIMEOUT].1}, "per_second": size.per_second, "stop_when_failing": 0.9});
    let operation = house.replay(again, of(TIMEOUT)).await;
    let end = killed_in_the_middle(&mut house, &operation, "running").await;
    through(&end, of(TIMEOUT), of(TIMEOUT));
    let queue = house.at_rest().await;
    let (completed, dead) = (of(ORDER) + of(TIMEOUT), of(QUOTA) + of(MAILBOX));
    assert_eq!(
        (&queue["completed"], &queue["dead"], &queue["cancelled"]),
        (&json!(completed), &json!(dead), &json!(begun.undone)),
        "{queue}"
    );
    let left: HashMap<_, _> = house.groups().await.into_iter().map(|(cause, (count, _))| (cause, count)).collect();
    assert_eq!(left, HashMap::from([(QUOTA, of(QUOTA)), (MAILBOX, of(MAILBOX))]));
    lineage(&house.jobs().await, &size, &begun);
}

/// Every job dies of its cause.
async fn outage(house: &House, size: &Size) {
    house.broken(&CAUSES.map(|(cause, _)| cause));
    let mut jobs = Vec::new();
    for (cause, parts) in CAUSES {
        let ms = if cause == TIMEOUT { TIMEOUT_MS } else { 0 };
        jobs.extend((0..parts * size.unit).map(|n| house.job(cause, message(cause, n), ms)));
    }
    let n = jobs.len() as u64;
    house.engine.enqueue(jobs).await;
    house.engine.queue_until("mail", "every job is dead", PATIENCE, |queue| queue["dead"] == n).await;
}

/// Watches an operation to its end, and kills its worker when it has done a part: between two steps (scheduled), or in one (running), which may
/// be too short to be seen.
async fn killed_in_the_middle(house: &mut House, operation: &str, state: &str) -> Value {
    let in_it = |view: &Value| {
        view["done"].as_u64() > Some(0) && view["state"] == state || view["done"].as_u64() > view["total"].as_u64().map(|n| n / 2)
    };
    let part = house.watch(operation, "a part is done", in_it).await;
    assert_ne!(part["done"], part["total"], "it goes on at the rate: {part}");
    house.kill_worker().await;
    let mut seen = 0;
    house
        .watch(operation, "it is through", |view| {
            let done = view["done"].as_u64().expect("a number");
            assert!(done >= seen, "it goes on from where it was: {done} after {seen}");
            seen = done;
            view["state"] == "completed"
        })
        .await
}

/// A replay has repeated every letter, each once.
fn through(end: &Value, total: u64, replayed: u64) {
    let told = (&end["total"], &end["done"], &end["replayed"], &end["skipped"], &end["refused_count"], end.get("stopped"));
    assert_eq!(told, (&json!(total), &json!(total), &json!(replayed), &json!(0), &json!(0), None), "{end}");
    // A worker that was killed takes the jobs with it that it ran just then.
    let failing = end["failing"].as_u64().expect("a number");
    assert!(failing <= 64, "{end}");
}

/// What became of a replay that was stopped.
struct Begun {
    /// The letters whose repeats had begun, and died of the same cause.
    started: Vec<String>,
    undone: u64,
}

/// A replay whose cause is still there: it stops by itself, and what has not begun is taken back.
async fn stopped_and_undone(house: &House, size: &Size, fingerprint: &str, count: u64) -> Begun {
    house.engine.call("PUT", "/v1/queues/mail/scale", Some(json!({"slots": 1}))).await;
    let body = json!({"filter": {"fingerprint": fingerprint}, "per_second": size.per_second, "stop_when_failing": 0.5});
    let operation = house.replay(body, count).await;
    let end = house.ended(&operation).await;
    house.engine.call("POST", "/v1/queues/mail/pause", Some(json!({"reason": "the cause is still there"}))).await;
    let replayed = end["replayed"].as_u64().expect("a number");
    assert!(end["stopped"].as_str().is_some_and(|why| why.contains("stop_when_failing is 0.5")), "{end}");
    assert!(replayed < count && end["failing"].as_u64() >= Some(20) && end["well"] == 0, "{end}");
    let queue = house.engine.queue_until("mail", "nothing runs", PATIENCE, |queue| queue["running"] == 0).await;
    let open = queue["ready"].as_u64().expect("a number");
    assert!((1..replayed).contains(&open), "some have begun, some have not: {open} of {replayed}");

    let undo = house.undo(&operation).await;
    let end = house.ended(&undo).await;
    let started = replayed - open;
    let told = (&end["total"], &end["done"], &end["undone"], &end["skipped"], &end["refused_count"]);
    assert_eq!(told, (&json!(replayed), &json!(replayed), &json!(open), &json!(0), &json!(started)), "{end}");
    let refused = end["refused"].as_array().expect("a list");
    assert_eq!(refused.len() as u64, started.min(200), "told for each job: {end}");
    let mut letters = Vec::new();
    for one in refused {
        let id = one["id"].as_str().expect("an id");
        let letter = house.engine.job(id).await;
        assert!(letter["replayed"] == true && one["detail"].as_str().is_some_and(|why| why.contains("is dead")), "{one} of {letter}");
        letters.push(id.to_owned());
    }
    let queue = house.engine.queue("mail").await;
    assert_eq!((&queue["ready"], &queue["cancelled"], &queue["dead"]), (&json!(0), &json!(open), &json!(17 * size.unit)), "{queue}");
    Begun { started: letters, undone: open }
}

/// Letters name their repeats, repeats their letters, and each has what it should have.
fn lineage(jobs: &HashMap<String, Value>, size: &Size, begun: &Begun) {
    let mut originals = 0;
    let (mut completed, mut undone) = (0, 0);
    for (id, job) in jobs {
        let repeats: Vec<_> = job["replays"].as_array().expect("a list").iter().map(|id| id.as_str().expect("an id")).collect();
        for repeat in &repeats {
            assert_eq!(jobs[*repeat]["replay_of"], id.as_str(), "{repeat} names the letter {id}");
        }
        if let Some(letter) = job["replay_of"].as_str() {
            let named = jobs[letter]["replays"].as_array().expect("a list");
            assert_eq!(named.iter().filter(|named| **named == id.as_str()).count(), 1, "{letter} names its repeat {id} once");
        }
        let state = job["state"].as_str().expect("a state");
        let cause = job["errors"].as_array().expect("a list").last().and_then(|error| cause_of(error["message"].as_str()?));
        match (job["replay_of"].as_str(), state) {
            (None, "dead") => {
                originals += 1;
                let last = repeats.last().map(|repeat| jobs[*repeat]["state"].as_str().expect("a state"));
                let expected = match cause.expect("it died") {
                    ORDER => Some("completed"),
                    TIMEOUT if begun.started.contains(id) => Some("dead"),
                    TIMEOUT => Some("completed"),
                    _ => None,
                };
                assert_eq!((last, job["replayed"] == true), (expected, expected.is_some()), "{job}");
            }
            (Some(letter), "completed") => {
                completed += 1;
                let patched = job["args"]["cause"] == "none" && job["args"].get("message").is_none();
                let whole = jobs[letter]["args"]["cause"] == job["args"]["cause"];
                assert!(patched || whole, "{job}");
            }
            (Some(_), "cancelled") => {
                undone += 1;
                assert_eq!((&job["reason"], &job["attempts"]), (&json!("undone"), &json!(0)), "{job}");
            }
            // A repeat that died of the same cause, and was repeated after the repair.
            (Some(letter), "dead") => {
                assert!(cause == Some(TIMEOUT) && job["replayed"] == true, "{job}");
                assert!(begun.started.len() >= 200 || begun.started.iter().any(|id| id == letter), "{job}");
                let last = repeats.last().map(|repeat| jobs[*repeat]["state"].clone());
                assert_eq!(last, Some(json!("completed")), "{job}");
            }
            _ => panic!("nothing else is there: {job}"),
        }
    }
    assert_eq!((originals, completed, undone), (20 * size.unit, 13 * size.unit, begun.undone));
}
