//! `workers list` — the live workers and what they serve.

use crate::{
    client::Remote,
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use longshore_base::Millis;
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
    args.watch.show(host, async || Ok(view(client.get(&["v1", "workers"], &[]).await?, host.clock.now()))).await
}

fn view(answer: Value, now: Millis) -> View {
    let mut table = print::Table::new(&["WORKER", "HOST", ">PID", "STATE", ">RUNNING", "QUEUES", ">KINDS", "VERSION", ">UP", ">SEEN"]);
    for worker in answer["workers"].as_array().into_iter().flatten() {
        let field = |name| print::text(worker, name);
        let served = worker["queues"].as_array().map_or(&[][..], Vec::as_slice);
        let running: u64 = served.iter().filter_map(|queue| queue["running"].as_u64()).sum();
        let queues: Vec<_> = served.iter().filter_map(|queue| queue["name"].as_str()).collect();
        let kinds = worker["kinds"].as_array().map_or(0, Vec::len).to_string();
        let since = |name| print::age(worker, name, now);
        table.row([
            field("id"),
            field("host"),
            field("pid"),
            field("state"),
            running.to_string(),
            short(&queues),
            kinds,
            field("version"),
            since("started_at"),
            since("seen_at"),
        ]);
    }
    View::table(answer, &table, "no worker is alive: start one with `longshore worker` or `longshore up`")
}

fn short(queues: &[&str]) -> String {
    match queues {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a},{b},{c} and {} more", rest.len()),
        _ => queues.join(","),
    }
}

/// A worker's id may be given by its beginning; this is the whole of it.
pub(super) fn named<'a>(workers: &'a Value, beginning: &str) -> Result<&'a str, Stop> {
    let ids = workers["workers"].as_array().into_iter().flatten().filter_map(|worker| worker["id"].as_str());
    let found: Vec<_> = ids.filter(|id| id.starts_with(beginning)).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Stop::failed(format!("no live worker's id begins with {beginning}\n  what to do: `longshore workers list` names them"))),
        _ => found
            .iter()
            .find(|id| **id == beginning)
            .copied()
            .ok_or_else(|| Stop::usage(format!("{beginning} is the beginning of {} ids: {}", found.len(), found.join(", ")))),
    }
}
