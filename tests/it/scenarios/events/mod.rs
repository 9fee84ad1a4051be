//! Events over real connections: several API processes on one Redis, readers that go and come again by another way.

mod ear;

use super::{Engine, until};
use crate::harness::{self, redis::Redis};
use ear::{Ear, Told};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const JOBS: usize = 300;

/// What is told of each job, in order.
fn by_job(told: &[Told]) -> BTreeMap<String, Vec<(String, u64)>> {
    let mut jobs = BTreeMap::<_, Vec<_>>::new();
    for Told { data, .. } in told {
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        jobs.entry(text("job")).or_default().push((text("state"), data["attempt"].as_u64().unwrap_or(0)));
    }
    jobs
}

/// Another API process beside the engine's; answers its address.
async fn second_api(engine: &Engine) -> (super::Process, String) {
    let listen = format!("127.0.0.1:{}", harness::free_port());
    let process = engine.role("api", &["--listen", &listen]).await;
    let url = format!("http://{listen}");
    let ready = format!("{url}/readyz");
    until("the second API is ready", Duration::from_secs(20), async || {
        reqwest::get(&ready).await.ok().filter(|answer| answer.status().is_success())
    })
    .await;
    (process, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_tells_the_same_and_a_reader_may_change_between_them() {
    let redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let _worker = engine.role("worker", &["--concurrency", "8"]).await;
    let (_second, other) = second_api(&engine).await;
    // Kinds' queues are there from the start.
    let path = "/v1/events?queue=default&kind=demo.echo";
    let (mut one, mut two) = (Ear::open(&engine, &engine.url, path, "").await, Ear::open(&engine, &other, path, "").await);
    let mut heard: Vec<Told> = Vec::new();
    let mut ear = Ear::open(&engine, &other, path, "").await;
    for n in 0..JOBS / 10 {
        engine.enqueue((0..10).map(|n| json!({ "kind": "demo.echo", "args": { "n": n } })).collect()).await;
        heard.extend(ear.some(1 + n % 7).await);
        // The connection is cut wherever it is, and made again to the other process.
        let url = if n % 2 == 0 { &engine.url } else { &other };
        ear = Ear::open(&engine, url, path, ear.last()).await;
    }
    heard.extend(ear.some(JOBS * 3 - heard.len()).await);
    let (one, two) = (one.some(JOBS * 3).await, two.some(JOBS * 3).await);
    assert!(heard.iter().chain(&one).chain(&two).all(|told| told.event == "state"), "nothing is missed");
    let (heard, one, two) = (by_job(&heard), by_job(&one), by_job(&two));
    assert_eq!(one.len(), JOBS);
    let wanted = [("ready".to_owned(), 0), ("running".to_owned(), 1), ("completed".to_owned(), 1)];
    assert!(one.values().all(|steps| *steps == wanted), "{one:?}");
    assert!(one == two && one == heard, "each once, in order, whichever way");
    assert!(engine.metric("longshore_event_readers").await >= 1.0);
}

/// Who watches a job hears what it writes, through a process that has nothing to do with it, and the stream ends with the job.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_tells_is_heard_in_another_process() {
    let redis = Redis::start(&[]).await;
    let engine = Engine::on(&redis.url(), &[]).await;
    let _worker = engine.role_of("it-kinds", "worker", &[]).await;
    until("the kind is known", Duration::from_secs(20), async || {
        let (status, _) = engine.try_call("GET", "/v1/kinds/it.told", None).await.ok()?;
        (status == 200).then_some(())
    })
    .await;
    let made =
        engine.call("POST", "/v1/jobs", Some(json!({ "kind": "it.told", "args": { "rounds": 3, "ms": 400 }, "delay_ms": 500 }))).await;
    let id = made["id"].as_str().expect("an id");
    let mut ear = Ear::open(&engine, &engine.url, &format!("/v1/jobs/{id}/events"), "").await;
    let told = ear.rest().await;
    assert_eq!(told.first().map(|told| told.event.as_str()), Some("job"));
    assert_eq!(told.last().map(|told| told.data["state"].clone()), Some(json!("completed")));
    let said = |field: &'static str| {
        let of = told.iter().filter(|told| told.event == "told").map(move |told| told.data[field].clone());
        of.filter(|it| !it.is_null())
    };
    let output: String = said("output").filter_map(|text| text.as_str().map(str::to_owned)).collect();
    assert_eq!(output, "piece 1\npiece 2\npiece 3\n");
    let lines: Vec<Value> = said("logs").flat_map(|lines| lines.as_array().cloned().unwrap_or_default()).collect();
    assert_eq!(lines.iter().map(|line| line["message"].clone()).collect::<Vec<_>>(), ["line 1", "line 2", "line 3"]);
    assert_eq!(said("progress").next_back(), Some(json!({ "done": 3 })));
    let kept = engine.get(&format!("/v1/jobs/{id}/logs")).await;
    assert_eq!((&kept["logs"], &kept["dropped"]), (&json!(lines), &json!(0)));
}
