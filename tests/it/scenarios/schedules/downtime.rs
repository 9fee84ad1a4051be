//! Three hours without a scheduler: what was missed comes to what each schedule says.

use super::{
    on_both,
    site::{Site, time},
};
use longshore_base::{Millis, rfc3339};
use serde_json::json;
use std::time::Duration;

on_both! {
    three_hours_of_downtime_end_as_each_schedule_says;
}

const MINUTE: Millis = 60_000;

async fn three_hours_of_downtime_end_as_each_schedule_says(mut site: Site) {
    site.engine.call("POST", "/v1/queues/ticks/pause", Some(json!({}))).await;
    // The ticks of three hours are at 5, 15, … 175 minutes; none is near the end.
    let starts = site.clock.now() + 5 * MINUTE;
    let says = |missed| {
        let mut says = json!({"every_ms": 10 * MINUTE, "starts_at": rfc3339(starts), "missed": missed});
        if missed == "all" {
            says["missed_max"] = json!(5);
        }
        says
    };
    let names = ["skip", "latest", "all"];
    for name in names {
        site.put(name, says(name)).await;
    }
    site.schedulers(1).await;
    for name in names {
        site.until(name, "it is planned", Duration::from_secs(20), |schedule| time(&schedule["next_at"]) == starts).await;
    }
    site.kill_schedulers();
    site.clock.jump(180 * MINUTE);
    site.restart(2).await;
    let next = starts + 18 * 10 * MINUTE;
    for name in names {
        site.until(name, "it goes on", Duration::from_secs(20), |schedule| time(&schedule["next_at"]) == next).await;
    }
    let tick = |n: Millis| starts + n * 10 * MINUTE;
    for (name, missed, made) in [("skip", 18, vec![]), ("latest", 17, vec![17]), ("all", 13, vec![13, 14, 15, 16, 17])] {
        let made: Vec<_> = made.into_iter().map(tick).collect();
        assert_eq!(site.ticks("ticks", name).await, made, "{name}");
        let history = site.history(name).await;
        let (gone, rest) = history.split_first().expect("a history");
        assert_eq!((&gone["outcome"], &gone["count"], time(&gone["at"])), (&json!("missed"), &json!(missed), starts), "{name}: {gone}");
        assert!(rest.iter().all(|line| line["outcome"] == "started"), "{name}: {rest:?}");
        assert_eq!(rest.iter().map(|line| time(&line["at"])).collect::<Vec<_>>(), made, "{name}");
        let schedule = site.schedule(name).await;
        assert_eq!(schedule["late"], true, "whoever lists it sees that ticks were late: {schedule}");
    }
    // The next tick comes as if nothing had been.
    site.clock.jump(next - site.clock.now());
    for name in names {
        let done = |schedule: &serde_json::Value| time(&schedule["last_tick"]["at"]) == next;
        let schedule = site.until(name, "the next tick is carried out", Duration::from_secs(20), done).await;
        assert_eq!((&schedule["last_tick"]["outcome"], &schedule["late"]), (&json!("started"), &json!(false)), "{schedule}");
    }
}
