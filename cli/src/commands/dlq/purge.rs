//! `dlq purge` — remove letters for good.

use super::Which;
use crate::{
    client::Remote,
    commands::bulk::{self, Care, Change},
    host::Host,
    stop::Stop,
};
use clap::Args as ClapArgs;

/// Which letters.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let body = args.which.body()?;
    let change = Change { path: &["v1", "dead-letters", "purge"], body, what: "dead letters", to_do: "be removed for good" };
    bulk::run(change, &args.care, &host.client(&args.remote)?, host).await
}
