//! `dlq undo` — take an operation back, as far as what it made has not begun.

use crate::{client::Remote, commands::bulk, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::json;

/// Which operation.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The id of a replay, or of a bulk change of priority or due time, that has ended
    operation: String,
    /// Tell how many it would be, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Repeating the command with the same key starts no second operation
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay until it is done; exit 1 if anything could not be taken back
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let path = ["v1", "dead-letters", "undo"];
    if args.dry_run {
        let answer = client.post(&path, json!({ "operation": args.operation, "dry_run": true })).await?;
        if host.json {
            print::json(&answer);
        } else {
            let count = answer["count"].as_u64().unwrap_or(0);
            print::line(&format!("{} jobs would be taken back, as far as they have not begun; nothing was changed", bulk::many(count)));
        }
        return Ok(());
    }
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("Idempotency-Key", key.clone())).collect();
    let body = json!({ "operation": args.operation });
    let answer = client.send(Method::POST, &path, &[], Some(body), &headers).await?;
    bulk::begun(&answer, "there is nothing to take back", args.watch, &client, host).await
}
