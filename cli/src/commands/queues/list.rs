//! `queues list` — every queue in numbers.

use crate::{
    client::Remote,
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Nothing but where to ask.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    args.watch.show(host, async || Ok(view(client.get(&["v1", "queues"], &[]).await?))).await
}

fn view(answer: Value) -> View {
    let head =
        &["QUEUE", ">SCHEDULED", ">READY", ">RUNNING", ">RETRYING", ">WAITING", ">COMPLETED", ">DEAD", ">OLDEST", ">SLOTS", ">WORKERS", ""];
    let mut table = print::Table::new(head);
    for queue in answer["queues"].as_array().into_iter().flatten() {
        let field = |name| print::text(queue, name);
        let oldest = queue["oldest_ready_ms"].as_i64().map_or_else(|| "-".into(), print::span);
        let counts = ["name", "scheduled", "ready", "running", "retrying", "waiting", "completed", "dead"].map(field);
        table.row(counts.into_iter().chain([oldest, field("slots"), field("workers"), paused(queue)]));
    }
    View::table(answer, &table, "no queue yet: the first job of a queue makes it")
}

/// `paused by x until t: why`, or nothing.
pub(super) fn paused(queue: &Value) -> String {
    if queue["paused"] != true {
        return String::new();
    }
    let pause = &queue["pause"];
    let part = |name: &str, field: &str| pause[field].as_str().map(|text| format!("{name}{text}")).unwrap_or_default();
    format!("paused{}{}{}", part(" by ", "by"), part(" until ", "until"), part(": ", "reason"))
}
