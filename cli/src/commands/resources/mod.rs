//! `resources …` — outside quotas that tenants and queues share.

mod gate;
mod list;
mod set;

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

/// What to do with resources.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the resources
    List(list::Args),
    /// Show one resource: its quota, and what is used of it
    Show(Args),
    /// Make a resource, or set some of its quota; the rest stays
    Set(set::Args),
    /// Remove a resource; jobs that name it are not held by it any more
    Clear(Args),
    /// Lend nothing more of it; running jobs go on
    Pause(gate::PauseArgs),
    /// Lend again
    Resume(Args),
}

/// Which resource.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Its name
    name: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Show(args) => list::show(args, host).await,
        Command::Set(args) => set::run(args, host).await,
        Command::Clear(args) => clear(args, host).await,
        Command::Pause(args) => gate::pause(args, host).await,
        Command::Resume(args) => gate::resume(args, host).await,
    }
}

async fn clear(args: Args, host: &Host) -> Result<(), Stop> {
    host.client(&args.remote)?.delete(&["v1", "resources", &args.name]).await?;
    if host.json {
        print::json(&json!({ "cleared": true }));
    } else {
        print::line(&format!("the resource {} is gone; nothing is held by it", args.name));
    }
    Ok(())
}
