//! `big`: args of 64 KiB, which a job's record holds.

use crate::{
    api::{TENANTS, text},
    clock::{now_us, rate},
    deployment::Setup,
    figure::{Sample, Taken},
};
use serde_json::{Value, json};

const BYTES: usize = 64 << 10;
/// For each job that other workloads have.
const FEWER: u64 = 20;
/// Jobs of one call: its body stays far below 32 MiB.
const AT_ONCE: u64 = 100;

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (deployment, jobs) = (setup.start().await?, (setup.jobs() / FEWER).max(AT_ONCE));
    let api = &deployment.api;
    api.paused("big").await?;
    let text = text(BYTES - 12);
    let job = |n: u64| json!({ "kind": "demo.echo", "tenant": format!("tenant-{}", n % TENANTS), "args": { "text": text } });
    let began = now_us();
    for from in (0..jobs).step_by(AT_ONCE as usize) {
        api.put("big", &(from..jobs.min(from + AT_ONCE)).map(job).collect::<Vec<Value>>()).await?;
    }
    let mut taken = Taken::default();
    taken.put(Sample::more("enqueue, 64 KiB", "jobs/s", rate(jobs, began)));
    taken.put(Sample::more("drain, 64 KiB in and out", "jobs/s", api.drain("big", jobs).await?));
    Ok(taken)
}
