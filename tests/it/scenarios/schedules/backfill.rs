//! A range of ticks is made up for, at a rate, while its worker is killed; and stopped in the middle.

use super::{on_both, site::Site};
use crate::scenarios::until;
use longshore_base::{Millis, rfc3339};
use serde_json::{Value, json};
use std::time::Duration;

on_both! {
    each_tick_of_the_range_makes_one_job_though_the_worker_is_killed;
}

const HOUR: Millis = 3_600_000;

async fn each_tick_of_the_range_makes_one_job_though_the_worker_is_killed(mut site: Site) {
    site.schedulers(1).await;
    site.worker().await;
    let starts = site.clock.now() - 1_000 * HOUR;
    site.put("report", json!({"every_ms": HOUR, "starts_at": rfc3339(starts), "overlap": "skip", "paused": true})).await;
    let range = |from: Millis, to: Millis, per_second: u32| json!({"from": rfc3339(starts + from * HOUR), "to": rfc3339(starts + to * HOUR), "per_second": per_second});
    let backfill = async |site: &Site, range: Value, count: u64| {
        let answer = site.engine.call("POST", "/v1/schedules/report/backfill", Some(range)).await;
        assert_eq!(answer["count"], count);
        format!("/v1/operations/{}", answer["operation"].as_str().expect("an operation"))
    };

    let operation = backfill(&site, range(0, 200, 20), 200).await;
    let done = watch(&site, &operation, "a part is made", |view| view["made"].as_u64() >= Some(40)).await;
    assert!(done["made"].as_u64() < Some(200) && done["total"] == 200, "it goes on at the rate: {done}");
    match &mut site.worker {
        Some(worker) => {
            worker.kill();
            site.worker = Some(site.engine.role("worker", &["--concurrency", "32"]).await);
        }
        None => {
            site.kill_schedulers();
            site.restart(1).await;
        }
    }
    let mut seen = 0;
    let end = watch(&site, &operation, "it is complete", |view| {
        let made = view["made"].as_u64().expect("a number");
        assert!(made >= seen, "progress goes on from where it was: {made} after {seen}");
        seen = made;
        view["state"] == "completed"
    })
    .await;
    assert_eq!((&end["made"], &end["skipped"], &end["total"]), (&json!(200), &json!(0), &json!(200)), "{end}");
    let expected: Vec<_> = (0..200).map(|n| starts + n * HOUR).collect();
    assert_eq!(site.ticks("ticks", "report").await, expected, "each tick one job");

    let operation = backfill(&site, range(190, 690, 20), 500).await;
    watch(&site, &operation, "a part is made", |view| view["made"].as_u64() >= Some(20)).await;
    site.engine.call("POST", &format!("{operation}/cancel"), Some(json!({}))).await;
    let end = watch(&site, &operation, "it has stopped", |view| view["state"] == "cancelled").await;
    assert_eq!(end["skipped"], 10, "ten of them had jobs: {end}");
    let made = site.ticks("ticks", "report").await.len();
    assert!((220..690).contains(&made), "{made}");
    site.pass(Duration::from_millis(2_500)).await;
    assert_eq!(site.ticks("ticks", "report").await.len(), made, "nothing comes after the cancel");
}

async fn watch(site: &Site, operation: &str, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
    until(what, Duration::from_secs(60), async || {
        let (status, view) = site.engine.try_call("GET", operation, None).await.ok()?;
        (status == 200 && holds(&view)).then_some(view)
    })
    .await
}
