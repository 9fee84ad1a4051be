//! `resources list|show` — outside quotas, and what is used of them.

use super::Args as One;
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

/// Nothing but where to ask.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    args.watch.show(host, async || Ok(view(client.get(&["v1", "resources"], &[]).await?))).await
}

fn view(answer: Value) -> View {
    let mut table = print::Table::new(&["RESOURCE", "QUOTA", ">POINTS USED", ">RUNNING", "QUEUES", "GATE"]);
    for resource in answer["resources"].as_array().into_iter().flatten() {
        let field = |name| print::text(resource, name);
        table.row([
            field("name"),
            quota(resource),
            field("points_used"),
            field("running"),
            queues(resource),
            rule::gate(&resource["gate"]),
        ]);
    }
    View::table(answer, &table, "no resource: jobs are held by none")
}

pub(super) async fn show(args: One, host: &Host) -> Result<(), Stop> {
    let resource = host.client(&args.remote)?.get(&["v1", "resources", &args.name], &[]).await?;
    if host.json {
        print::json(&resource);
    } else {
        print::line(page(&resource).trim_end());
    }
    Ok(())
}

/// One resource as a page.
pub(super) fn page(resource: &Value) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<10}{value}\n"));
        }
    };
    let field = |name| print::text(resource, name);
    row("resource", field("name"));
    row("quota", quota(resource));
    row("used", format!("{} points, {} running or lent", field("points_used"), field("running")));
    let learned = &resource["learned"];
    let left =
        learned["remaining"].as_u64().map(|left| format!("{left} left until {}, as the provider told", print::text(learned, "until")));
    row("learned", left.unwrap_or_default());
    row("queues", queues(resource));
    row("gate", if resource["gate"].is_null() { "open".into() } else { rule::gate(&resource["gate"]) });
    row("revision", field("revision"));
    out
}

fn quota(resource: &Value) -> String {
    let line = rule::line(resource);
    if line.is_empty() { "none".into() } else { line }
}

fn queues(resource: &Value) -> String {
    let names = resource["queues"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}
