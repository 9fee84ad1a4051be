//! `resources pause|resume` — an outside quota's gate.

use super::Args;
use crate::{client::Remote, commands::gate::Pause, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which resource, for how long and why.
#[derive(Debug, ClapArgs)]
pub(crate) struct PauseArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    pause: Pause,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn pause(args: PauseArgs, host: &Host) -> Result<(), Stop> {
    let answer = host.client(&args.remote)?.post(&["v1", "resources", &args.name, "pause"], args.pause.body(host)).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{} lends nothing; running jobs go on; `{} resources resume {}` ends it", args.name, host.name, args.name));
    }
    Ok(())
}

pub(super) async fn resume(args: Args, host: &Host) -> Result<(), Stop> {
    let answer = host.client(&args.remote)?.post(&["v1", "resources", &args.name, "resume"], json!({})).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{} lends again", args.name));
    }
    Ok(())
}
