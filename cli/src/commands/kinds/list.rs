//! `kinds list` — every registered kind in a line.

use crate::{client::Remote, host::Host, paint::Paint, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Nothing but where to ask.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let answer = host.client(&args.remote)?.get(&["v1", "kinds"], &[]).await?;
    if host.json {
        print::json(&answer);
        return Ok(());
    }
    let mut table = print::Table::new(&["KIND", ">VERSION", "QUEUE", ">ATTEMPTS", ">TIMEOUT", "REPEATABLE", "OWNER", "ARGS"]);
    for kind in answer["kinds"].as_array().into_iter().flatten() {
        let field = |name| print::text(kind, name);
        let timeout = kind["timeout_ms"].as_i64().map_or_else(|| "-".into(), print::span);
        let repeatable = if kind["repeatable"] == false { "no" } else { "yes" };
        let attempts = print::text(&kind["retry"], "attempts_max");
        let note = kind["refused"].as_str().map(|why| format!(" (a newer version was refused: {why})")).unwrap_or_default();
        table.row([
            field("name"),
            field("version"),
            field("queue"),
            attempts,
            timeout,
            repeatable.into(),
            field("owner"),
            args_of(kind) + &note,
        ]);
    }
    table.print("no kind is registered: start a worker, or `longshore kinds put FILE`", Paint::of(host));
    Ok(())
}

/// The names of the arguments, those that may be absent with `?`.
fn args_of(kind: &Value) -> String {
    let schema = &kind["args_schema"];
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = schema["properties"].as_object() else { return "any".into() };
    let named = properties.keys().map(|name| if required.contains(&name.as_str()) { name.clone() } else { format!("{name}?") });
    format!("{{{}}}", named.collect::<Vec<_>>().join(", "))
}
