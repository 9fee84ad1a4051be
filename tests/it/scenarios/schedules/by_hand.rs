//! Pause, resume, and a run by hand, over HTTP.

use super::{
    on_both,
    site::{Site, time},
};
use longshore_base::{Millis, rfc3339};
use serde_json::json;
use std::time::Duration;

on_both! {
    a_paused_schedule_makes_nothing_but_what_is_asked_for_by_hand;
}

async fn a_paused_schedule_makes_nothing_but_what_is_asked_for_by_hand(mut site: Site) {
    site.schedulers(2).await;
    site.worker().await;
    let starts = site.clock.now() - site.clock.now() % 1_000;
    site.put("s", json!({"every_ms": 1_000, "starts_at": rfc3339(starts), "missed": "all", "missed_max": 100})).await;
    let at = |value: &serde_json::Value| time(&value["at"]);
    site.until("s", "it ticks", Duration::from_secs(20), |schedule| !schedule["last_tick"].is_null()).await;

    site.engine.call("POST", "/v1/schedules/s/pause", Some(json!({"reason": "a release"}))).await;
    let paused_at = site.clock.now();
    let paused = site.schedule("s").await;
    assert_eq!((&paused["paused"]["reason"], &paused["next_at"]), (&json!("a release"), &json!(null)), "{paused}");
    let before = site.ticks("ticks", "s").await;
    site.pass(Duration::from_millis(2_500)).await;
    assert_eq!(site.ticks("ticks", "s").await, before, "nothing comes while it is paused");

    let answer = site.engine.call("POST", "/v1/schedules/s/run", Some(json!({}))).await;
    let by_hand = site.history("s").await.pop().expect("a line");
    assert_eq!((&by_hand["by_hand"], &by_hand["outcome"]), (&json!(true), &json!("started")), "{by_hand} {answer}");
    let id = by_hand["job"].as_str().expect("a job");
    let job = site.engine.until(id, "completed", Duration::from_secs(20)).await;
    assert_eq!(job["tick"]["schedule"], "s");

    let resumed_from = site.clock.now();
    site.engine.call("POST", "/v1/schedules/s/resume", Some(json!({}))).await;
    let resumed_by = site.clock.now();
    let ticks = |schedule: &serde_json::Value| at(&schedule["last_tick"]) > resumed_by && schedule["last_tick"]["by_hand"] == false;
    site.until("s", "it ticks again", Duration::from_secs(20), ticks).await;
    let history = site.history("s").await;
    let planned: Vec<Millis> = history.iter().filter(|line| line["by_hand"] == false).map(at).collect();
    assert!(planned.iter().all(|tick| *tick <= paused_at || *tick > resumed_from), "the ticks of the pause are left out: {planned:?}");
    assert!(planned.iter().any(|tick| *tick > resumed_from), "{planned:?}");
    let first = planned.iter().find(|tick| **tick > resumed_from).expect("it ticks again");
    assert!(first - resumed_by <= 1_000, "none is left out after it: {planned:?}");
}
