//! `steady`: producers and workers at once, at 50, 80 and 95 % of what they can do together. Jobs come by the clock, whether or not earlier calls were
//! answered, and latency counts from when a job should have come: no wait is left out (Gil Tene, "How NOT to Measure Latency").

use crate::{
    api::{Api, TENANTS, job, text},
    clock::{now_us, rate},
    deployment::Setup,
    figure::{Sample, Taken},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// A batch is sent so often.
const EVERY: Duration = Duration::from_millis(10);
const SECONDS: u64 = 6;
/// One job of so many tells when it began.
const MARKS: u64 = 20;

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let deployment = setup.start().await?;
    let (api, jobs) = (&deployment.api, setup.jobs());
    api.enqueue("first", 1).await?;
    api.completed("first", 1).await?;
    let began = now_us();
    api.enqueue("capacity", jobs).await?;
    api.completed("capacity", jobs).await?;
    let capacity = rate(jobs, began);
    let mut taken = Taken::default();
    taken.put(Sample::more("capacity, both at once", "jobs/s", capacity));
    for percent in [50, 80, 95] {
        let (start, ack) = paced(api, &format!("at-{percent}"), capacity * f64::from(percent) / 100.0).await?;
        taken.spread(&format!("{percent} %: to start"), "ms", start);
        taken.spread(&format!("{percent} %: to ack"), "ms", ack);
    }
    Ok(taken)
}

/// Latencies in milliseconds from when a job should have come: to the start of its handler, and to its ack (which the broker tells to the millisecond).
async fn paced(api: &Api, queue: &str, per_second: f64) -> Result<(Vec<f64>, Vec<f64>), String> {
    let batch = (per_second * EVERY.as_secs_f64()).round().max(1.0) as u64;
    let batches = SECONDS * 1_000 / EVERY.as_millis() as u64;
    let (mut every, mut calls) = (tokio::time::interval(EVERY), JoinSet::new());
    let first = now_us();
    for n in 0..batches {
        every.tick().await;
        let due = first + n * EVERY.as_micros() as u64;
        let (api, queue) = (api.clone(), queue.to_owned());
        calls.spawn(async move {
            let jobs: Vec<Value> =
                (n * batch..(n + 1) * batch).map(|n| if n % MARKS == 0 { mark(n, due) } else { job(n, TENANTS) }).collect();
            let ids = api.put_for_ids(&queue, &jobs).await?;
            Ok::<_, String>(ids.into_iter().zip(jobs).filter(|(_, job)| job["kind"] == "bench.mark").map(|(id, _)| id).collect::<Vec<_>>())
        });
    }
    let marks: Vec<Vec<String>> = calls.join_all().await.into_iter().collect::<Result<_, _>>()?;
    api.completed(queue, batches * batch).await?;
    let (mut start, mut ack) = (Vec::new(), Vec::new());
    for job in api.read(marks.concat()).await? {
        let told = |field: &str| job["output"][field].as_u64();
        let ended = job["ended_at"].as_str().and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok());
        let (Some(at), Some(due), Some(ended)) = (told("at_us"), told("due_us"), ended) else {
            return Err(format!("a job told nothing: {job}"));
        };
        start.push(at.saturating_sub(due) as f64 / 1e3);
        ack.push((ended.timestamp_millis() as f64 - due as f64 / 1e3).max(0.0));
    }
    Ok((start, ack))
}

fn mark(n: u64, due_us: u64) -> Value {
    json!({ "kind": "bench.mark", "tenant": format!("tenant-{}", n % TENANTS), "args": { "due_us": due_us, "text": text(90) } })
}
