//! `workers quiet|resume|drain` — the worker hears of it with its next report, within seconds.

use super::list::named;
use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which worker.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The worker's id, or its beginning
    id: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host, verb: &str) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let workers = client.get(&["v1", "workers"], &[]).await?;
    let id = named(&workers, &args.id)?;
    let answer = client.post(&["v1", "workers", id, verb], json!({})).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{id} was told to {verb}; it hears of it with its next report"));
    }
    Ok(())
}
