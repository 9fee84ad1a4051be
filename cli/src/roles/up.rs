//! `up` — every role in one process: nothing else is needed on one machine.

use crate::{
    host::Host,
    roles::{
        flags::AllFlags,
        process::{self, Roles},
    },
    stop::Stop,
};
use clap::Args as ClapArgs;

/// The flags of every role.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: AllFlags,
}

pub(crate) async fn run(args: &Args, host: &Host) -> Result<(), Stop> {
    let roles = Roles { name: "up", api: true, worker: true, scheduler: true, migrate: true };
    process::run(roles, args.flags.settings(host)?, host).await
}
