//! `queues show` — one queue in numbers.

use super::list::paused;
use crate::{
    client::Remote,
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
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    args.watch.show(host, async || Ok(view(client.get(&["v1", "queues", &args.queue], &[]).await?))).await
}

fn view(queue: Value) -> View {
    let mut text = String::new();
    let field = |name: &str| print::text(&queue, name);
    let mut row = |name: &str, value: String| text.push_str(&format!("{name:<11}{value}\n"));
    let state = paused(&queue);
    row("queue", field("name"));
    row("state", if state.is_empty() { "open".into() } else { state });
    for name in ["scheduled", "ready", "running", "retrying", "waiting", "completed", "cancelled", "dead", "workers"] {
        row(name, field(name));
    }
    row("slots", queue["slots"].as_u64().map_or_else(|| "no cap".into(), |n| format!("{n} at once, over all workers")));
    let auto = &queue["auto"];
    if let (Some(min), Some(max), Some(ms)) = (auto["min"].as_u64(), auto["max"].as_u64(), auto["clear_in_ms"].as_i64()) {
        row("auto", format!("{min} to {max}, to clear the backlog in {}", print::span(ms)));
    }
    if let Some(ms) = queue["oldest_ready_ms"].as_i64() {
        row("oldest", format!("ready for {}", print::span(ms)));
    }
    View::new(queue, text)
}
