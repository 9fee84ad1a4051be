//! `keys …` — who may call the API. With `--local` the store is opened directly, for the case that no key is left.

mod create;
mod list;
mod local;
mod revoke;

use crate::{client::Remote, host::Host, roles::flags::Records, stop::Stop};
use clap::{Args, Subcommand};
use longshore_config::Settings;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the keys, without their secrets
    List(list::Args),
    /// Make a key; it is told once
    Create(create::Args),
    /// Make a key invalid
    Revoke(revoke::Args),
}

/// Where the keys are.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Open the store itself instead of asking the API
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    records: Records,
    #[command(flatten)]
    remote: Remote,
}

impl Where {
    fn settings(&self, host: &Host) -> Result<Settings, Stop> {
        self.records.settings(host, self.remote.data.as_deref())
    }
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Create(args) => create::run(args, host).await,
        Command::Revoke(args) => revoke::run(args, host).await,
    }
}
