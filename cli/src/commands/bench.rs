//! `bench` — what Longshore does on this machine, measured on processes of its own; and those processes.

use crate::{host::Host, print, roles, stop::Stop};
use clap::{Args as ClapArgs, Subcommand};
use longshore_bench::{Options, ReadersArgs};
use std::path::Path;

/// What to measure.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

/// What `bench` starts: the roles, with the kinds that tell when they ran, and readers of events.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Every role
    Up(roles::up::Args),
    /// The HTTP API
    Api(roles::api::Args),
    /// A worker
    Worker(roles::worker::Args),
    /// A scheduler
    Scheduler(roles::scheduler::Args),
    /// Readers of events
    Readers(ReadersArgs),
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let options = args.options;
    let told = |why: String| Stop::failed(format!("bench: {why}"));
    let report = longshore_bench::run(&options, &print::aside).await.map_err(told)?;
    let write = |file: &Path, text: String| std::fs::write(file, text).map_err(|error| told(format!("{}: {error}", file.display())));
    options.html.as_ref().map_or(Ok(()), |file| write(file, report.html()))?;
    options.save.as_ref().map_or(Ok(()), |file| write(file, format!("{}\n", report.json())))?;
    if host.json {
        print::json(&report.json());
    } else {
        print::line(report.table().trim_end());
    }
    Ok(())
}

pub(crate) async fn role(role: Role, host: &Host) -> Result<(), Stop> {
    match role {
        Role::Up(args) => roles::up::run(&args, host).await,
        Role::Api(args) => roles::api::run(&args, host).await,
        Role::Worker(args) => roles::worker::run(&args, host).await,
        Role::Scheduler(args) => roles::scheduler::run(&args, host).await,
        Role::Readers(args) => longshore_bench::readers(&args, &print::line).await.map_err(Stop::failed),
    }
}
