//! `workers …` — who runs jobs, and telling them to pause or to stop.

mod list;
mod tell;

use crate::{host::Host, stop::Stop};
use clap::Subcommand;

/// What to do with workers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the live workers
    List(list::Args),
    /// Let a worker finish what it runs and lease nothing more
    Quiet(tell::Args),
    /// Let a quiet worker lease again
    Resume(tell::Args),
    /// Let a worker finish what it runs and stop
    Drain(tell::Args),
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Quiet(args) => tell::run(args, host, "quiet").await,
        Command::Resume(args) => tell::run(args, host, "resume").await,
        Command::Drain(args) => tell::run(args, host, "drain").await,
    }
}
