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
    #[ignore = "a promise on every single start, for a quiet machine"]
    every_short_job_starts_at_once_beside_a_tenant_with_a_max_share;
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

/// A machine that stalls makes single starts late; the median tells a slot that was free from one that was not.
async fn a_short_job_starts_at_once_beside_a_tenant_with_a_max_share(house: &House) {
    starts_at_once(house, 5, 0.5).await;
}

async fn every_short_job_starts_at_once_beside_a_tenant_with_a_max_share(house: &House) {
    starts_at_once(house, 3, 1.0).await;
}

/// The long tenant could fill every slot and may fill half of them; the short one asks for a quarter of the rest. In one quiet round
/// of so many, this part of its jobs starts within 100 ms.
async fn starts_at_once(house: &House, rounds: usize, part: f64) {
    const AT_ONCE: Duration = Duration::from_millis(100);
    house.limit(tenant("long"), Limits { max_share: Some(0.5), ..Limits::default() }).await;
    house.enqueue(Jobs::of("long", 600, 1_000).lengthy()).await;
    let worker = house.worker(SLOTS).await;
    let running = |runs: &[Run]| runs.iter().filter(|run| run.tenant == "long" && run.ended.is_none()).count();
    house.until("half of the slots are taken", async || (running(&house.log.runs()) == SLOTS / 2).then_some(())).await;
    let mut seen = Vec::new();
    while seen.len() < rounds && seen.iter().all(|late| *late > AT_ONCE) {
        let late = starts(house, 100).await;
        seen.push(late[((late.len() - 1) as f64 * part) as usize]);
        assert!(running(&house.log.runs()) <= SLOTS / 2, "the long tenant never has more than its share");
    }
    worker.stop_now().await;
    assert!(seen.iter().any(|late| *late <= AT_ONCE), "from its enqueue to its start, in each round: {seen:?}");
}

/// Offers fifty short jobs a second; answers the times from the answer of an enqueue to the start of its job, the shortest first.
async fn starts(house: &House, n: usize) -> Vec<Duration> {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut asked = HashMap::new();
    for _ in 0..n {
        pace.tick().await;
        let ids = house.enqueue(Jobs::of("short", 1, 50)).await;
        asked.insert(ids[0], house.clock.elapsed());
    }
    let own = |run: &Run| asked.contains_key(&run.id);
    house.until("all short jobs have started", async || (house.log.count(own) == n).then_some(())).await;
    let mut late: Vec<_> = house.log.runs().iter().filter_map(|run| Some(run.began.saturating_sub(*asked.get(&run.id)?))).collect();
    late.sort_unstable();
    late
}
