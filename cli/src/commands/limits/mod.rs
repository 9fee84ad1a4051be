//! `limits …` — what may run in a queue, and in the parts of it.

mod clear;
mod set;
mod show;

use crate::{host::Host, stop::Stop};
use clap::Subcommand;

/// What to do with limits.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the rules of a queue, a tenant, a kind or a lane key, and how they stand
    Show(show::Args),
    /// Set some of the rules; the others stay
    Set(Box<set::Args>),
    /// Take the limits away; a closed gate stays closed
    Clear(clear::Args),
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::Show(args) => show::run(args, host).await,
        Command::Set(args) => set::run(*args, host).await,
        Command::Clear(args) => clear::run(args, host).await,
    }
}
