//! `schedules list` — schedules in a line each: last, next, late.

use super::{paused, when};
use crate::{
    client::{Client, Remote},
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_base::Millis;
use serde_json::{Value, json};

/// Which schedules.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// That live in this queue
    #[arg(long)]
    queue: Option<String>,
    /// That this file declares
    #[arg(long, value_name = "FILE")]
    managed_by: Option<String>,
    /// Only those that are late
    #[arg(long)]
    late: bool,
    /// So many at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// Every page, up to --limit schedules in each call
    #[arg(long, conflicts_with = "cursor")]
    all: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    args.watch.show(host, async || look(&args, &client, host).await).await
}

async fn look(args: &Args, client: &Client, host: &Host) -> Result<View, Stop> {
    let mut read = client.pages(&["v1", "schedules"], &args.query(), args.cursor.clone(), args.all).await?;
    read.items.retain(|schedule| !args.late || schedule["late"] == true);
    let now = host.clock.now();
    let mut table = table();
    read.items.iter().for_each(|schedule| table.row(row(schedule, now)));
    let document = json!({ "items": read.items, "cursor": read.cursor });
    Ok(View::table(document, &table, "no schedule matches").hint(read.more()))
}

const fn table() -> print::Table {
    print::Table::new(&["NAME", "TENANT", "WHEN", "ZONE", "QUEUE", "KIND", "LAST", "OUTCOME", "NEXT", "LATE", "PAUSED"])
}

fn row(schedule: &Value, now: Millis) -> [String; 11] {
    let field = |name| print::text(schedule, name);
    let last = &schedule["last_tick"];
    let ago = if last.is_null() { "-".into() } else { print::age(last, "done_at", now) };
    [
        field("name"),
        field("tenant"),
        when(schedule),
        field("timezone"),
        field("queue"),
        field("kind"),
        ago,
        print::text(last, "outcome"),
        next(schedule, now),
        late(schedule, now),
        paused(schedule),
    ]
}

/// How long until the next tick.
pub(super) fn next(schedule: &Value, now: Millis) -> String {
    match print::millis(&schedule["next_at"]) {
        Some(at) if at <= now => "now".into(),
        Some(at) => format!("in {}", print::span(at - now)),
        None => "-".into(),
    }
}

/// How late it is; nothing while it is in time.
pub(super) fn late(schedule: &Value, now: Millis) -> String {
    if schedule["late"] != true {
        return String::new();
    }
    let last = schedule["late_ms"].as_i64().unwrap_or(0);
    let overdue = print::millis(&schedule["next_at"]).map_or(0, |at| now - at);
    print::span(last.max(overdue))
}

impl Args {
    fn query(&self) -> Vec<(&'static str, String)> {
        let named = [("tenant", self.tenant.as_ref()), ("queue", self.queue.as_ref()), ("managed_by", self.managed_by.as_ref())];
        let given = named.into_iter().filter_map(|(name, value)| Some((name, value?.clone())));
        given.chain([("limit", self.limit.to_string())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{row, table};
    use expect_test::expect;
    use serde_json::{Value, json};

    #[test]
    fn last_next_and_late_are_told() {
        let at = |text: &str| crate::print::millis(&Value::from(text)).expect("a time");
        let now = at("2026-05-01T10:00:00.000Z");
        let mut table = table();
        let nightly = json!({ "name": "nightly", "tenant": "acme", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "queue": "default",
            "kind": "demo.echo", "last_tick": { "done_at": "2026-05-01T01:00:00.012Z", "outcome": "started" }, "late": false, "late_ms": 12,
            "next_at": "2026-05-02T01:00:00.000Z", "paused": null });
        let behind = json!({ "name": "pull", "tenant": "acme", "every_ms": 300_000, "timezone": "UTC", "queue": "slow", "kind": "demo.echo",
            "last_tick": null, "late": true, "late_ms": null, "next_at": "2026-05-01T09:58:00.000Z", "paused": null });
        let stopped = json!({ "name": "stopped", "tenant": "acme", "cron": "@daily", "timezone": "UTC", "queue": "slow", "kind": "demo.echo",
            "last_tick": { "done_at": "2026-05-01T00:00:30.000Z", "outcome": "missed" }, "late": true, "late_ms": 30_000, "next_at": null,
            "paused": { "by": "ops", "reason": "a deploy" } });
        [nightly, behind, stopped].iter().for_each(|schedule| table.row(row(schedule, now)));
        expect![[r#"
            NAME     TENANT  WHEN       ZONE           QUEUE    KIND       LAST    OUTCOME  NEXT    LATE  PAUSED
            nightly  acme    0 3 * * *  Europe/Berlin  default  demo.echo  8h 59m  started  in 15h
            pull     acme    every 5m   UTC            slow     demo.echo  -       -        now     2m
            stopped  acme    @daily     UTC            slow     demo.echo  9h 59m  missed   -       30 s  yes, by ops: a deploy
        "#]]
        .assert_eq(&table.text());
    }
}
