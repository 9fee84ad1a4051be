//! `limits clear` — nothing is limited any more.

use crate::{client::Remote, commands::scope::Scope, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::json;

/// Which scope.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let path = args.scope.path("limits")?;
    host.client(&args.remote)?.delete(&path).await?;
    if host.json {
        print::json(&json!({ "cleared": true }));
    } else {
        print::line(&format!("{} has no limits any more", args.scope.name()));
    }
    Ok(())
}
