//! `scale` while running: the peaks follow, and the cap is kept over a restart.

use super::{Engine, on_redis::workers};
use crate::harness::redis::Redis;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn scale_from_2_to_50_to_1_is_followed_and_kept_over_a_restart() {
    let mut redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let _workers = [engine.role("worker", &["--concurrency", "40"]).await, engine.role("worker", &["--concurrency", "40"]).await];
    workers(&engine, 2).await;
    engine.call("PUT", "/v1/queues/default/scale", Some(json!({"slots": 2}))).await;
    engine.enqueue((0..3000).map(|_| json!({"kind": "demo.sleep", "args": {"ms": 200}})).collect()).await;

    assert_eq!(peak(&engine, 2).await, 2);
    engine.call("PUT", "/v1/queues/default/scale", Some(json!({"slots": 50}))).await;
    assert_eq!(peak(&engine, 50).await, 50);
    engine.call("PUT", "/v1/queues/default/scale", Some(json!({"slots": 1}))).await;
    engine.queue_until("default", "1 runs", Duration::from_secs(10), |q| q["running"].as_u64() <= Some(1)).await;
    assert_eq!(peak(&engine, 1).await, 1);

    redis.kill_and_restart().await;
    let queue = engine.queue_until("default", "it is back", Duration::from_secs(20), |q| q["slots"] == 1).await;
    assert!(queue["running"].as_u64() <= Some(1), "{queue}");
}

/// The most that was seen running over 40 looks, after `wanted` was reached.
async fn peak(engine: &Engine, wanted: u64) -> u64 {
    engine.queue_until("default", "the peak is reached", Duration::from_secs(15), |q| q["running"] == wanted).await;
    let mut peak = 0;
    for _ in 0..40 {
        peak = peak.max(engine.queue("default").await["running"].as_u64().unwrap());
    }
    peak
}
