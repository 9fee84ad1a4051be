//! `queues show` — one queue in numbers.

use super::list::paused;
use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;

/// Which queue.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The queue's name
    queue: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let queue = host.client(&args.remote)?.get(&["v1", "queues", &args.queue], &[]).await?;
    if host.json {
        print::json(&queue);
        return Ok(());
    }
    let field = |name: &str| print::text(&queue, name);
    let row = |name: &str, value: String| print::line(&format!("{name:<11}{value}"));
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
    Ok(())
}
