//! `queues …` — what waits where, and holding a queue still.

pub(crate) mod lanes;
mod list;
mod pause;
mod resume;
mod show;

use crate::{host::Host, stop::Stop};
use clap::Subcommand;

/// What to do with queues.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the queues in numbers
    List(list::Args),
    /// Show one queue
    Show(show::Args),
    /// List the lanes of a queue: who waits where, and what holds them
    Lanes(lanes::Args),
    /// Start no more of its jobs, or of a part of them; running ones go on
    Pause(pause::Args),
    /// Start its jobs again, or a part of them
    Resume(resume::Args),
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Show(args) => show::run(args, host).await,
        Command::Lanes(args) => lanes::run(args, host).await,
        Command::Pause(args) => pause::run(args, host).await,
        Command::Resume(args) => resume::run(args, host).await,
    }
}
