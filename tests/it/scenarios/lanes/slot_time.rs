//! Long jobs beside short ones: what is shared is the slots' time, and a part of the slots can be kept free of one tenant.

use super::{
    house::{House, Jobs, Run, tenant},
    on_both,
};
use longshore_base::Clock;
use longshore_queue::Limits;
use std::{collections::HashMap, time::Duration};

const SLOTS: usize = 20;

on_both! {
    long_and_short_jobs_share_the_slots_time;
    a_short_job_starts_at_once_beside_a_tenant_with_a_max_share;
    #[ignore = "the promise's own durations, two minutes"]
    jobs_of_5_s_and_of_50_ms_share_the_slots_time;
}

async fn long_and_short_jobs_share_the_slots_time(house: &House) {
    share(house, 500, 25, Duration::from_secs(3)..Duration::from_secs(10)).await;
}

async fn jobs_of_5_s_and_of_50_ms_share_the_slots_time(house: &House) {
    share(house, 5_000, 50, Duration::from_secs(20)..Duration::from_secs(120)).await;
}

/// Two tenants of equal weight. The window begins after the first long jobs have ended: until then nobody knows that they are long.
async fn share(house: &House, long_ms: u64, short_ms: u64, window: std::ops::Range<Duration>) {
    let seconds = window.end.as_millis() as usize;
    house.enqueue(Jobs::of("long", seconds * SLOTS / long_ms as usize, long_ms).lengthy()).await;
    house.enqueue(Jobs::of("short", seconds * SLOTS / short_ms as usize, short_ms)).await;
    let worker = house.worker(SLOTS).await;
    let first = house.until("they run", async || house.log.runs().first().map(|run| run.began)).await;
    house.pass(window.end + Duration::from_millis(long_ms)).await;
    let runs = house.log.runs();
    worker.stop_now().await;
    let inside = |run: &Run| {
        let end = run.ended.unwrap_or(first + window.end).min(first + window.end);
        end.saturating_sub(run.began.max(first + window.start)).as_secs_f64()
    };
    let slot_time = |name: &str| -> f64 { runs.iter().filter(|run| run.tenant == name).map(inside).sum() };
    let (long, short) = (slot_time("long"), slot_time("short"));
    let part = long / (long + short);
    assert!((0.475..=0.525).contains(&part), "long jobs had {long:.2} s of the slots' time, short ones {short:.2} s: {part:.3}");
}

/// The long tenant could fill every slot and may fill half of them; the short one asks for a quarter of the rest.
async fn a_short_job_starts_at_once_beside_a_tenant_with_a_max_share(house: &House) {
    house.limit(tenant("long"), Limits { max_share: Some(0.5), ..Limits::default() }).await;
    house.enqueue(Jobs::of("long", 400, 1_000).lengthy()).await;
    let worker = house.worker(SLOTS).await;
    let running = |runs: &[Run]| runs.iter().filter(|run| run.tenant == "long" && run.ended.is_none()).count();
    house.until("half of the slots are taken", async || (running(&house.log.runs()) == SLOTS / 2).then_some(())).await;
    let mut worst = Vec::new();
    // A machine that stalls for a moment proves nothing; one quiet round of three does.
    for _ in 0..3 {
        worst.push(slowest_start(house, 100).await);
        assert!(running(&house.log.runs()) <= SLOTS / 2, "the long tenant never has more than its share");
        if worst.last().is_some_and(|slowest| *slowest <= Duration::from_millis(100)) {
            break;
        }
    }
    worker.stop_now().await;
    assert!(worst.iter().min() <= Some(&Duration::from_millis(100)), "the slowest starts of each round: {worst:?}");
}

/// Offers fifty short jobs a second; answers the longest time from the answer of an enqueue to the start of its job.
async fn slowest_start(house: &House, n: usize) -> Duration {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut asked = HashMap::new();
    for _ in 0..n {
        pace.tick().await;
        let ids = house.enqueue(Jobs::of("short", 1, 50)).await;
        asked.insert(ids[0], house.clock.elapsed());
    }
    let own = |run: &Run| asked.contains_key(&run.id);
    house.until("all short jobs have started", async || (house.log.count(own) == n).then_some(())).await;
    house.log.runs().iter().filter_map(|run| Some(run.began.saturating_sub(*asked.get(&run.id)?))).max().unwrap_or_default()
}
