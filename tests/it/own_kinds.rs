//! A team's own kinds in a team's own crate, beside the stock binary.

use crate::harness::{eventually, folder, longshore::Longshore, redis};
use std::{path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(20);

/// The stock API knows the kinds from their records alone; their jobs wait for the team's worker.
#[tokio::test]
async fn the_stock_api_takes_own_kinds_and_their_worker_runs_them() {
    let redis = redis::Redis::start(&[]).await;
    let (broker, data) = (redis.url(), folder("data"));
    let flags = ["--broker", &broker];
    let worker = async |data: &Path| Longshore::start("own-kinds", "worker", data.to_owned(), &flags).await;
    // Once is enough: the records stay when the worker has gone.
    assert_eq!(worker(&data).await.terminate().await, Some(0));

    let stock = Longshore::start("longshore", "up", data.clone(), &flags).await;
    let greet = waits_for_its_worker(&stock).await;
    let _worker = worker(&data).await;
    runs(&stock, &greet).await;
}

/// The same on one machine: the team's `up` and the stock `up` take turns on one folder.
#[tokio::test]
async fn own_kinds_wait_in_the_file_for_their_binary() {
    let data = folder("data");
    let own = async || Longshore::start("own-kinds", "up", data.clone(), &[]).await;
    assert_eq!(own().await.terminate().await, Some(0));
    let stock = Longshore::start("longshore", "up", data.clone(), &[]).await;
    let greet = waits_for_its_worker(&stock).await;
    assert_eq!(stock.terminate().await, Some(0));
    runs(&own().await, &greet).await;
}

/// Checks and schemas without the kinds' code; a job stays Ready beside a worker that does not carry its kind. Answers its id.
async fn waits_for_its_worker(stock: &Longshore) -> String {
    let schema = stock.json(&["kinds", "show", "team.greet"]);
    assert_eq!(schema["args_schema"]["properties"]["times"]["maximum"], 10);
    let refused = stock.run(&["enqueue", "team.greet", r#"{"times":11,"nam":"x"}"#]);
    assert_eq!(refused.code, 1);
    assert!(["/args/times", "/args/nam", "/args/name"].iter().all(|part| refused.told.contains(part)), "{}", refused.told);

    let made = stock.json(&["enqueue", "team.greet", r#"{"name":"world","times":2}"#]);
    let greet = made["id"].as_str().expect("an id").to_owned();
    // A job behind it in the same queue runs: the stock worker has looked at the queue and left the other one alone.
    let behind = stock.run(&["enqueue", "demo.echo", "{}", "--queue", "team", "--wait"]);
    assert_eq!(behind.code, 0, "{}", behind.told);
    let job = stock.json(&["jobs", "show", &greet]);
    assert_eq!((&job["state"], &job["attempts"], &job["crashes"]), (&"ready".into(), &0.into(), &0.into()), "{job:#}");
    greet
}

async fn runs(api: &Longshore, greet: &str) {
    let state = async || api.json(&["jobs", "show", greet])["state"] == "completed";
    eventually("its own worker runs it", SOON, state).await;
    assert_eq!(api.json(&["jobs", "show", greet])["output"]["lines"], serde_json::json!(["Hello world", "Hello world"]));
    let fatal = api.run(&["enqueue", "team.word_count", r#"{"text":" "}"#, "--wait"]);
    assert!(fatal.code == 1 && fatal.told.contains("the text has no words"), "{}", fatal.told);
}
