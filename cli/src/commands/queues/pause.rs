//! `queues pause` — start no more of a queue's jobs.

use crate::{client::Remote, host::Host, length, print, stop::Stop};
use clap::Args as ClapArgs;
use longshore_base::rfc3339;
use serde_json::{Map, json};
use std::time::Duration;

/// Which queue, for how long and why.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The queue's name
    queue: String,
    /// Resume by itself at this time (RFC 3339)
    #[arg(long, value_parser = length::time)]
    until: Option<String>,
    /// Resume by itself after this long, such as 30m
    #[arg(long = "for", value_name = "LENGTH", value_parser = length::duration, conflicts_with = "until")]
    length: Option<Duration>,
    /// Why; told to whoever asks why nothing runs
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let end = args.length.map(|length| rfc3339(host.clock.now().saturating_add_unsigned(length::ms(length))));
    let mut body = Map::new();
    if let Some(until) = args.until.or(end) {
        drop(body.insert("until".into(), json!(until)));
    }
    if let Some(reason) = args.reason {
        drop(body.insert("reason".into(), json!(reason)));
    }
    let answer = host.client(&args.remote)?.post(&["v1", "queues", &args.queue, "pause"], json!(body)).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{} is paused; running jobs go on; `{} queues resume {}` ends it", args.queue, host.name, args.queue));
    }
    Ok(())
}
