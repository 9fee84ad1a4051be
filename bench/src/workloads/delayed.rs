//! `delayed`: 50,000 jobs fall due in the same ten seconds, spread evenly; how late their handlers begin.

use crate::{
    clock::{now_us, pass},
    deployment::Setup,
    figure::{Sample, Taken},
};
use serde_json::{Value, json};
use std::time::Duration;

const JOBS: u64 = 50_000;
const WINDOW_MS: u64 = 10_000;
/// Until the first is due, everything is enqueued: so much, and a moment for each job.
const LEAD_MS: u64 = 3_000;
const LEAD_US_A_JOB: u64 = 60;

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (deployment, jobs) = (setup.start().await?, setup.options.jobs.unwrap_or(JOBS));
    let api = &deployment.api;
    api.put("delayed", &[json!({ "kind": "bench.mark", "args": {} })]).await?;
    api.completed("delayed", 1).await?;
    let first_ms = now_us() / 1_000 + LEAD_MS + jobs * LEAD_US_A_JOB / 1_000;
    let due = |n: u64| first_ms + n * WINDOW_MS / jobs;
    // In no order, as they come in life: a step that shares no factor with the number of jobs.
    let all: Vec<Value> = (0..jobs).map(|n| job(due(n * step(jobs) % jobs), n)).collect();
    api.put("delayed", &all).await?;
    let spare_ms = (first_ms as f64) - now_us() as f64 / 1e3;
    if spare_ms < 0.0 {
        return Err(format!("the jobs were enqueued {:.0} ms after the first was due: the machine is too busy", -spare_ms));
    }
    pass(Duration::from_millis(spare_ms as u64 + WINDOW_MS)).await;
    api.completed("delayed", jobs + 1).await?;
    let done = api.list("queue=delayed&state=completed").await?;
    let late = |job: &Value| Some((job["output"]["at_us"].as_u64()? as f64 - job["output"]["due_us"].as_u64()? as f64) / 1e3);
    let late: Vec<f64> = done.iter().filter_map(late).collect();
    if late.len() as u64 != jobs {
        return Err(format!("{} of {jobs} jobs told when they began", late.len()));
    }
    let mut taken = Taken::default();
    let early = late.iter().filter(|late| **late < 0.0).count();
    taken.put(Sample::less("jobs that began before they were due", "jobs", early as f64));
    taken.spread("lateness", "ms", late);
    Ok(taken)
}

fn job(due_ms: u64, n: u64) -> Value {
    let at = longshore_base::rfc3339(i64::try_from(due_ms).unwrap_or(i64::MAX));
    json!({ "kind": "bench.mark", "tenant": format!("tenant-{}", n % crate::api::TENANTS), "run_at": at, "args": { "due_us": due_ms * 1_000 } })
}

/// A prime that does not divide `jobs`.
fn step(jobs: u64) -> u64 {
    [7_919, 7_907, 7_901].into_iter().find(|prime| !jobs.is_multiple_of(*prime)).unwrap_or(1)
}
