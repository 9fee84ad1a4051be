//! `queues resume` — start a queue's jobs again.

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which queue.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The queue's name
    queue: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let answer = host.client(&args.remote)?.post(&["v1", "queues", &args.queue, "resume"], json!({})).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{} is open", args.queue));
    }
    Ok(())
}
