//! `jobs …` — find jobs, read what happened to one, and steer it.

mod bulk;
mod cancel;
mod each;
mod edit;
pub(crate) mod follow;
mod list;
mod logs;
mod retry;
mod show;
mod watch;
mod why;

use crate::{host::Host, stop::Stop};
use clap::Subcommand;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List jobs that match a filter
    List(list::Args),
    /// Show one job: its state, counters, arguments, output and timeline
    Show(show::Args),
    /// Tell what happens to a job until it has ended
    Watch(watch::Args),
    /// Tell why a job is not running, or why it ended, and what to do
    Why(why::Args),
    /// Print the log lines of a job
    Logs(logs::Args),
    /// Cancel jobs; running ones are asked to stop
    Cancel(cancel::Args),
    /// Start scheduled or retrying jobs now; dead ones again, as new jobs
    Retry(retry::Args),
    /// Change a job that does not run
    Edit(edit::Args),
    /// Cancel, move, reprioritise or postpone all jobs that match a filter
    #[command(subcommand)]
    Bulk(bulk::Command),
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Show(args) => show::run(args, host).await,
        Command::Watch(args) => watch::run(args, host).await,
        Command::Why(args) => why::run(args, host).await,
        Command::Logs(args) => logs::run(args, host).await,
        Command::Cancel(args) => cancel::run(args, host).await,
        Command::Retry(args) => retry::run(args, host).await,
        Command::Edit(args) => edit::run(args, host).await,
        Command::Bulk(command) => bulk::run(command, host).await,
    }
}
