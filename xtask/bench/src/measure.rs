//! What is measured, in this order on one broker: enqueue with nobody working, memory of the waiting jobs, drain, both at once, pickup.

use crate::{api::Api, mark::now_us, place::Place};
use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// How much of it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Jobs to drain.
    pub(crate) jobs: u64,
    /// Single jobs, one every 20 ms.
    pub(crate) pickups: u64,
    /// Of each worker process.
    pub(crate) concurrency: usize,
}

/// The figures of one broker.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) broker: String,
    pub(crate) fsync: String,
    pub(crate) durability: String,
    pub(crate) worker_processes: u32,
    /// Of each of them.
    pub(crate) concurrency: usize,
    pub(crate) jobs: u64,
    pub(crate) enqueue_per_s: f64,
    pub(crate) drain_per_s: f64,
    /// Enqueue and drain at once, from the first call to the last completed job.
    pub(crate) end_to_end_per_s: f64,
    /// Redis only.
    pub(crate) redis_cpu_us_per_job: Option<f64>,
    /// Redis only: bytes of memory per waiting job.
    pub(crate) bytes_per_waiting_job: Option<f64>,
    /// From the acknowledged enqueue to the start of the handler; 0 where the handler began before the answer was read.
    pub(crate) pickup_ms: Quantiles,
    /// From the begin of the call to the start of the handler.
    pub(crate) call_to_start_ms: Quantiles,
}

/// Of a sorted list.
#[derive(Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

pub(crate) async fn all(name: &str, plan: &Plan) -> Result<Figures, String> {
    let mut place = Place::new()?;
    let redis = if name == "redis" { Some(place.start_redis().await?) } else { None };
    let broker = redis.as_deref();
    let at_once = plan.concurrency.to_string();
    let flags = ["--concurrency", &at_once];
    let ready = if broker.is_some() { place.start("api", broker, &[])? } else { place.start("up", None, &flags)? };
    let api = Api::new(&ready)?;

    // The first job makes the queue, its kinds and its scripts; it is not counted.
    api.enqueue("drain", 1).await?;
    api.call(Method::POST, "/v1/queues/drain/pause", Some(&json!({}))).await?;
    let used = |place: &Place| broker.map(|_| place.redis_info("memory", "used_memory")).transpose();
    let before = used(&place)?;
    let began = now_us();
    api.enqueue("drain", plan.jobs).await?;
    let enqueue_per_s = rate(plan.jobs, began);
    let after = used(&place)?;

    if broker.is_some() {
        fleet(&mut place, broker, &flags)?;
    }
    api.workers(if broker.is_some() { 2 } else { 1 }).await?;
    let cpu = |place: &Place| broker.map(|_| cpu_seconds(place)).transpose();
    let cpu_before = cpu(&place)?;
    let began = now_us();
    api.call(Method::POST, "/v1/queues/drain/resume", Some(&json!({}))).await?;
    api.completed("drain", plan.jobs + 1).await?;
    let drain_per_s = rate(plan.jobs, began);
    let cpu_after = cpu(&place)?;

    let began = now_us();
    api.enqueue("both", plan.jobs).await?;
    api.completed("both", plan.jobs).await?;
    let end_to_end_per_s = rate(plan.jobs, began);

    let (durability, pickup_ms, call_to_start_ms) = pickup(&api, plan.pickups).await?;
    let per_job =
        |pair: (Option<f64>, Option<f64>), unit: f64| pair.1.zip(pair.0).map(|(after, before)| (after - before) * unit / plan.jobs as f64);
    Ok(Figures {
        broker: name.into(),
        fsync: if broker.is_some() { "appendfsync everysec" } else { "synchronous=FULL on enqueue and ack" }.into(),
        durability,
        concurrency: plan.concurrency,
        worker_processes: if broker.is_some() { 2 } else { 1 },
        jobs: plan.jobs,
        enqueue_per_s,
        drain_per_s,
        end_to_end_per_s,
        redis_cpu_us_per_job: per_job((cpu_before, cpu_after), 1e6),
        bytes_per_waiting_job: per_job((before, after), 1.0),
        pickup_ms,
        call_to_start_ms,
    })
}

/// Everything that drains: an API, and on Redis a scheduler and two workers apart from it; the workers have reported.
pub(crate) async fn deployment(place: &mut Place, name: &str, concurrency: usize) -> Result<Api, String> {
    let redis = if name == "redis" { Some(place.start_redis().await?) } else { None };
    let (broker, at_once) = (redis.as_deref(), concurrency.to_string());
    let flags = ["--concurrency", &at_once];
    let api = Api::new(&if broker.is_some() { place.start("api", broker, &[])? } else { place.start("up", None, &flags)? })?;
    if broker.is_some() {
        fleet(place, broker, &flags)?;
    }
    api.workers(if broker.is_some() { 2 } else { 1 }).await?;
    Ok(api)
}

fn fleet(place: &mut Place, broker: Option<&str>, flags: &[&str]) -> Result<(), String> {
    place.start("scheduler", broker, &[])?;
    for _ in 0..2 {
        place.start("worker", broker, flags)?;
    }
    Ok(())
}

/// One job every 20 ms onto idle workers; when its handler began is its output. Answers the durability class that was told, too.
async fn pickup(api: &Api, count: u64) -> Result<(String, Quantiles, Quantiles), String> {
    let mut every = tokio::time::interval(Duration::from_millis(20));
    let (mut sent, mut durability) = (Vec::new(), String::new());
    // The first job makes the queue, which workers have to find; it is not counted.
    api.put("pickup", &[json!({ "kind": "bench.mark", "args": {} })]).await?;
    api.completed("pickup", 1).await?;
    for _ in 0..count {
        every.tick().await;
        let called = now_us();
        let answer = api.call(Method::POST, "/v1/jobs", Some(&json!({ "kind": "bench.mark", "queue": "pickup", "args": {} }))).await?;
        durability = answer["durability"].as_str().unwrap_or_default().to_owned();
        sent.push((answer["id"].as_str().unwrap_or_default().to_owned(), called, now_us()));
    }
    api.completed("pickup", count + 1).await?;
    let (mut from_ack, mut from_call) = (Vec::new(), Vec::new());
    for (id, called, acknowledged) in sent {
        let job = api.call(Method::GET, &format!("/v1/jobs/{id}"), None).await?;
        let began = job["output"]["at_us"].as_u64().ok_or_else(|| format!("job {id} has no output: {job}"))?;
        from_ack.push(began.saturating_sub(acknowledged) as f64 / 1e3);
        from_call.push(began.saturating_sub(called) as f64 / 1e3);
    }
    Ok((durability, quantiles(from_ack), quantiles(from_call)))
}

fn cpu_seconds(place: &Place) -> Result<f64, String> {
    Ok(place.redis_info("cpu", "used_cpu_user")? + place.redis_info("cpu", "used_cpu_sys")?)
}

pub(crate) fn rate(jobs: u64, began_us: u64) -> f64 {
    jobs as f64 / (now_us().saturating_sub(began_us).max(1) as f64 / 1e6)
}

pub(crate) fn quantiles(mut values: Vec<f64>) -> Quantiles {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or(0.0);
    Quantiles { p50: at(0.5), p99: at(0.99), max: at(1.0) }
}

#[cfg(test)]
mod tests {
    use super::quantiles;

    #[test]
    fn quantiles_of_a_list_in_any_order() {
        let of = quantiles((0..=100).rev().map(f64::from).collect());
        assert!((of.p50, of.p99, of.max) == (50.0, 99.0, 100.0), "{of:?}");
        assert!(quantiles(Vec::new()).p99 == 0.0);
    }
}
