//! Real input: 5,000 `http.request` jobs for 40 tenants against a real nginx that misbehaves now and then.

use super::{Engine, nginx::Nginx, on_redis::workers};
use crate::harness::redis::Redis;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, time::Duration};

const JOBS: usize = 5_000;
const TENANTS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn embedded_every_request_ends_as_it_should() {
    let (nginx, files) = site().await;
    let mut engine = Engine::up(&[("LONGSHORE_WORKER__CONCURRENCY", "64"), ("LONGSHORE_ALLOW_OUTBOUND", "127.0.0.0/8")]).await;
    let ids = engine.enqueue(requests(&nginx)).await;
    check(&engine, &nginx, &files, &ids).await;
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_with_one_of_two_workers_killed() {
    let (nginx, files) = site().await;
    let redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let flags = ["--concurrency", "32", "--allow-outbound", "127.0.0.0/8"];
    let (mut first, _second) = (engine.role("worker", &flags).await, engine.role("worker", &flags).await);
    workers(&engine, 2).await;
    engine.call("POST", "/v1/queues/default/pause", Some(json!({}))).await;
    let ids = engine.enqueue(requests(&nginx)).await;
    engine.call("POST", "/v1/queues/default/resume", None).await;
    engine.queue_until("default", "under way", Duration::from_secs(30), |q| q["completed"].as_u64() > Some(300)).await;
    first.kill();
    check(&engine, &nginx, &files, &ids).await;
}

fn absent(n: usize) -> bool {
    n % 50 == 7
}

async fn site() -> (Nginx, Vec<(String, Vec<u8>)>) {
    let files: Vec<_> = (0..200)
        .map(|n| (format!("file-{n}"), (0..500 + n * 37).map(|i| u8::try_from((i * 31 + n) % 256).unwrap()).collect::<Vec<_>>()))
        .collect();
    (Nginx::start(&files).await, files)
}

fn requests(nginx: &Nginx) -> Vec<Value> {
    (0..JOBS)
        .map(|n| {
            let file = if absent(n) { format!("absent-{n}") } else { format!("file-{}", n % 200) };
            // So many attempts that one job in 10^10 meets bad luck to the end.
            json!({"kind": "http.request", "tenant": format!("agency-{}", n % TENANTS), "attempts_max": 8, "args": {"url": nginx.url(&file)}})
        })
        .collect()
}

async fn check(engine: &Engine, nginx: &Nginx, files: &[(String, Vec<u8>)], ids: &[String]) {
    let dead = (0..JOBS).filter(|n| absent(*n)).count();
    engine
        .queue_until("default", "every job has ended", Duration::from_secs(180), |q| {
            q["completed"].as_u64().unwrap_or(0) + q["dead"].as_u64().unwrap_or(0) == JOBS as u64
        })
        .await;
    let mut sent: HashMap<String, (u64, u64)> = HashMap::new();
    for hit in nginx.hits() {
        let entry = sent.entry(hit.key).or_default();
        entry.0 += 1;
        entry.1 += u64::from(hit.status == 200 || hit.status == 404);
    }
    let mut seen_dead = 0;
    for (n, id) in ids.iter().enumerate() {
        let job = engine.job(id).await;
        let count = |field: &str| job[field].as_u64().unwrap();
        let runs = count("attempts") + count("crashes") + count("interruptions");
        let (hits, _) = sent[id];
        assert!(hits <= runs, "{hits} requests, but {runs} runs are told: {job}");
        if absent(n) {
            seen_dead += 1;
            assert_eq!(job["state"], "dead", "{job}");
            assert!(job["errors"].as_array().unwrap().last().unwrap()["message"].as_str().unwrap().contains("404"), "{job}");
        } else {
            assert_eq!(job["state"], "completed", "{job}");
            assert_eq!(job["output"]["status"], 200);
            assert_eq!(hash(&body(&job["output"])), hash(&files[n % 200].1), "{job}");
        }
    }
    assert_eq!(seen_dead, dead);
}

fn body(output: &Value) -> Vec<u8> {
    use base64::Engine as _;
    match (&output["body"], &output["body_base64"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::String(text)) => base64::engine::general_purpose::STANDARD.decode(text).expect("base64"),
        _ => panic!("no body: {output}"),
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
