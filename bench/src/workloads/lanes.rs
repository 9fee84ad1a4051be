//! `lanes`: what fairness and rules cost, in interleaved pairs of drains, and a picture of the shares that weights give.

use crate::{
    api::Api,
    clock::pass,
    deployment::Setup,
    figure::{Sample, Taken, median},
    pairs::{Drain, Drained, Pairs, pairs},
    picture,
    workload::Tell,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const PAYLOAD: &str = "bench.lane, which returns at once";
const TENANTS: u64 = 16;
/// Accounts in all, and those that are not gated.
const ACCOUNTS: u64 = 2_000;
const OPEN: u64 = 100;

/// Jobs of one drain.
const JOBS: u64 = 10_000;
const PAIRS: usize = 5;
/// Before each drain: what its preparation wrote (a gate is a write of its own) is folded into the queue file meanwhile.
const REST: Duration = Duration::from_secs(2);

/// A drain with a limit, a rate and a weight for each tenant, and a limit for each (tenant, key), over one without any; and 2,000 lanes of which
/// 1,900 are gated, over 100 lanes. 1 is no loss.
pub(crate) async fn take(setup: &Setup, tell: &Tell) -> Result<Taken, String> {
    let deployment = setup.start().await?;
    let (api, wanted, jobs) = (&deployment.api, setup.options.rounds.unwrap_or(PAIRS), setup.options.jobs.unwrap_or(JOBS));
    let (with, without) = (|n| format!("rules-{n}"), |n| format!("plain-{n}"));
    let rules = pairs(
        (wanted, tell),
        async |n| drain((api, tell), &with(n), jobs, &limited(&with(n)), |n| job(&with_tenant(n), "", n)).await,
        async |n| drain((api, tell), &without(n), jobs, &[], |n| job(&with_tenant(n), "", n)).await,
    )
    .await?;
    let (with, without) = (|n| format!("gated-{n}"), |n| format!("open-{n}"));
    let open = |n: u64| job(&of_account(n % OPEN * (ACCOUNTS / OPEN)), &account(n % OPEN * (ACCOUNTS / OPEN)), n);
    let gated = pairs(
        (wanted, tell),
        async |n| {
            let queue = with(n);
            let gates: Vec<_> = (0..ACCOUNTS).filter(|n| n % (ACCOUNTS / OPEN) != 0).collect();
            let closed: Vec<Value> = gates.iter().map(|n| job(&of_account(*n), &account(*n), *n)).collect();
            api.put(&queue, &closed).await?;
            let pause = |n: &u64| (Method::POST, format!("/v1/queues/{queue}/keys/{}/{}/pause", of_account(*n), account(*n)), json!({}));
            drain((api, tell), &queue, jobs, &gates.iter().map(pause).collect::<Vec<_>>(), open).await
        },
        async |n| drain((api, tell), &without(n), jobs, &[], open).await,
    )
    .await?;
    let mut taken = Taken::default();
    told(&mut taken, "fairness and limits", &rules);
    told(&mut taken, "2,000 lanes, 1,900 gated", &gated);
    Ok(taken)
}

fn told(taken: &mut Taken, what: &str, pairs: &Pairs) {
    taken.put(Sample::more(format!("{what}: with over without"), "ratio", pairs.ratio_median));
    taken.put(Sample::more(format!("{what}: with"), "jobs/s", median(&pairs.with_per_s)));
    taken.put(Sample::more(format!("{what}: without"), "jobs/s", median(&pairs.without_per_s)));
    taken.put(Sample::less(format!("{what}: pairs done again"), "pairs", pairs.disturbed as f64));
}

type Call = (Method, String, Value);

/// The queue is filled while it is paused.
async fn drain((api, tell): (&Api, &Tell), queue: &str, jobs: u64, rules: &[Call], job: impl Fn(u64) -> Value) -> Result<Drained, String> {
    api.paused(queue).await?;
    api.each(rules).await?;
    let all: Vec<Value> = (0..jobs).map(job).collect();
    api.put(queue, &all).await?;
    pass(REST).await;
    let drain = Drain::begin();
    let drained = drain.end(api.drain(queue, jobs).await?);
    tell(&format!("{queue}: {:.0} jobs/s", drained.per_s));
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
pub(crate) async fn shares(setup: &Setup) -> Result<picture::Shares, String> {
    const JOBS: u64 = 6_000;
    const DONE: u64 = 6_000;
    let deployment = setup.start_with(14, crate::deployment::WORKERS).await?;
    let api = &deployment.api;
    api.paused("shares").await?;
    api.call(Method::PUT, "/v1/queues/shares/scale", Some(&json!({ "slots": 14 }))).await?;
    let tenants = [("one", 1.0), ("two", 2.0), ("four", 4.0)];
    for (tenant, weight) in tenants {
        api.call(Method::PUT, &format!("/v1/queues/shares/tenants/{tenant}/limits"), Some(&json!({ "weight": weight }))).await?;
        let args = json!({ "account": "", "ms": 20 });
        let jobs: Vec<Value> = (0..JOBS).map(|_| json!({ "kind": "bench.lane", "tenant": tenant, "args": args })).collect();
        api.put("shares", &jobs).await?;
    }
    api.resume("shares").await?;
    api.completed("shares", DONE).await?;
    api.pause("shares").await?;
    let mut runs = Vec::new();
    for (at, (tenant, _)) in tenants.iter().enumerate() {
        for job in api.list(&format!("queue=shares&state=completed&tenant={tenant}")).await? {
            let time = |field: &str| job["output"][field].as_u64();
            runs.extend(time("from_us").zip(time("to_us")).map(|(from, to)| (at, from, to)));
        }
    }
    Ok(picture::Shares {
        broker: setup.broker_name().into(),
        tenants: tenants.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
        runs,
    })
}
