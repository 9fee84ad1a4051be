//! The command line: roles first, then the operator commands.

use crate::{commands, host::Host, roles, stop::Stop};
use clap::{Parser, Subcommand};

/// Longshore: background jobs on one file or on Redis.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true, max_term_width = 120)]
#[command(
    after_help = "Start with `up` on an empty folder; it prints one command to try.\nExit codes: 0 ok · 1 failed · 2 usage · 69 unreachable · 77 refused · 78 configuration"
)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What the process is to be or to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every role in this process
    Up(roles::up::Args),
    /// Run the HTTP API
    Api(roles::api::Args),
    /// Run jobs
    Worker(roles::worker::Args),
    /// Move time forward: due jobs, lost leases, retention
    Scheduler(roles::scheduler::Args),
    /// Enqueue a job
    Enqueue(Box<commands::enqueue::Args>),
    /// Find, read and steer jobs
    #[command(subcommand)]
    Jobs(commands::jobs::Command),
    /// See, pause and resume queues
    #[command(subcommand)]
    Queues(commands::queues::Command),
    /// Cap how many jobs of a queue run at once, or let the cap follow the backlog
    Scale(commands::scale::Args),
    /// List the lanes of a queue: who waits where, and what holds them
    Lanes(commands::queues::lanes::Args),
    /// See and set what may run in a queue, for a tenant, a kind or a lane key
    #[command(subcommand)]
    Limits(commands::limits::Command),
    /// See and set outside quotas that tenants and queues share
    #[command(subcommand)]
    Resources(commands::resources::Command),
    /// Declare schedules, see when they ran and run next, pause, run and make up for them
    #[command(subcommand)]
    Schedules(commands::schedules::Command),
    /// Group, read, edit, replay and remove dead letters: the jobs that failed for good
    #[command(subcommand)]
    Dlq(commands::dlq::Command),
    /// See, follow and stop work on many jobs at once, such as a replay or a backfill
    #[command(subcommand)]
    Operations(commands::operations::Command),
    /// Tell what happens to jobs, while it happens
    Tail(commands::tail::Args),
    /// See and tell workers
    #[command(subcommand)]
    Workers(commands::workers::Command),
    /// See and register kinds
    #[command(subcommand)]
    Kinds(commands::kinds::Command),
    /// Make and revoke API keys
    #[command(subcommand)]
    Keys(commands::keys::Command),
    /// Bring a backup back to where it is used, or list backups
    Restore(Box<commands::restore::Args>),
    /// Bring the store's schema up to date
    Migrate(commands::migrate::Args),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Look for everything that is wrong with a set-up
    Doctor(Box<commands::doctor::Args>),
    /// Measure what Longshore does on this machine, on a Redis of its own or on yours
    Bench(Box<commands::bench::Args>),
    /// A role as `bench` starts it
    #[command(subcommand, hide = true)]
    BenchRole(commands::bench::Role),
    /// Print a completion script
    Completions(commands::completions::Args),
}

impl Command {
    /// True for roles and for what speaks to many of them, which want every core.
    pub(crate) const fn is_role(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Api(_) | Self::Worker(_) | Self::Scheduler(_) | Self::Bench(_) | Self::BenchRole(_))
    }
    /// True for what also carries the kinds of benchmarks.
    pub(crate) const fn measures(&self) -> bool {
        matches!(self, Self::BenchRole(_))
    }

    pub(crate) async fn run(self, host: &Host) -> Result<(), Stop> {
        match self {
            Self::Up(args) => roles::up::run(&args, host).await,
            Self::Api(args) => roles::api::run(&args, host).await,
            Self::Worker(args) => roles::worker::run(&args, host).await,
            Self::Scheduler(args) => roles::scheduler::run(&args, host).await,
            Self::Enqueue(args) => commands::enqueue::run(*args, host).await,
            Self::Jobs(command) => commands::jobs::run(command, host).await,
            Self::Queues(command) => commands::queues::run(command, host).await,
            Self::Scale(args) => commands::scale::run(args, host).await,
            Self::Lanes(args) => commands::queues::lanes::run(args, host).await,
            Self::Limits(command) => commands::limits::run(command, host).await,
            Self::Resources(command) => commands::resources::run(command, host).await,
            Self::Schedules(command) => commands::schedules::run(command, host).await,
            Self::Dlq(command) => commands::dlq::run(command, host).await,
            Self::Operations(command) => commands::operations::run(command, host).await,
            Self::Tail(args) => commands::tail::run(args, host).await,
            Self::Workers(command) => commands::workers::run(command, host).await,
            Self::Kinds(command) => commands::kinds::run(command, host).await,
            Self::Keys(command) => commands::keys::run(command, host).await,
            Self::Restore(args) => commands::restore::run(*args, host).await,
            Self::Migrate(args) => commands::migrate::run(args, host).await,
            Self::Config(command) => commands::config::run(&command, host),
            Self::Doctor(args) => commands::doctor::run(&args, host).await,
            Self::Bench(args) => commands::bench::run(*args, host).await,
            Self::BenchRole(role) => commands::bench::role(role, host).await,
            Self::Completions(args) => commands::completions::run(&args, host),
        }
    }
}
