//! `memory`: what one job takes in each state, and what a worker takes that holds 10,000 at once.

use crate::{
    api::{TENANTS, job, text},
    clock::pass,
    deployment::{Deployment, Setup},
    figure::{Sample, Taken},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const JOBS: u64 = 20_000;
/// A worker's most.
const AT_ONCE: u64 = 10_000;
/// Longer than everything is looked at.
const SLEEP_MS: u64 = 40_000;

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let deployment = setup.start_with(AT_ONCE as usize, 1).await?;
    let jobs = setup.options.jobs.unwrap_or(JOBS);
    let mut taken = Taken::default();
    let unit = if setup.is_redis() { "bytes of Redis" } else { "bytes of the file" };
    let api = &deployment.api;

    api.paused("waiting").await?;
    let waiting = each(&deployment, "waiting", jobs, |n| job(n, TENANTS)).await?;
    taken.put(Sample::less("a waiting job", unit, waiting));
    let delayed = each(&deployment, "delayed", jobs, |n| {
        let mut job = job(n, TENANTS);
        job["delay_ms"] = 3_600_000.into();
        job
    });
    taken.put(Sample::less("a delayed job", unit, delayed.await?));

    let before = deployment.bytes()?;
    api.enqueue("completed", jobs).await?;
    api.completed("completed", jobs).await?;
    taken.put(Sample::less("a completed job", unit, (deployment.bytes()? - before) / jobs as f64));
    let before = deployment.bytes()?;
    let fails = |n: u64| json!({ "kind": "demo.fail", "tenant": format!("tenant-{}", n % TENANTS), "args": { "fatal": true, "message": text(95) } });
    api.put("dead", &(0..jobs).map(fails).collect::<Vec<Value>>()).await?;
    api.counted("dead", "dead", jobs).await?;
    taken.put(Sample::less("a dead job", unit, (deployment.bytes()? - before) / jobs as f64));

    let before = deployment.bytes()?;
    let sleeps = |n: u64| json!({ "kind": "bench.mark", "tenant": format!("tenant-{}", n % TENANTS), "args": { "ms": SLEEP_MS, "text": text(105) } });
    api.put("running", &(0..AT_ONCE).map(sleeps).collect::<Vec<Value>>()).await?;
    api.counted("running", "running", AT_ONCE).await?;
    taken.put(Sample::less("a running job", unit, (deployment.bytes()? - before) / AT_ONCE as f64));
    // Some heartbeats, which name every one of them.
    pass(Duration::from_secs(12)).await;
    let worker = deployment.workers().first().map(|worker| worker.memory()).ok_or("no worker")??;
    taken.put(Sample::less("a worker with 10,000 sleeping jobs", "MB", worker / 1e6));
    let running = api.call(Method::GET, "/v1/queues/running", None).await?;
    if running["running"] != AT_ONCE {
        return Err(format!("of {AT_ONCE} sleeping jobs {} were still running when the worker was looked at", running["running"]));
    }
    Ok(taken)
}

/// Bytes of each of these jobs, which nobody runs.
async fn each(deployment: &Deployment, queue: &str, jobs: u64, job: impl Fn(u64) -> Value) -> Result<f64, String> {
    let before = deployment.bytes()?;
    deployment.api.put(queue, &(0..jobs).map(job).collect::<Vec<Value>>()).await?;
    Ok((deployment.bytes()? - before) / jobs as f64)
}
