//! `schedules put` — make a schedule, or replace what it says.

use super::{Which, show::shown};
use crate::{commands::document, host::Host, length, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What it says. What is not given takes its default.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// What its ticks make
    #[arg(long)]
    kind: String,
    /// What its jobs are called with, as JSON; - reads it from stdin [default: the kind's own schedule]
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Five fields, or six with seconds first, or @hourly, @daily, @weekly, @monthly, @yearly [default: the kind's own schedule]
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "every")]
    cron: Option<String>,
    /// A period instead, such as 30s or 5m, counted from --starts-at, else from now
    #[arg(long, value_name = "LENGTH", value_parser = length::duration)]
    every: Option<Duration>,
    /// The zone of the expression, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// A time in the hour that does not exist: at the first instant after it, or not at all [default: next]
    #[arg(long, value_parser = ["next", "skip"])]
    gap: Option<String>,
    /// A time in the hour that comes twice [default: once]
    #[arg(long, value_parser = ["once", "twice"])]
    repeated_hour: Option<String>,
    /// What becomes of ticks that nobody carried out in time [default: latest]
    #[arg(long, value_parser = ["skip", "latest", "all"])]
    missed: Option<String>,
    /// With --missed all: so many at most [default: 100]
    #[arg(long, value_name = "N")]
    missed_max: Option<u32>,
    /// What a tick does while the run before has not ended [default: allow]
    #[arg(long, value_parser = ["allow", "skip", "wait", "cancel"])]
    overlap: Option<String>,
    /// Carry each tick out up to this much later, the same for the same tenant and name
    #[arg(long, value_name = "LENGTH", value_parser = length::duration)]
    spread: Option<Duration>,
    /// No tick before this (RFC 3339)
    #[arg(long, value_parser = length::time)]
    starts_at: Option<String>,
    /// No tick at this time or later (RFC 3339)
    #[arg(long, value_parser = length::time)]
    ends_at: Option<String>,
    /// The queue [default: the kind's]
    #[arg(long)]
    queue: Option<String>,
    /// The tenant's client its jobs are for
    #[arg(long)]
    client: Option<String>,
    /// Of its jobs, 0..9, 9 first [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// A label of its jobs; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Make nothing until it is resumed
    #[arg(long)]
    paused: bool,
    /// Only from this revision; 0: there must be none yet
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Check everything, change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.which.remote)?;
    let mut query = args.which.query();
    if args.dry_run {
        query.push(("dry_run", "true".into()));
    }
    let headers: Vec<_> = args.revision.iter().map(|revision| ("If-Match", format!("\"{revision}\""))).collect();
    let schedule = client.send(Method::PUT, &args.which.path(&[]), &query, Some(args.body()?), &headers).await?;
    shown(&schedule, host);
    Ok(())
}

impl Args {
    fn body(&self) -> Result<Value, Stop> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        };
        set("kind", Some(json!(self.kind)));
        set("args", self.args.as_ref().map(|args| document("--args", args)).transpose()?);
        for (name, value) in [
            ("cron", &self.cron),
            ("timezone", &self.timezone),
            ("gap", &self.gap),
            ("repeated_hour", &self.repeated_hour),
            ("missed", &self.missed),
            ("overlap", &self.overlap),
            ("starts_at", &self.starts_at),
            ("ends_at", &self.ends_at),
            ("queue", &self.queue),
            ("client", &self.client),
        ] {
            set(name, value.as_ref().map(|value| json!(value)));
        }
        set("every_ms", self.every.map(|every| json!(length::ms(every))));
        set("spread_ms", self.spread.map(|spread| json!(length::ms(spread))));
        set("missed_max", self.missed_max.map(Value::from));
        set("priority", self.priority.map(Value::from));
        set("tags", (!self.tags.is_empty()).then(|| json!(self.tags)));
        set("paused", self.paused.then_some(Value::Bool(true)));
        Ok(Value::Object(body))
    }
}
