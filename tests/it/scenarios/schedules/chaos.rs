//! One job per tick, whatever happens to those who make them: schedulers killed, stopped and woken, and the server's clock jumping an hour
//! forward and back.

use super::{on_both, site::Site};
use crate::scenarios::{Process, until};
use longshore_base::{Millis, Random, SeededRandom, rfc3339};
use serde_json::json;
use std::time::Duration;

on_both! {
    each_tick_makes_one_job_whatever_is_killed_stopped_or_moved;
    #[ignore = "the size of the promise: 10,000 ticks"]
    ten_thousand_ticks_make_one_job_each_whatever_is_killed_stopped_or_moved;
}

const HOUR: Millis = 3_600_000;

async fn each_tick_makes_one_job_whatever_is_killed_stopped_or_moved(site: Site) {
    chaos(site, Size { schedules: 3, ticks: 200, every: 54_000, rounds: 10 }).await;
}

async fn ten_thousand_ticks_make_one_job_each_whatever_is_killed_stopped_or_moved(site: Site) {
    chaos(site, Size { schedules: 5, ticks: 2_000, every: 5_400, rounds: 100 }).await;
}

/// The schedules' ticks span three hours.
struct Size {
    schedules: usize,
    /// Of each schedule.
    ticks: Millis,
    every: Millis,
    /// Disturbances.
    rounds: usize,
}

async fn chaos(mut site: Site, size: Size) {
    let random = SeededRandom::new(44);
    site.engine.call("POST", "/v1/queues/ticks/pause", Some(json!({}))).await;
    let starts = site.clock.now() + 60_000;
    let ends = starts + size.ticks * size.every;
    let names: Vec<_> = (0..size.schedules).map(|n| format!("s{n}")).collect();
    for name in &names {
        let (starts, ends) = (rfc3339(starts), rfc3339(ends));
        let says = json!({"every_ms": size.every, "starts_at": starts, "ends_at": ends, "missed": "all", "missed_max": 10_000});
        site.put(name, says).await;
    }
    site.schedulers(3).await;
    for round in 0..size.rounds {
        disturb(&mut site, &random, round, ends).await;
        if round % 3 == 2 {
            // Every second or third disturbance meets schedulers that are still at work.
            for name in &names {
                caught_up(&site, name, site.clock.now().min(ends), size.every).await;
            }
        }
    }
    while site.clock.now() < ends {
        site.clock.jump(HOUR);
    }
    for name in &names {
        site.until(name, "its last tick is done with", Duration::from_secs(60), |schedule| schedule["next_at"].is_null()).await;
    }
    for name in &names {
        let expected: Vec<_> = (0..size.ticks).map(|n| starts + n * size.every).collect();
        let ticks = site.ticks("ticks", name).await;
        assert_eq!(ticks.len(), expected.len(), "{name}: as many jobs as ticks");
        assert_eq!(ticks, expected, "{name}: none twice, none lost");
        for line in site.history(name).await {
            assert_eq!((&line["outcome"], &line["by_hand"]), (&json!("started"), &json!(false)), "{line}");
        }
    }
}

/// The tick before `at` is done with.
async fn caught_up(site: &Site, name: &str, at: Millis, every: Millis) {
    let done = |schedule: &serde_json::Value| match &schedule["next_at"] {
        serde_json::Value::Null => true,
        next => super::site::time(next) > at - every,
    };
    site.until(name, "it has caught up", Duration::from_secs(60), done).await;
}

async fn disturb(site: &mut Site, random: &SeededRandom, round: usize, ends: Millis) {
    let chance = random.bits();
    // Every other time the clock, at first forward, and never so far that the end is reached before the last rounds.
    if round.is_multiple_of(2) {
        let forward = site.clock.now() + HOUR < ends - HOUR / 2;
        site.clock.jump(if forward && !chance.is_multiple_of(3) { HOUR } else { -HOUR });
        return;
    }
    if site.is_embedded() {
        if chance.is_multiple_of(2) {
            site.kill_schedulers();
            site.restart(1).await;
        } else {
            stopped_a_while(site.engine.front()).await;
        }
        return;
    }
    let n = (chance >> 8) as usize % site.schedulers.len();
    if chance.is_multiple_of(2) {
        site.schedulers.swap_remove(n).kill();
        site.schedulers(3).await;
    } else {
        stopped_a_while(&site.schedulers[n]).await;
    }
}

/// SIGSTOP, and SIGCONT three quarters of a second later: in the middle of whatever it was at.
async fn stopped_a_while(process: &Process) {
    process.signal("STOP");
    let mut looks = 0;
    until("a while has passed", Duration::from_secs(10), async || {
        looks += 1;
        (looks > 75).then_some(())
    })
    .await;
    process.signal("CONT");
}
