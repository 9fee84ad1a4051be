//! `scale QUEUE N` — how many of a queue's jobs may run at once, over all workers.

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which queue, and how far.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The queue's name
    queue: String,
    /// So many jobs at once; holds over restarts
    slots: u32,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let answer = host.client(&args.remote)?.put(&["v1", "queues", &args.queue, "scale"], json!({ "slots": args.slots })).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{} runs at most {} at once, over all workers", args.queue, args.slots));
    }
    Ok(())
}
