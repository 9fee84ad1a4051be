//! `bench lanes`: what fairness and rules cost, in interleaved pairs of drains, and a picture of the shares that weights give.

use crate::{
    api::Api,
    pairs::{Drain, Drained, Pairs, pairs},
    picture,
    place::Place,
};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const PAYLOAD: &str = "bench.lane, which returns at once";
const TENANTS: u64 = 16;
/// Accounts in all, and those that are not gated.
const ACCOUNTS: u64 = 2_000;
const OPEN: u64 = 100;

/// How much of it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) jobs: u64,
    pub(crate) pairs: usize,
    pub(crate) concurrency: usize,
}

/// Drains of one broker. A ratio is of jobs a second: with over without, of one pair; 1 is no loss.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) broker: String,
    pub(crate) concurrency: usize,
    pub(crate) jobs: u64,
    /// With a limit, a rate and a weight for each tenant, and a limit for each (tenant, key), over without any.
    pub(crate) rules: Pairs,
    /// 2,000 lanes of which 1,900 are gated, over 100 lanes.
    pub(crate) gated: Pairs,
}

pub(crate) async fn all(name: &str, plan: &Plan) -> Result<Figures, String> {
    let mut place = Place::new()?;
    let api = crate::measure::deployment(&mut place, name, plan.concurrency).await?;
    let (with, without) = (|n| format!("rules-{n}"), |n| format!("plain-{n}"));
    let rules = pairs(
        plan.pairs,
        async |n| drain(&api, &with(n), plan.jobs, &limited(&with(n)), |n| job(&with_tenant(n), "", n)).await,
        async |n| drain(&api, &without(n), plan.jobs, &[], |n| job(&with_tenant(n), "", n)).await,
    )
    .await?;
    let (with, without) = (|n| format!("gated-{n}"), |n| format!("open-{n}"));
    let open = |n: u64| job(&of_account(n % OPEN * (ACCOUNTS / OPEN)), &account(n % OPEN * (ACCOUNTS / OPEN)), n);
    let gated = pairs(
        plan.pairs,
        async |n| {
            let queue = with(n);
            let gates: Vec<_> = (0..ACCOUNTS).filter(|n| n % (ACCOUNTS / OPEN) != 0).collect();
            let closed: Vec<Value> = gates.iter().map(|n| job(&of_account(*n), &account(*n), *n)).collect();
            api.put(&queue, &closed).await?;
            let pause = |n: &u64| (Method::POST, format!("/v1/queues/{queue}/keys/{}/{}/pause", of_account(*n), account(*n)), json!({}));
            drain(&api, &queue, plan.jobs, &gates.iter().map(pause).collect::<Vec<_>>(), open).await
        },
        async |n| drain(&api, &without(n), plan.jobs, &[], open).await,
    )
    .await?;
    Ok(Figures { broker: name.into(), concurrency: plan.concurrency, jobs: plan.jobs, rules, gated })
}

/// Before each drain: what its preparation wrote (a gate is a write of its own) is folded into the queue file meanwhile.
#[expect(clippy::disallowed_methods, reason = "a measurement on the machine's own time")]
async fn rest() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

type Call = (Method, String, Value);

/// The queue is filled while it is paused.
async fn drain(api: &Api, queue: &str, jobs: u64, rules: &[Call], job: impl Fn(u64) -> Value) -> Result<Drained, String> {
    api.put(queue, &[json!({ "kind": "demo.echo", "args": {} })]).await?;
    api.completed(queue, 1).await?;
    api.call(Method::POST, &format!("/v1/queues/{queue}/pause"), Some(&json!({}))).await?;
    api.each(rules).await?;
    let all: Vec<Value> = (0..jobs).map(job).collect();
    api.put(queue, &all).await?;
    rest().await;
    let drain = Drain::begin();
    api.call(Method::POST, &format!("/v1/queues/{queue}/resume"), None).await?;
    api.completed(queue, jobs + 1).await?;
    let drained = drain.end(jobs);
    eprintln!("bench: {queue}: {:.0} jobs/s", drained.per_s);
    Ok(drained)
}

fn limited(queue: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for n in 0..TENANTS {
        let tenant = with_tenant(n);
        let limits = json!({
            "max_running": 1000, "weight": 1 + n % 4,
            "rate": {"count": 1_000_000, "period_ms": 1_000, "burst": 1_000_000},
        });
        calls.push((Method::PUT, format!("/v1/queues/{queue}/tenants/{tenant}/limits"), limits));
        calls.push((Method::PUT, format!("/v1/queues/{queue}/keys/{tenant}/-/limits"), json!({ "max_running": 1000 })));
    }
    calls
}

fn with_tenant(n: u64) -> String {
    format!("tenant-{}", n % TENANTS)
}
fn of_account(n: u64) -> String {
    format!("tenant-{}", n % 20)
}
fn account(n: u64) -> String {
    format!("account-{n}")
}
fn job(tenant: &str, account: &str, n: u64) -> Value {
    let args = json!({ "account": account, "ms": 0 });
    json!({ "kind": "bench.lane", "tenant": tenant, "args": args, "tags": [format!("n-{}", n % 10)] })
}

/// Three tenants of weights 1, 2 and 4 with more work than 14 slots can do; what each had of the slots, drawn over time.
pub(crate) async fn shares(name: &str) -> Result<picture::Shares, String> {
    const JOBS: u64 = 6_000;
    const DONE: u64 = 6_000;
    let mut place = Place::new()?;
    let api = crate::measure::deployment(&mut place, name, 14).await?;
    api.put("shares", &[json!({ "kind": "demo.echo", "args": {} })]).await?;
    api.completed("shares", 1).await?;
    api.call(Method::POST, "/v1/queues/shares/pause", Some(&json!({}))).await?;
    api.call(Method::PUT, "/v1/queues/shares/scale", Some(&json!({ "slots": 14 }))).await?;
    let tenants = [("one", 1.0), ("two", 2.0), ("four", 4.0)];
    for (tenant, weight) in tenants {
        api.call(Method::PUT, &format!("/v1/queues/shares/tenants/{tenant}/limits"), Some(&json!({ "weight": weight }))).await?;
        let args = json!({ "account": "", "ms": 20 });
        let jobs: Vec<Value> = (0..JOBS).map(|_| json!({ "kind": "bench.lane", "tenant": tenant, "args": args })).collect();
        api.put("shares", &jobs).await?;
    }
    api.call(Method::POST, "/v1/queues/shares/resume", None).await?;
    api.completed("shares", DONE).await?;
    api.call(Method::POST, "/v1/queues/shares/pause", Some(&json!({}))).await?;
    let mut runs = Vec::new();
    for (at, (tenant, _)) in tenants.iter().enumerate() {
        for job in api.list(&format!("queue=shares&state=completed&tenant={tenant}")).await? {
            let time = |field: &str| job["output"][field].as_u64();
            runs.extend(time("from_us").zip(time("to_us")).map(|(from, to)| (at, from, to)));
        }
    }
    Ok(picture::Shares { broker: name.into(), tenants: tenants.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(), runs })
}
