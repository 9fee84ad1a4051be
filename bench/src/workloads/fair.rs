//! `fair`: a drain of jobs for 1,000 tenants, after one of as many jobs for a single tenant on the same processes.

use crate::{
    api,
    deployment::{Deployment, Setup},
    figure::{Sample, Taken},
};
use serde_json::Value;

const TENANTS: u64 = 1_000;

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (deployment, jobs) = (setup.start().await?, setup.jobs());
    let tenants = setup.options.size.map_or(TENANTS, |size| size as u64);
    let one = drained(&deployment, "one", jobs, 1).await?;
    let many = drained(&deployment, "many", jobs, tenants).await?;
    let mut taken = Taken::default();
    taken.put(Sample::more("drain, one tenant", "jobs/s", one));
    taken.put(Sample::more(format!("drain, {tenants} tenants"), "jobs/s", many));
    taken.put(Sample::more(format!("{tenants} tenants over one"), "ratio", many / one));
    Ok(taken)
}

async fn drained(deployment: &Deployment, queue: &str, jobs: u64, tenants: u64) -> Result<f64, String> {
    let api = &deployment.api;
    api.paused(queue).await?;
    api.put(queue, &(0..jobs).map(|n| api::job(n, tenants)).collect::<Vec<Value>>()).await?;
    api.drain(queue, jobs).await
}
