//! Long jobs beside short ones: what is shared is the slots' time, and a part of the slots can be kept free of one tenant.

use super::{
    house::{House, Jobs, Run, tenant},
    on_both,
};
use crate::harness::Stalls;
use longshore_base::Clock;
use longshore_queue::Limits;
use std::{collections::HashMap, time::Duration};

const SLOTS: usize = 20;
/// Looks at most, where the machine stands still in each of them.
const LOOKS: usize = 4;
/// Rounds of two seconds at most; the long tenant has jobs for longer.
const ROUNDS: usize = 25;

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

/// Equal within 5 %. Where the machine stood still meanwhile, its jobs did too, and it is looked at again; else the first look decides.
async fn share(house: &House, long_ms: u64, short_ms: u64, window: std::ops::Range<Duration>) {
    let mut seen = Vec::new();
    for n in 0..LOOKS {
        let other;
        let house = if n == 0 {
            house
        } else {
            other = house.again(n).await;
            &other
        };
        let stalls = Stalls::watch();
        let part = part_of_long(house, long_ms, short_ms, window.clone()).await;
        let stalled = stalls.worst();
        seen.push((part, stalled));
        if (0.475..=0.525).contains(&part) {
            return;
        }
        if stalled.is_none() {
            break;
        }
    }
    panic!("the long jobs' part of the slots' time, and how long the machine stood still: {seen:?}");
}

/// Two tenants of equal weight. The window begins after the first long jobs have ended: until then nobody knows that they are long.
async fn part_of_long(house: &House, long_ms: u64, short_ms: u64, window: std::ops::Range<Duration>) -> f64 {
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
    long / (long + short)
}

/// The long tenant could fill every slot and may fill half of them; the short one asks for a quarter of the rest.
async fn a_short_job_starts_at_once_beside_a_tenant_with_a_max_share(house: &House) {
    house.limit(tenant("long"), Limits { max_share: Some(0.5), ..Limits::default() }).await;
    house.enqueue(Jobs::of("long", 800, 1_000).lengthy()).await;
    let worker = house.worker(SLOTS).await;
    let running = |runs: &[Run]| runs.iter().filter(|run| run.tenant == "long" && run.ended.is_none()).count();
    house.until("half of the slots are taken", async || (running(&house.log.runs()) == SLOTS / 2).then_some(())).await;
    let mut seen = Vec::new();
    // One quiet round of three. A round in which the machine stood still is not counted if it is slow.
    let mut counted = 0;
    while counted < 3 && seen.len() < ROUNDS {
        let stalls = Stalls::watch();
        let slowest = slowest_start(house, 100).await;
        let stalled = stalls.worst();
        assert!(running(&house.log.runs()) <= SLOTS / 2, "the long tenant never has more than its share");
        seen.push((slowest, stalled));
        if slowest <= Duration::from_millis(100) {
            worker.stop_now().await;
            return;
        }
        counted += usize::from(stalled.is_none());
    }
    worker.stop_now().await;
    panic!("the slowest start of each round, and how long the machine stood still: {seen:?}");
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
