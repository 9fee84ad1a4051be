//! `jobs retry` — start scheduled or retrying jobs now, and dead ones again.

use crate::{client::Remote, commands::jobs, host::Host, stop::Stop};
use clap::Args as ClapArgs;

/// Which jobs.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The jobs' ids
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    jobs::each::run(&host.client(&args.remote)?, host, &args.ids, "retry").await
}
