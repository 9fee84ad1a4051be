//! `kinds …` — what can be done: the records that jobs are checked against.

mod list;
mod put;
mod show;

use crate::{host::Host, stop::Stop};
use clap::Subcommand;

/// What to do with kinds.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the kinds that are registered
    List(list::Args),
    /// Show one kind with the schema of its arguments
    Show(show::Args),
    /// Register a kind from a JSON file, for workers in other languages
    Put(put::Args),
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Show(args) => show::run(args, host).await,
        Command::Put(args) => put::run(args, host).await,
    }
}
