//! `schedules show` — one schedule as a page.

use super::{
    Which,
    list::{late, next},
    paused, when,
};
use crate::{host::Host, print, stop::Stop};
use longshore_base::Millis;
use serde_json::Value;

pub(super) async fn run(which: Which, host: &Host) -> Result<(), Stop> {
    let schedule = host.client(&which.remote)?.get(&which.path(&[]), &which.query()).await?;
    shown(&schedule, host);
    Ok(())
}

/// Prints it, as a page or as JSON.
pub(super) fn shown(schedule: &Value, host: &Host) {
    if host.json {
        print::json(schedule);
    } else {
        print::line(page(schedule, host.clock.now()).trim_end());
    }
}

fn page(schedule: &Value, now: Millis) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<12}{value}\n"));
        }
    };
    let field = |name| print::text(schedule, name);
    let some = |name: &str| schedule[name].as_str().unwrap_or_default().to_owned();
    row("schedule", field("name"));
    row("tenant", field("tenant"));
    let hours = if schedule["cron"].is_null() {
        String::new()
    } else {
        format!(" in {} · gap {} · repeated hour {}", field("timezone"), field("gap"), field("repeated_hour"))
    };
    let spread = schedule["spread_ms"].as_i64().filter(|ms| *ms > 0).map(|ms| format!(" · spread {}", print::span(ms)));
    row("when", format!("{}{hours}{}", when(schedule), spread.unwrap_or_default()));
    row("starts", some("starts_at"));
    row("ends", some("ends_at"));
    row("kind", field("kind"));
    row("args", schedule["args"].to_string());
    let client = schedule["client"].as_str().map(|client| format!(" · client {client}")).unwrap_or_default();
    row("queue", format!("{} · priority {}{client}", field("queue"), field("priority")));
    let tags: Vec<_> = schedule["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    row("tags", tags.join(", "));
    let most = schedule["missed_max"].as_u64().map(|most| format!(", {most} at most")).unwrap_or_default();
    row("missed", format!("{}{most}", field("missed")));
    row("overlap", field("overlap"));
    row("next", schedule["next_at"].as_str().map(|at| format!("{at} · {}", next(schedule, now))).unwrap_or_else(|| "none".into()));
    let last = &schedule["last_tick"];
    if !last.is_null() {
        let late = format!(", {} after its time", print::span(last["late_ms"].as_i64().unwrap_or(0)));
        let hand = if last["by_hand"] == true { ", by hand".to_owned() } else { late };
        let detail = last["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
        row("last", format!("{} · {}{hand}{detail}", print::text(last, "at"), print::text(last, "outcome")));
    }
    row("late", late(schedule, now));
    row("last job", some("last_job"));
    row("held job", some("held_job"));
    row("paused", paused(schedule));
    row("managed by", some("managed_by"));
    row("changed", format!("{} · revision {}", field("changed_at"), field("revision")));
    out
}

#[cfg(test)]
mod tests {
    use super::page;
    use expect_test::expect;
    use serde_json::{Value, json};

    #[test]
    fn a_schedule_reads_well() {
        let schedule = json!({ "name": "nightly", "tenant": "acme", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "gap": "next",
            "repeated_hour": "once", "spread_ms": 600_000, "starts_at": null, "ends_at": "2027-01-01T00:00:00.000Z", "kind": "demo.echo",
            "args": { "n": 1 }, "queue": "default", "client": "shop", "priority": 5, "tags": ["a", "b"], "missed": "all", "missed_max": 5,
            "overlap": "wait", "next_at": "2026-05-02T01:00:00.000Z", "late": false, "late_ms": 12, "paused": null, "managed_by": "crontab",
            "last_tick": { "at": "2026-05-01T01:00:00.000Z", "outcome": "held", "late_ms": 12, "by_hand": false, "detail": "j-1 has not ended" },
            "last_job": "j-1", "held_job": "j-2", "revision": 3, "changed_at": "2026-04-01T00:00:00.000Z" });
        let now = crate::print::millis(&Value::from("2026-05-01T10:00:00.000Z")).expect("a time");
        expect![[r#"
            schedule    nightly
            tenant      acme
            when        0 3 * * * in Europe/Berlin · gap next · repeated hour once · spread 10m
            ends        2027-01-01T00:00:00.000Z
            kind        demo.echo
            args        {"n":1}
            queue       default · priority 5 · client shop
            tags        a, b
            missed      all, 5 at most
            overlap     wait
            next        2026-05-02T01:00:00.000Z · in 15h
            last        2026-05-01T01:00:00.000Z · held, 12 ms after its time: j-1 has not ended
            last job    j-1
            held job    j-2
            managed by  crontab
            changed     2026-04-01T00:00:00.000Z · revision 3
        "#]]
        .assert_eq(&page(&schedule, now));
    }
}
