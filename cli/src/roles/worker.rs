//! `worker` — leases jobs and runs them. It takes no requests; `--metrics-listen` serves its health.

use crate::{
    host::Host,
    roles::{
        flags::AllFlags,
        process::{self, Roles},
    },
    stop::Stop,
};
use clap::Args as ClapArgs;

/// The flags of every role, and what to run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: AllFlags,
}

pub(crate) async fn run(args: &Args, host: &Host) -> Result<(), Stop> {
    let roles = Roles { name: "worker", api: false, worker: true, scheduler: false, migrate: false };
    process::run(roles, args.flags.settings(host)?, host).await
}
