//! The table of QUEUE.md section 3, from the side of the attempt.

use super::{Attempted, decide};
use crate::{Cause, Failure, testing::House};
use longshore_queue::{ERROR_MAX, Job, Json, Outcome, PAYLOAD_MAX, Wait, WaitOn, WaitPolicy, json};
use serde_json::json;
use std::time::Duration;

async fn job() -> Job {
    House::standard().await.leased("demo.echo", json!({})).await.job
}

/// In a word: what `decide` answers for this attempt of `job`, at a jitter of one half.
fn told(job: &Job, attempted: Attempted) -> String {
    match decide(job, attempted, 0.5) {
        Outcome::Complete { output } => format!("complete {}", output.map_or_else(|| "nothing".into(), |o| o.get().to_owned())),
        Outcome::Retry { after, error } => format!("retry after {} ms: {} {}", after.as_millis(), error.code, error.message),
        Outcome::Dead { reason, error } => format!("dead {}: {} {}", reason.as_str(), error.code, error.message),
        Outcome::Snooze { after } => format!("snooze {} ms", after.as_millis()),
        Outcome::Gate { after, reason } => format!("gate {} ms: {reason}", after.as_millis()),
        Outcome::Release { started } => format!("release started={started}"),
        Outcome::Wait(wait) => format!("wait {:?}", wait.on),
        Outcome::Cancel => "cancel".into(),
    }
}

fn failed(failure: Failure) -> Attempted {
    Attempted::Returned(Err(failure))
}
fn returned(value: serde_json::Value) -> Attempted {
    Attempted::Returned(Ok(json(&value)))
}
fn raw(text: String) -> Json {
    serde_json::value::RawValue::from_string(text).unwrap()
}

#[tokio::test]
async fn every_end_of_an_attempt_has_its_outcome() {
    let job = job().await;
    let wait = Wait { on: WaitOn::AllChildren, timeout: None, on_timeout: WaitPolicy::Wake, on_child_failed: WaitPolicy::Wake };
    let hours = |n: u64| Duration::from_secs(n * 3_600);
    for (attempted, expected) in [
        (returned(json!({"a": 1})), r#"complete {"a":1}"#),
        (returned(json!(null)), "complete nothing"),
        (failed(Failure::retry("no")), "retry after 500 ms: handler.failed no"),
        (failed(Failure::RetryAfter(Duration::from_secs(7), Cause::new("x.y", "busy"))), "retry after 7000 ms: x.y busy"),
        (failed(Failure::RetryAfter(hours(999), Cause::new("x.y", "busy"))), "retry after 86400000 ms: x.y busy"),
        (failed(Failure::fatal("never")), "dead fatal: handler.failed never"),
        (failed(Failure::Snooze(Duration::from_secs(3))), "snooze 3000 ms"),
        (failed(Failure::Snooze(Duration::MAX)), "snooze 31622400000 ms"),
        (failed(Failure::Gate { wait: Duration::from_secs(9), reason: "429".into() }), "gate 9000 ms: 429"),
        (failed(Failure::Wait(wait)), "wait AllChildren"),
        (failed(Failure::Cancelled), "cancel"),
        (Attempted::Cancelled, "cancel"),
        (Attempted::Panicked("index 7".into()), "retry after 500 ms: attempt.panicked index 7"),
        (Attempted::TimedOut, "retry after 500 ms: attempt.timeout the attempt did not end within 300000 ms"),
        (Attempted::Released(true), "release started=true"),
        (Attempted::Released(false), "release started=false"),
        (Attempted::KindUnknown, "release started=false"),
    ] {
        let what = format!("{attempted:?}");
        assert_eq!(told(&job, attempted), expected, "{what}");
    }
}

#[tokio::test]
async fn the_wait_grows_and_the_last_attempt_is_final() {
    let mut job = job().await;
    job.policy.attempts_max = 3;
    let mut all = Vec::new();
    for attempts in 0..4 {
        job.counters.attempts = attempts;
        all.push(told(&job, failed(Failure::retry("no"))));
    }
    let dead = "dead exhausted: handler.failed no";
    assert_eq!(all, ["retry after 500 ms: handler.failed no", "retry after 1000 ms: handler.failed no", dead, dead]);
    job.counters.attempts = 2;
    assert_eq!(told(&job, failed(Failure::RetryAfter(Duration::from_secs(1), Cause::new("a.b", "x")))), "dead exhausted: a.b x");
    assert!(told(&job, Attempted::TimedOut).starts_with("dead exhausted: attempt.timeout"));
    assert_eq!(told(&job, Attempted::Released(true)), "release started=true", "it spends no attempt");
    (job.counters.crashes, job.counters.interruptions, job.counters.attempts) = (50, 50, 0);
    assert!(told(&job, failed(Failure::retry("no"))).starts_with("retry"), "crashes and interruptions are no attempts");
}

#[tokio::test]
async fn what_must_not_run_twice_dies_when_its_outcome_is_not_known() {
    let mut job = job().await;
    job.policy.repeatable = false;
    for (attempted, expected) in [
        (Attempted::Panicked("boom".into()), "dead outcome_unknown: attempt.outcome_unknown boom; the kind must not run twice"),
        (
            Attempted::Released(true),
            "dead outcome_unknown: attempt.outcome_unknown the worker stopped while it ran; the kind must not run twice",
        ),
        (Attempted::Released(false), "release started=false"),
        (Attempted::KindUnknown, "release started=false"),
        (failed(Failure::retry("the target refused")), "retry after 500 ms: handler.failed the target refused"),
        (failed(Failure::Cancelled), "cancel"),
        (returned(json!(1)), "complete 1"),
    ] {
        let what = format!("{attempted:?}");
        assert_eq!(told(&job, attempted), expected, "{what}");
    }
    assert!(told(&job, Attempted::TimedOut).starts_with("dead outcome_unknown"));
    assert!(told(&job, Attempted::Cancelled).starts_with("dead outcome_unknown"), "it was dropped in the middle");
}

#[tokio::test]
async fn what_is_too_large_is_told_or_cut() {
    let job = job().await;
    let exact = raw(format!("\"{}\"", "x".repeat(PAYLOAD_MAX - 2)));
    assert!(matches!(decide(&job, Attempted::Returned(Ok(exact)), 0.0), Outcome::Complete { output: Some(_) }));
    let over = raw(format!("\"{}\"", "x".repeat(PAYLOAD_MAX - 1)));
    assert_eq!(
        told(&job, Attempted::Returned(Ok(over))),
        "dead output_too_large: jobs.output_too_large the output has 262145 bytes; allowed are 262144"
    );
    // 8192 is no multiple of 3: the cut must not land inside a character.
    let Outcome::Retry { error, .. } = decide(&job, failed(Failure::retry("日".repeat(ERROR_MAX))), 0.0) else { panic!() };
    assert_eq!(error.message.len(), ERROR_MAX - ERROR_MAX % 3);
    let Outcome::Gate { reason, .. } = decide(&job, failed(Failure::Gate { wait: Duration::ZERO, reason: "é".repeat(300) }), 0.0) else {
        panic!()
    };
    assert_eq!(reason.len(), 256);
}

#[tokio::test]
async fn like_errors_share_a_fingerprint() {
    let job = job().await;
    let of = |message: &str| match decide(&job, failed(Failure::fatal(message)), 0.0) {
        Outcome::Dead { error, .. } => error.fingerprint,
        other => panic!("{other:?}"),
    };
    assert_eq!(of("row 17 of account 'a' is broken"), of("row 99 of account 'b' is broken"));
    assert_ne!(of("row 17 is broken"), of("column 17 is broken"));
}
