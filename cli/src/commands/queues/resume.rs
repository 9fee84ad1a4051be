//! `queues resume` — start a queue's jobs again, or a part of them, whoever closed it.

use crate::{client::Remote, commands::scope::Scope, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// What.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let path = args.scope.path("resume")?;
    let answer = host.client(&args.remote)?.post(&path, json!({})).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{} is open", args.scope.name()));
    }
    Ok(())
}
