//! Many processes on one Redis: an API, a scheduler and two workers apart, and what goes wrong between them.

use super::Engine;
use super::until;
use crate::harness::redis::Redis;
use serde_json::{Value, json};
use std::time::Duration;

const SHORT_LEASE: &[(&str, &str)] = &[("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")];

fn sleeps(n: usize, ms: u64) -> Vec<Value> {
    (0..n).map(|_| json!({"kind": "demo.sleep", "args": {"ms": ms}})).collect()
}

/// With the default lease of 15 s: one of two workers is killed in the middle of 80 jobs of 4 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_nothing_and_spends_no_attempt() {
    let redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let mut first = engine.role("worker", &["--concurrency", "20"]).await;
    let _second = engine.role("worker", &["--concurrency", "20"]).await;
    workers(&engine, 2).await;
    let ids = engine.enqueue(sleeps(80, 4000)).await;
    engine.queue_until("default", "40 run", Duration::from_secs(10), |q| q["running"] == 40).await;
    first.kill();
    engine.queue_until("default", "all 80 completed", Duration::from_secs(60), |q| q["completed"] == 80).await;
    let mut crashed = 0;
    for id in &ids {
        let job = engine.job(id).await;
        assert_eq!(job["attempts"], 1, "{job}");
        if job["crashes"] != 0 {
            crashed += 1;
            assert!(job["timeline"].to_string().contains("crashed"), "the timeline tells the crash: {job}");
        }
    }
    assert_eq!(crashed, 20, "the killed worker ran 20");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_that_wakes_after_the_reap_can_write_nothing() {
    let redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), SHORT_LEASE).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let first = engine.role("worker", &["--concurrency", "8"]).await;
    workers(&engine, 1).await;
    let ids = engine.enqueue(sleeps(8, 2000)).await;
    engine.queue_until("default", "8 run", Duration::from_secs(10), |q| q["running"] == 8).await;
    first.signal("STOP");
    engine.queue_until("default", "all reaped", Duration::from_secs(20), |q| q["running"] == 0).await;
    assert!(engine.metric("longshore_lease_lost_total").await == 0.0);
    first.signal("CONT");
    until("its late writes are refused and counted", Duration::from_secs(20), async || {
        (engine.metric("longshore_lease_lost_total").await >= 1.0).then_some(())
    })
    .await;
    engine.queue_until("default", "all 8 completed", Duration::from_secs(30), |q| q["completed"] == 8).await;
    for id in &ids {
        let job = engine.job(id).await;
        assert_eq!((&job["attempts"], &job["crashes"]), (&json!(1), &json!(1)), "{job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_hands_back_what_cannot_finish_without_an_attempt() {
    let redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[("LONGSHORE_WORKER__GRACE_MS", "500")]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let mut first = engine.role("worker", &["--concurrency", "4"]).await;
    workers(&engine, 1).await;
    let ids = engine.enqueue(sleeps(4, 3000)).await;
    engine.queue_until("default", "4 run", Duration::from_secs(10), |q| q["running"] == 4).await;
    first.signal("TERM");
    let status = first.ended(Duration::from_secs(10)).await;
    assert!(status.success(), "a stop on SIGTERM is a good end: {status}");
    for id in &ids {
        let job = engine.job(id).await;
        assert_eq!((&job["state"], &job["interruptions"], &job["attempts"]), (&json!("ready"), &json!(1), &json!(0)), "{job}");
    }
    let _second = engine.role("worker", &["--concurrency", "4"]).await;
    engine.queue_until("default", "all completed", Duration::from_secs(20), |q| q["completed"] == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_under_load_and_started_again_loses_nothing() {
    let mut redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let _workers = [engine.role("worker", &["--concurrency", "100"]).await, engine.role("worker", &["--concurrency", "100"]).await];
    workers(&engine, 2).await;
    engine.call("POST", "/v1/queues/default/pause", Some(json!({}))).await;
    engine.enqueue(sleeps(20_000, 20)).await;
    // everysec: what was acknowledged more than two seconds ago is on disk also after a kill; the page cache survives one anyway.
    engine.call("POST", "/v1/queues/default/resume", None).await;
    engine.queue_until("default", "under way", Duration::from_secs(20), |q| q["completed"].as_u64() > Some(2_000)).await;
    redis.kill_and_restart().await;
    let end = engine
        .queue_until("default", "all 20,000 ended", Duration::from_secs(120), |q| {
            q["completed"].as_u64().unwrap_or(0) + q["dead"].as_u64().unwrap_or(0) + q["cancelled"].as_u64().unwrap_or(0) >= 20_000
        })
        .await;
    assert_eq!(end["completed"], 20_000, "{end}");
    assert_eq!((&end["ready"], &end["running"], &end["retrying"]), (&json!(0), &json!(0), &json!(0)), "{end}");
}

/// Waits until so many workers have reported.
pub(crate) async fn workers(engine: &Engine, n: usize) {
    until(&format!("{n} workers report"), Duration::from_secs(20), async || {
        let answer = engine.get("/v1/workers").await;
        (answer["workers"].as_array().map(Vec::len) == Some(n)).then_some(())
    })
    .await;
}
