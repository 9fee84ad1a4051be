//! `dlq show` — one letter as a page: what every attempt came to, and how its args differ from those of letters like it.

use super::line;
use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use longshore_base::Millis;
use serde_json::Value;

/// Which letter.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The letter's id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let letter = host.client(&args.remote)?.get(&["v1", "dead-letters", &args.id], &[]).await?;
    if host.json {
        print::json(&letter);
    } else {
        print::line(page(&letter, host.clock.now()).trim_end());
    }
    Ok(())
}

fn page(letter: &Value, now: Millis) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<11}{value}\n"));
        }
    };
    let field = |name| print::text(letter, name);
    let some = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
    let also = |name: &str| letter[name].as_str().map(|text| format!(" · {name} {text}")).unwrap_or_default();
    row("letter", field("id"));
    row("kind", format!("{} (version {})", field("kind"), field("kind_version")));
    row("queue", field("queue"));
    row("tenant", format!("{}{}", field("tenant"), also("client")));
    row("died", format!("{} · {} ago · {}", field("ended_at"), print::age(letter, "ended_at", now), field("reason")));
    row("attempts", format!("{} of {} · crashes {}", field("attempts"), field("attempts_max"), field("crashes")));
    row("created", format!("{} · revision {}", field("created_at"), field("revision")));
    row("group", some("fingerprint"));
    row("tags", list(&letter["tags"]));
    let lineage = &letter["lineage"];
    row("replay of", kin(&lineage["replay_of"]));
    lineage["replays"].as_array().into_iter().flatten().for_each(|replay| row("replayed", kin(replay)));
    row("args", print::large(letter, "args"));
    attempts(letter, &mut out);
    varies(&letter["varies"], &mut out);
    out
}

/// Every attempt that is remembered, with the whole of its error.
fn attempts(letter: &Value, out: &mut String) {
    for error in letter["errors"].as_array().into_iter().flatten() {
        let took = error["duration_ms"].as_i64().map(|ms| format!(" after {}", print::span(ms))).unwrap_or_default();
        let worker = error["worker"].as_str().map(|worker| format!(" on {worker}")).unwrap_or_default();
        let attempt = error["attempt"].as_u64().map(|n| format!("attempt {n}")).unwrap_or_default();
        out.push_str(&format!("{}  {attempt}{took}{worker}  {}\n", print::text(error, "at"), print::text(error, "code")));
        for line in super::text(error, "message").lines() {
            out.push_str(&format!("    {line}\n"));
        }
    }
}

/// Which places of the args differ in the group, with their most frequent values.
fn varies(varies: &Value, out: &mut String) {
    let Some(sampled) = varies["sampled"].as_u64().filter(|sampled| *sampled > 1) else { return };
    let fields = varies["fields"].as_array().map_or(&[][..], Vec::as_slice);
    if fields.is_empty() {
        out.push_str(&format!("in {sampled} letters of the group, the args are the same\n"));
        return;
    }
    out.push_str(&format!("in {sampled} letters of the group, these args differ\n"));
    let mut table = print::Table::new(&["PLACE", ">VALUES", "MOST FREQUENT"]);
    for field in fields {
        let value = |seen: &Value| format!("{} ({})", line(&seen["value"].to_string()), print::text(seen, "count"));
        let absent = field["absent"].as_u64().filter(|n| *n > 0).map(|n| format!("nothing ({n})"));
        let values: Vec<_> = field["values"].as_array().into_iter().flatten().map(value).chain(absent).collect();
        table.row([print::text(field, "pointer"), print::text(field, "distinct"), values.join(", ")]);
    }
    table.text().lines().for_each(|line| out.push_str(&format!("  {line}\n")));
}

/// A job that this one came of, or that came of it, and how it stands.
fn kin(job: &Value) -> String {
    let Some(id) = job["id"].as_str() else { return String::new() };
    let reason = job["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{id} · {}{reason}", job["state"].as_str().unwrap_or("not in its queue any more"))
}

fn list(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::page;
    use expect_test::expect;
    use serde_json::{Value, json};

    #[test]
    fn a_letter_tells_what_went_wrong_and_what_varies() {
        let letter = json!({ "id": "l-1", "kind": "http.request", "kind_version": 1, "queue": "default", "tenant": "acme", "client": "shop",
            "state": "dead", "reason": "exhausted", "attempts": 2, "attempts_max": 2, "crashes": 0, "created_at": "2026-05-02T03:00:00.000Z",
            "ended_at": "2026-05-02T03:00:05.000Z", "revision": 1, "fingerprint": "9f2c11aa03b4d5e6", "tags": ["a"], "args": { "account": 7 },
            "lineage": { "replay_of": null, "replays": [{ "id": "r-1", "state": "cancelled", "reason": "undone" }, { "id": "r-2", "state": null }] },
            "errors": [
                { "attempt": 1, "at": "2026-05-02T03:00:01.000Z", "code": "http.status", "message": "503 of shop.example\nbusy", "worker": "w-1",
                  "duration_ms": 950 },
                { "attempt": 2, "at": "2026-05-02T03:00:05.000Z", "code": "http.status", "message": "503 of shop.example", "worker": "w-2",
                  "duration_ms": 1_200 }],
            "varies": { "sampled": 200, "fields": [
                { "pointer": "/account", "distinct": 2, "absent": 3, "values": [{ "value": 7, "count": 190 }, { "value": "x", "count": 7 }] }] } });
        let now = crate::print::millis(&Value::from("2026-05-02T10:00:05.000Z")).expect("a time");
        expect![[r#"
            letter     l-1
            kind       http.request (version 1)
            queue      default
            tenant     acme · client shop
            died       2026-05-02T03:00:05.000Z · 7h ago · exhausted
            attempts   2 of 2 · crashes 0
            created    2026-05-02T03:00:00.000Z · revision 1
            group      9f2c11aa03b4d5e6
            tags       a
            replayed   r-1 · cancelled (undone)
            replayed   r-2 · not in its queue any more
            args       {"account":7}
            2026-05-02T03:00:01.000Z  attempt 1 after 950 ms on w-1  http.status
                503 of shop.example
                busy
            2026-05-02T03:00:05.000Z  attempt 2 after 1.2 s on w-2  http.status
                503 of shop.example
            in 200 letters of the group, these args differ
              PLACE     VALUES  MOST FREQUENT
              /account       2  7 (190), "x" (7), nothing (3)
        "#]]
        .assert_eq(&page(&letter, now));
    }
}
