//! One machine, no server: `longshore up`.

use super::Engine;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_completed_and_its_timeline_reads_well() {
    let engine = Engine::up(&[]).await;
    let answer = engine.call("POST", "/v1/jobs", Some(json!({"kind": "demo.echo", "args": {"hello": "world"}}))).await;
    assert_eq!(answer["durability"], "durable");
    assert_eq!(answer["duplicate"], false);
    let job = engine.until(answer["id"].as_str().unwrap(), "completed", Duration::from_secs(10)).await;
    assert_eq!(job["output"], json!({"hello": "world"}));
    assert_eq!(job["attempts"], 1);
    assert_eq!((&job["crashes"], &job["interruptions"]), (&json!(0), &json!(0)));
    let states: Vec<_> = job["timeline"].as_array().unwrap().iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ready", "running", "completed"], "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_job_survives_kill_9() {
    let mut engine = Engine::up(&[]).await;
    let mut ids = Vec::new();
    for n in 0..400 {
        let answer = engine.call("POST", "/v1/jobs", Some(json!({"kind": "demo.sleep", "args": {"ms": 50 + n % 7}}))).await;
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    engine.front().kill();
    engine.start_front("up", &[]).await;
    engine.queue_until("default", "all 400 completed", Duration::from_secs(60), |q| q["completed"] == 400).await;
    for id in &ids {
        let job = engine.job(id).await;
        assert_eq!(job["state"], "completed", "{job}");
        assert_eq!(job["attempts"], 1, "a crash spends no attempt: {job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_file_is_refused_with_the_reason() {
    let engine = Engine::up(&[]).await;
    let mut second = engine.role("up", &["--listen", "127.0.0.1:0"]).await;
    let status = second.ended(Duration::from_secs(20)).await;
    assert!(!status.success());
    let log = std::fs::read_to_string(engine.dir.join("up.log")).unwrap();
    assert!(log.contains("queue.db"), "the message names the file: {log}");
    let answer = engine.call("POST", "/v1/jobs", Some(json!({"kind": "demo.echo", "args": {}}))).await;
    engine.until(answer["id"].as_str().unwrap(), "completed", Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_that_is_cancelled_stops_within_a_second() {
    let engine = Engine::up(&[]).await;
    let ids = engine.enqueue(vec![json!({"kind": "demo.sleep", "args": {"ms": 600_000}})]).await;
    engine.until(&ids[0], "running", Duration::from_secs(10)).await;
    engine.call("POST", &format!("/v1/jobs/{}/cancel", ids[0]), None).await;
    let job = engine.until(&ids[0], "cancelled", Duration::from_secs(1)).await;
    assert_eq!(job["attempts"], 0, "{job}");
    engine.queue_until("default", "nothing runs", Duration::from_secs(1), |q| q["running"] == 0).await;
}
