//! What a tick does while the run before it goes on, with runs of two and a half seconds every second.

use super::{
    on_both,
    site::{Site, time},
};
use longshore_base::{Millis, rfc3339};
use serde_json::{Value, json};
use std::time::Duration;

on_both! {
    runs_longer_than_the_period_do_what_each_rule_says;
}

const RULES: [&str; 4] = ["allow", "skip", "wait", "cancel"];
const TICKS: Millis = 9;

async fn runs_longer_than_the_period_do_what_each_rule_says(mut site: Site) {
    site.worker().await;
    site.schedulers(2).await;
    let starts = site.clock.now() + 4_000;
    for rule in RULES {
        let (starts, ends) = (rfc3339(starts), rfc3339(starts + TICKS * 1_000));
        // What is cancelled would go on for longer than all ticks, so that no end comes before its cancel on a machine that stalls.
        let ms = if rule == "cancel" { 12_000 } else { 2_500 };
        let says = json!({"every_ms": 1_000, "starts_at": starts, "ends_at": ends, "overlap": rule, "args": {"ms": ms},
            "missed": "all", "missed_max": 100});
        site.put(rule, says).await;
    }
    for rule in RULES {
        site.until(rule, "its last tick is done with", Duration::from_secs(60), |schedule| schedule["next_at"].is_null()).await;
    }
    let jobs = crate::scenarios::until("every job has ended", Duration::from_secs(60), async || {
        let jobs = site.jobs("ticks").await;
        jobs.iter().all(|job| !job["ended_at"].is_null()).then_some(jobs)
    })
    .await;
    for rule in RULES {
        let history = site.history(rule).await;
        assert_eq!(history.len() as Millis, TICKS, "{rule}: {history:?}");
        let mut own: Vec<_> = jobs.iter().filter(|job| job["tick"]["schedule"] == rule).collect();
        own.sort_by_key(|job| time(&job["tick"]["at"]));
        match rule {
            "allow" => allow(&history, &own),
            "skip" => skip(&history, &own),
            "wait" => wait(&history, &own),
            _ => cancel(&history, &own),
        }
    }
}

fn allow(history: &[Value], jobs: &[&Value]) {
    assert_eq!(outcomes(history, "started"), history.len());
    assert_eq!((jobs.len(), completed(jobs)), (history.len(), history.len()));
    assert!(jobs.windows(2).any(|pair| began(pair[1]) < ended(pair[0])), "runs overlap: {jobs:?}");
}

fn skip(history: &[Value], jobs: &[&Value]) {
    let started = outcomes(history, "started");
    assert_eq!((jobs.len(), completed(jobs)), (started, started));
    assert_eq!(outcomes(history, "overlapped"), history.len() - started);
    assert!(outcomes(history, "overlapped") > started, "most are left out: {history:?}");
    for line in history.iter().filter(|line| line["outcome"] == "overlapped") {
        assert!(line["job"].is_null() && line["detail"].is_string(), "it says which job stood in the way: {line}");
    }
    one_at_a_time("skip", jobs);
}

fn wait(history: &[Value], jobs: &[&Value]) {
    let (started, held) = (outcomes(history, "started"), outcomes(history, "held"));
    assert_eq!((jobs.len(), completed(jobs)), (started + held, started + held), "what is held runs in the end");
    assert!(held >= 2 && outcomes(history, "overlapped") >= 2, "one is held, not more: {history:?}");
    one_at_a_time("wait", jobs);
    let is_held = |job: &Value| history.iter().any(|line| line["job"] == job["id"] && line["outcome"] == "held");
    let held: Vec<_> = jobs.iter().filter(|job| is_held(job)).collect();
    // A held job is free from the end of the run before it, a moment before its own begin.
    for pair in held.windows(2) {
        let before = jobs.iter().filter(|job| began(job) < began(pair[0])).map(|job| ended(job)).max();
        assert!(Some(time(&pair[1]["created_at"])) >= before, "one is held at most: {} and {}", pair[0], pair[1]);
    }
    let mut gaps: Vec<_> = jobs.windows(2).filter(|pair| is_held(pair[1])).map(|pair| began(pair[1]) - ended(pair[0])).collect();
    gaps.sort_unstable();
    println!("held jobs started after the end before, in milliseconds: {gaps:?}");
    assert!(gaps[gaps.len() / 2] < 1_000, "a held job starts with the end before it: {gaps:?} ms");
}

fn cancel(history: &[Value], jobs: &[&Value]) {
    assert_eq!(jobs.len(), history.len(), "each tick makes a job");
    assert_eq!(outcomes(history, "started") + outcomes(history, "held"), history.len(), "{history:?}");
    one_at_a_time("cancel", jobs);
    let (last, before) = jobs.split_last().expect("jobs");
    assert_eq!(last["state"], "completed", "{last}");
    let mut stops = Vec::new();
    for (job, next) in before.iter().zip(&history[1..]) {
        assert_eq!(job["state"], "cancelled", "{job}");
        stops.push(ended(job) - time(&next["done_at"]));
    }
    println!("runs stopped after the tick that cancelled them, in milliseconds: {stops:?}");
    stops.sort_unstable();
    assert!(stops[stops.len() / 2] < 1_000, "{stops:?} ms");
}

/// No two of a schedule's jobs ran at the same time.
fn one_at_a_time(rule: &str, jobs: &[&Value]) {
    let mut runs: Vec<_> = jobs.iter().filter(|job| !job["started_at"].is_null()).collect();
    runs.sort_by_key(|job| began(job));
    for pair in runs.windows(2) {
        assert!(began(pair[1]) >= ended(pair[0]), "{rule}: two at once: {} and {}", pair[0], pair[1]);
    }
}

fn outcomes(history: &[Value], outcome: &str) -> usize {
    history.iter().filter(|line| line["outcome"] == outcome).count()
}
fn completed(jobs: &[&Value]) -> usize {
    jobs.iter().filter(|job| job["state"] == "completed").count()
}
fn began(job: &Value) -> Millis {
    time(&job["started_at"])
}
fn ended(job: &Value) -> Millis {
    time(&job["ended_at"])
}
