//! `dlq groups` — what is wrong, in a line for each cause.

use super::line;
use crate::{
    client::Remote,
    commands::bulk::many,
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_base::Millis;
use serde_json::Value;

/// Which groups.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// In this queue
    #[arg(long)]
    queue: Option<String>,
    /// Of this tenant, with an operator's key
    #[arg(long)]
    tenant: Option<String>,
    /// Only those that nobody has marked as known
    #[arg(long)]
    new: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

/// Hours in a row of the table.
const HOURS: usize = 24;
const HOUR: Millis = 3_600_000;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let named = [("kind", &args.kind), ("queue", &args.queue), ("tenant", &args.tenant)];
    let query: Vec<_> = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let client = host.client(&args.remote)?;
    let look = async || {
        let mut answer = client.get(&["v1", "dead-letters", "groups"], &query).await?;
        if args.new
            && let Some(groups) = answer["groups"].as_array_mut()
        {
            groups.retain(|group| !is_known(group));
        }
        Ok(view(answer, host))
    };
    args.watch.show(host, look).await
}

fn view(answer: Value, host: &Host) -> View {
    let groups = answer["groups"].as_array().map_or(&[][..], Vec::as_slice);
    let now = host.clock.now();
    let mut table = table();
    groups.iter().for_each(|group| table.row(row(group, now)));
    let letters = groups.iter().filter_map(|group| group["count"].as_u64()).sum();
    let next =
        (!groups.is_empty()).then(|| format!("{} letters; `{} dlq list --group FINGERPRINT` lists those of one", many(letters), host.name));
    View::table(answer, &table, "no dead letters").hint(next)
}

const fn table() -> print::Table {
    print::Table::new(&["FINGERPRINT", ">COUNT", ">FIRST", ">LAST", "24 HOURS", "KIND", "QUEUE", "TENANT", "ERROR", "NOTE"])
}

fn row(group: &Value, now: Millis) -> [String; 10] {
    let field = |name| print::text(group, name);
    let known = if is_known(group) { "known" } else { "" };
    let note = group["note"].as_str().map(line).unwrap_or_default();
    let note = [known, &note].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    [
        field("fingerprint"),
        group["count"].as_u64().map_or_else(|| "-".into(), many),
        print::age(group, "first_at", now),
        print::age(group, "last_at", now),
        hours(group, now),
        field("kind"),
        names(&group["queues"], "queues"),
        names(&group["tenants"], "tenants"),
        error(&group["sample_error"]),
        note,
    ]
}

/// Somebody said so.
fn is_known(group: &Value) -> bool {
    group["acknowledged"] == true
}

fn error(sample: &Value) -> String {
    line(&format!("{} {}", super::text(sample, "code"), super::text(sample, "message")))
}

/// The only one, or how many there are.
fn names(all: &Value, what: &str) -> String {
    match all.as_array().map_or(&[][..], Vec::as_slice) {
        [] => "-".into(),
        [one] => one.as_str().unwrap_or("-").to_owned(),
        all => format!("{} {what}", all.len()),
    }
}

/// The deaths of the last hours as a row of bars, the newest at the right; the highest bar is the worst hour.
fn hours(group: &Value, now: Millis) -> String {
    let this = now.div_euclid(HOUR);
    let mut bars = [0_u64; HOURS];
    for hour in group["hours"].as_array().into_iter().flatten() {
        let back = print::millis(&hour["at"]).and_then(|at| usize::try_from(this - at.div_euclid(HOUR)).ok());
        if let Some(bar) = back.and_then(|back| (HOURS - 1).checked_sub(back)).and_then(|at| bars.get_mut(at)) {
            *bar += hour["count"].as_u64().unwrap_or(0);
        }
    }
    let most = bars.iter().copied().max().unwrap_or(0).max(1);
    let sign = |count: u64| match usize::try_from(count.saturating_mul(8) / most) {
        _ if count == 0 => '·',
        Ok(eighths) => BARS[eighths.clamp(1, BARS.len()) - 1],
        Err(_) => BARS[BARS.len() - 1],
    };
    bars.into_iter().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::{row, table};
    use expect_test::expect;
    use serde_json::{Value, json};

    #[test]
    fn a_group_is_told_in_a_line() {
        let now = crate::print::millis(&Value::from("2026-05-02T10:20:00.000Z")).expect("a time");
        let mut table = table();
        let outage = json!({ "fingerprint": "9f2c11aa03b4d5e6", "kind": "http.request", "count": 12_001,
            "sample_error": { "code": "http.status", "message": "503 of\nshop.example" }, "first_at": "2026-05-02T03:00:00.000Z",
            "last_at": "2026-05-02T10:00:00.000Z", "acknowledged": true, "note": "the shop was down",
            "queues": ["default", "slow"], "tenants": ["acme"],
            "hours": [{ "at": "2026-05-01T03:00:00.000Z", "count": 9 }, { "at": "2026-05-02T03:00:00.000Z", "count": 8_000 },
                { "at": "2026-05-02T04:00:00.000Z", "count": 4_000 }, { "at": "2026-05-02T10:00:00.000Z", "count": 1 }] });
        let odd = json!({ "fingerprint": "00aa", "kind": "demo.fail", "count": 2, "sample_error": { "code": "handler.failed", "message": "no such account" },
            "queues": ["default"], "tenants": ["acme"], "acknowledged": false,
            "first_at": "2026-05-02T10:19:00.000Z", "last_at": "2026-05-02T10:19:30.000Z", "note": null });
        [outage, odd].iter().for_each(|group| table.row(row(group, now)));
        expect![[r#"
            FINGERPRINT        COUNT   FIRST  LAST  24 HOURS                  KIND          QUEUE     TENANT  ERROR                            NOTE
            9f2c11aa03b4d5e6  12,001  7h 20m   20m  ················█▄·····▁  http.request  2 queues  acme    http.status 503 of shop.example  known: the shop was down
            00aa                   2      1m  30 s  ························  demo.fail     default   acme    handler.failed no such account
        "#]]
        .assert_eq(&table.text());
    }
}
