//! `single`: one job a call over HTTP, on 64 kept connections that each wait for the answer before the next call. Nobody works meanwhile.

use crate::{
    api,
    clock::{now_us, rate},
    deployment::Setup,
    figure::{Sample, Taken},
    wire::Wire,
};
use tokio::task::JoinSet;

const CONNECTIONS: u64 = 64;

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (deployment, jobs) = (setup.start().await?, setup.jobs());
    let api = &deployment.api;
    api.paused("single").await?;
    let each = jobs.div_ceil(CONNECTIONS);
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS {
        wires.push(Wire::connect(api).await?);
    }
    let began = now_us();
    let mut calls = JoinSet::new();
    for (number, mut wire) in (0..).zip(wires) {
        calls.spawn(async move {
            let mut took = Vec::new();
            for n in 0..each {
                let mut job = api::job(number * each + n, api::TENANTS);
                job["queue"] = "single".into();
                let job = job.to_string();
                let began = now_us();
                wire.enqueue(&job).await?;
                took.push(now_us().saturating_sub(began) as f64 / 1e3);
            }
            Ok::<_, String>(took)
        });
    }
    let took: Vec<Vec<f64>> = calls.join_all().await.into_iter().collect::<Result<_, _>>()?;
    let mut taken = Taken::default();
    taken.put(Sample::more("single enqueues, 64 connections", "jobs/s", rate(each * CONNECTIONS, began)));
    taken.spread("single enqueue", "ms", took.concat());
    // Every answer was a promise.
    api.counted("single", "ready", each * CONNECTIONS).await?;
    Ok(taken)
}
