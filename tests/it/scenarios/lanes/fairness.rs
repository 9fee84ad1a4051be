//! What tenants get when all of them have work: nobody starves, and weights are kept.

use super::{
    house::{House, Jobs, tenant},
    on_both,
};
use longshore_queue::{Limits, QUANTUM};

const SLOTS: usize = 16;
const SMALL: usize = 50;
const EACH: usize = 10;

on_both! {
    small_tenants_beside_a_large_one_start_within_the_bound;
    weights_are_kept_within_five_percent;
    #[ignore = "100,000 jobs"]
    small_tenants_beside_100_000_jobs_start_within_the_bound;
}

async fn small_tenants_beside_a_large_one_start_within_the_bound(house: &House) {
    starts_within_the_bound(house, 10_000).await;
}

async fn small_tenants_beside_100_000_jobs_start_within_the_bound(house: &House) {
    starts_within_the_bound(house, 100_000).await;
}

/// With w tenants of equal weight and a quantum of q, a tenant's k-th job starts after at most k·w·q starts and a batch.
async fn starts_within_the_bound(house: &House, large: usize) {
    house.enqueue(Jobs::of("large", large, 10)).await;
    for n in 0..SMALL {
        house.enqueue(Jobs::of(&format!("small-{n}"), EACH, 10)).await;
    }
    let worker = house.worker(SLOTS).await;
    house
        .until("every small tenant's last job has started", async || {
            (house.log.count(|run| run.tenant != "large") == SMALL * EACH).then_some(())
        })
        .await;
    worker.stop_now().await;
    let runs = house.log.runs();
    for n in 0..SMALL {
        let name = format!("small-{n}");
        let own = runs.iter().enumerate().filter(|(_, run)| run.tenant == name).map(|(before, _)| before);
        for (k, before) in (1..).zip(own) {
            // One lease batch, and what was leased before it and had not begun.
            let bound = k * (SMALL + 1) * QUANTUM + 2 * SLOTS;
            assert!(before <= bound, "job {k} of {name} started after {before} others; the bound is {bound}");
        }
    }
    let others = runs.iter().filter(|run| run.tenant == "large").count();
    assert!(others >= EACH, "the large tenant had its turns too: {others}");
}

async fn weights_are_kept_within_five_percent(house: &House) {
    let tenants = [("one", 1.0), ("two", 2.0), ("four", 4.0)];
    for (name, weight) in tenants {
        house.limit(tenant(name), Limits { weight: Some(weight), ..Limits::default() }).await;
        house.enqueue(Jobs::of(name, 2_500, 15)).await;
    }
    let worker = house.worker(14).await;
    let counted = 400..2_200;
    house.until("enough have started", async || (house.log.count(|_| true) >= counted.end).then_some(())).await;
    worker.stop_now().await;
    let runs = &house.log.runs()[counted];
    let slot_time = |name: &str| -> f64 {
        let own = runs.iter().filter(|run| run.tenant == name);
        own.map(|run| run.ended.map_or(0.0, |end| (end - run.began).as_secs_f64())).sum()
    };
    let all: f64 = tenants.iter().map(|(name, _)| slot_time(name)).sum();
    for (name, weight) in tenants {
        let (share, due) = (slot_time(name) / all, weight / 7.0);
        assert!((share - due).abs() <= 0.05 * due, "{name} got {share:.4} of the slot-time; its weight is worth {due:.4}");
    }
}
