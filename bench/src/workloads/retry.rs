//! `retry`: every job fails once and succeeds in its second attempt. The backoff of about a second is part of the time.

use crate::{
    api::{TENANTS, text},
    deployment::Setup,
    figure::{Sample, Taken},
};
use serde_json::{Value, json};

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let (deployment, jobs) = (setup.start().await?, setup.jobs());
    let api = &deployment.api;
    api.paused("retry").await?;
    let job =
        |n: u64| json!({ "kind": "demo.fail", "tenant": format!("tenant-{}", n % TENANTS), "args": { "times": 1, "message": text(98) } });
    api.put("retry", &(0..jobs).map(job).collect::<Vec<Value>>()).await?;
    let mut taken = Taken::default();
    taken.put(Sample::more("jobs that fail once", "jobs/s", api.drain("retry", jobs).await?));
    Ok(taken)
}
