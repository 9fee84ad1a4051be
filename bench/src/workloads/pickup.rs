//! `pickup`: one job every 20 ms onto idle workers, from the acknowledged enqueue to the start of its handler; 0 where the handler began before the
//! answer was read. Also from the begin of the call, which hides nothing.

use crate::{clock::now_us, deployment::Setup, figure::Taken};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

const JOBS: usize = 200;
const EVERY: Duration = Duration::from_millis(20);

pub(crate) async fn take(setup: &Setup) -> Result<Taken, String> {
    let deployment = setup.start().await?;
    let api = &deployment.api;
    // The first job makes the queue, which workers have to find; it is not counted.
    api.put("pickup", &[json!({ "kind": "bench.mark", "args": {} })]).await?;
    api.completed("pickup", 1).await?;
    let mut every = tokio::time::interval(EVERY);
    let mut sent = Vec::new();
    for _ in 0..JOBS {
        every.tick().await;
        let called = now_us();
        let answer = api.call(Method::POST, "/v1/jobs", Some(&json!({ "kind": "bench.mark", "queue": "pickup", "args": {} }))).await?;
        sent.push((answer["id"].as_str().unwrap_or_default().to_owned(), called, now_us()));
    }
    api.completed("pickup", JOBS as u64 + 1).await?;
    let jobs = api.read(sent.iter().map(|(id, ..)| id.clone()).collect()).await?;
    let (mut from_ack, mut from_call) = (Vec::new(), Vec::new());
    for (job, (id, called, acknowledged)) in jobs.iter().zip(sent) {
        let began = job["output"]["at_us"].as_u64().ok_or_else(|| format!("job {id} has no output: {job}"))?;
        from_ack.push(began.saturating_sub(acknowledged) as f64 / 1e3);
        from_call.push(began.saturating_sub(called) as f64 / 1e3);
    }
    let mut taken = Taken::default();
    taken.spread("pickup", "ms", from_ack);
    taken.spread("from call to start", "ms", from_call);
    Ok(taken)
}
