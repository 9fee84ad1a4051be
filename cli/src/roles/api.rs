//! `api` — HTTP in, JSON out. It runs no jobs.

use crate::{
    host::Host,
    roles::{
        flags::RoleFlags,
        process::{self, Roles},
    },
    stop::Stop,
};
use clap::Args as ClapArgs;

/// The flags of every role.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: RoleFlags,
}

pub(crate) async fn run(args: &Args, host: &Host) -> Result<(), Stop> {
    let roles = Roles { name: "api", api: true, worker: false, scheduler: false, migrate: false };
    process::run(roles, args.flags.settings(host)?, host).await
}
