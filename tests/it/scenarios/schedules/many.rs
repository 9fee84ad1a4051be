//! Ten thousand schedules: how late their ticks are, and what they cost while hardly any is due.

use super::{on_both, site::Site};
use crate::scenarios::Process;
use futures::stream::{self, StreamExt};
use longshore_base::{Millis, rfc3339};
use serde_json::{Value, json};
use std::time::Duration;

on_both! {
    a_thousand_schedules_tick_in_time_and_cost_little;
    #[ignore = "the size of the promise: 10,000 schedules, half a minute of a release build"]
    ten_thousand_schedules_tick_in_time_and_cost_little;
}

async fn a_thousand_schedules_tick_in_time_and_cost_little(site: Site) {
    many(site, 1_000, Duration::from_secs(10)).await;
}

async fn ten_thousand_schedules_tick_in_time_and_cost_little(site: Site) {
    many(site, 10_000, Duration::from_secs(60)).await;
}

/// So many schedules, of which about three tick in a second, and then none for a while.
async fn many(mut site: Site, schedules: Millis, window: Duration) {
    let spread = 360;
    site.engine.call("POST", "/v1/queues/ticks/pause", Some(json!({}))).await;
    site.schedulers(1).await;
    // Long before the first tick, however slowly they are put; the clock is moved there when all are.
    let starts = site.clock.now() + 2 * 3_600_000;
    let own = &site;
    let put = |n: Millis| async move {
        let says = json!({"every_ms": 24 * 3_600_000, "starts_at": rfc3339(starts + n * spread), "missed": "all", "missed_max": 10_000});
        own.put(&format!("s{n:05}"), says).await
    };
    stream::iter(0..schedules).map(put).buffer_unordered(8).collect::<Vec<_>>().await;
    // The scheduler looks at what is new.
    site.pass(Duration::from_secs(2)).await;
    let pid = site.schedulers.first().map(Process::pid).unwrap_or_else(|| site.engine.front().pid());
    let idle = cpu(&site, pid, window).await;
    site.clock.jump(starts - 2_000 - site.clock.now());
    let busy = cpu(&site, pid, window).await;
    let due = ((site.clock.now() - starts) / spread).min(schedules) - 3;
    let mut late = until_done(&site, due).await;
    late.sort_unstable();
    let part = |part: f64| late[((late.len() - 1) as f64 * part) as usize];
    println!(
        "{schedules} schedules, {} ticks: late by p50 {} ms, p99 {} ms, at most {} ms; CPU idle {idle:.2} %, ticking {busy:.2} %",
        late.len(),
        part(0.5),
        part(0.99),
        part(1.0)
    );
    // Figures of a quiet machine and a release build are in the report; a busy one with a debug build is only held to their order.
    assert!(part(0.5) <= 100, "{late:?}");
    assert!(idle < 10.0, "{idle} % while nothing is due");
}

/// How late, in milliseconds, the ticks of the first `n` schedules were; each was carried out.
async fn until_done(site: &Site, n: Millis) -> Vec<u64> {
    let last = format!("s{:05}", n - 1);
    site.until(&last, "it ticked", Duration::from_secs(20), |schedule| !schedule["last_tick"].is_null()).await;
    let mut late = Vec::new();
    let mut cursor = String::new();
    while (late.len() as Millis) < n {
        let page = site.engine.get(&format!("/v1/schedules?limit=1000{cursor}")).await;
        for schedule in page["items"].as_array().expect("items").iter().take(n as usize - late.len()) {
            assert_eq!(schedule["last_tick"]["outcome"], "started", "{schedule}");
            late.push(schedule["late_ms"].as_u64().expect("a number"));
        }
        match &page["cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    late
}

/// The part of one core, in percent, that a process takes while so much time passes.
async fn cpu(site: &Site, pid: u32, window: Duration) -> f64 {
    let before = ticks(pid);
    site.pass(window).await;
    // The kernel counts in hundredths of a second.
    (ticks(pid) - before) as f64 / window.as_secs_f64()
}

fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let field = |n: usize| rest.split_whitespace().nth(n).and_then(|field| field.parse::<u64>().ok()).expect("a number");
    field(11) + field(12)
}
