//! `queues lanes`, also `lanes` — who waits where in a queue, and what holds them.

use crate::{
    client::Remote,
    commands::rule,
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Which queue.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The queue's name
    queue: String,
    /// So many lanes at most, 1..=1000
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let limit = [("limit", args.limit.to_string())];
    let client = host.client(&args.remote)?;
    let look = async || {
        let answer = client.get(&["v1", "queues", &args.queue, "lanes"], &limit).await?;
        let table = table(&answer);
        Ok(View::table(answer, &table, "no lane has anything ready or running"))
    };
    args.watch.show(host, look).await
}

fn table(answer: &Value) -> print::Table {
    let mut table = print::Table::new(&["TENANT", "KIND", "KEY", ">READY", ">RUNNING", ">SHARE", "LIMITS OF ITS KEY", "GATE"]);
    for lane in answer["lanes"].as_array().into_iter().flatten() {
        let field = |name| print::text(lane, name);
        let share = lane["share"].as_f64().map_or_else(|| "-".into(), |share| format!("{:.1} %", share * 100.0));
        let failures = lane["failures"]["in_row"].as_u64().map(|n| format!("{n} failures in a row")).unwrap_or_default();
        let gate = if lane["gate"].is_null() { failures } else { rule::gate(&lane["gate"]) };
        table.row([
            field("tenant"),
            field("kind"),
            field("key"),
            field("ready"),
            field("running"),
            share,
            rule::line(&lane["limits"]),
            gate,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::table;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn lanes_are_a_table() {
        let answer = json!({ "lanes": [
            { "tenant": "acme", "kind": "ads.sync", "key": "account-7", "ready": 12, "running": 1, "share": 0.25, "limits": { "max_running": 1 },
              "gate": { "until": "2026-05-01T10:00:00.000Z", "reason": "429", "by": null, "cause": "handler" } },
            { "tenant": "zeta", "kind": "demo.echo", "key": "", "ready": 0, "running": 3, "share": 0.75, "failures": { "in_row": 4, "wait_ms": 0, "probe": null } },
        ] });
        expect![[r#"
            TENANT  KIND       KEY        READY  RUNNING   SHARE  LIMITS OF ITS KEY  GATE
            acme    ads.sync   account-7     12        1  25.0 %  at most 1 at once  closed by a job's code until 2026-05-01T10:00:00.000Z: 429
            zeta    demo.echo                 0        3  75.0 %                     4 failures in a row
        "#]]
        .assert_eq(&table(&answer).text());
    }
}
