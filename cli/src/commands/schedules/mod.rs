//! `schedules …` — what is made by the clock: declare, look ahead, look back, pause, run by hand, make up for a range.

mod act;
mod apply;
mod backfill;
mod list;
mod put;
mod show;
mod ticks;

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;

/// What to do with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List schedules: when they last ran, when they run next, which are late
    List(list::Args),
    /// Show one schedule: all that it says, and how it stands
    Show(Which),
    /// Make a schedule, or replace what it says
    Put(Box<put::Args>),
    /// Remove a schedule with its history; jobs that it made stay
    Remove(Which),
    /// Make nothing until it is resumed; jobs that it made go on
    Pause(act::PauseArgs),
    /// Start it again; ticks that came meanwhile are left out
    Resume(Which),
    /// Run it now, once, as a tick at this moment
    Run(act::RunArgs),
    /// Make up for the ticks of a range
    Backfill(backfill::Args),
    /// Show the next ticks, in its zone and in UTC
    Next(ticks::NextArgs),
    /// Show what came of its ticks, newest first, with the job that each made
    Ticks(ticks::Args),
    /// Make the schedules what a file says; shows the difference first
    Apply(apply::Args),
}

/// Which schedule.
#[derive(Debug, ClapArgs)]
pub(crate) struct Which {
    /// Its name
    name: String,
    /// Whose, with an operator's key [default: default]
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Which {
    /// The path of the schedule, or of something of it.
    fn path<'a>(&'a self, below: &[&'a str]) -> Vec<&'a str> {
        [&["v1", "schedules", &self.name], below].concat()
    }

    /// The query that names the tenant.
    fn query(&self) -> Vec<(&'static str, String)> {
        self.tenant.iter().map(|tenant| ("tenant", tenant.clone())).collect()
    }

    /// The schedule as arguments, to be typed again.
    fn typed(&self) -> String {
        let tenant = self.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
        format!("{}{tenant}", self.name)
    }
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::List(args) => list::run(args, host).await,
        Command::Show(which) => show::run(which, host).await,
        Command::Put(args) => put::run(*args, host).await,
        Command::Remove(which) => act::remove(which, host).await,
        Command::Pause(args) => act::pause(args, host).await,
        Command::Resume(which) => act::resume(which, host).await,
        Command::Run(args) => act::run(args, host).await,
        Command::Backfill(args) => backfill::run(args, host).await,
        Command::Next(args) => ticks::next(args, host).await,
        Command::Ticks(args) => ticks::run(args, host).await,
        Command::Apply(args) => apply::run(args, host).await,
    }
}

/// `0 3 * * *`, or `every 5m`.
fn when(schedule: &Value) -> String {
    match (schedule["cron"].as_str(), schedule["every_ms"].as_i64()) {
        (Some(cron), _) => cron.to_owned(),
        (None, Some(every)) if every < 60_000 && every % 1_000 == 0 => format!("every {}s", every / 1_000),
        (None, Some(every)) => format!("every {}", print::span(every)),
        (None, None) => "-".into(),
    }
}

/// `by ops: deploy`, or nothing while it runs.
fn paused(schedule: &Value) -> String {
    let paused = &schedule["paused"];
    if paused.is_null() {
        return String::new();
    }
    let part = |name: &str, field: &str| paused[field].as_str().map(|text| format!("{name}{text}")).unwrap_or_default();
    format!("yes{}{}", part(", by ", "by"), part(": ", "reason"))
}
