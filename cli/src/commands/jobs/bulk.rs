//! `jobs bulk …` — change many living jobs at once, as an operation.

use crate::{
    client::Remote,
    commands::{
        bulk::{self, Care, Change},
        filter::Filter,
    },
    host::Host,
    length,
    stop::Stop,
};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What to do with many jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Cancel them; running ones are asked to stop
    Cancel(Box<Which>),
    /// Let scheduled, ready and retrying ones go on in another queue
    Move(Box<MoveArgs>),
    /// Give scheduled, ready and retrying ones another priority
    Priority(Box<PriorityArgs>),
    /// Let scheduled, ready and retrying ones start later
    Postpone(Box<PostponeArgs>),
}

/// Which jobs, and how far to go.
#[derive(Debug, ClapArgs)]
pub(crate) struct Which {
    /// In this state
    #[arg(long, value_parser = ["scheduled", "ready", "running", "retrying", "waiting"], help_heading = "Filter")]
    state: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Every living job that this key may see
    #[arg(long)]
    all: bool,
    /// So many a second at most, 1 to 1,000 [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    per_second: Option<u32>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
}

/// Where to.
#[derive(Debug, ClapArgs)]
pub(crate) struct MoveArgs {
    /// The queue in which they go on
    #[arg(value_name = "QUEUE")]
    to_queue: String,
    #[command(flatten)]
    which: Which,
}

/// Which priority.
#[derive(Debug, ClapArgs)]
pub(crate) struct PriorityArgs {
    /// 0..9, 9 first
    #[arg(value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: u8,
    #[command(flatten)]
    which: Which,
}

/// Until when.
#[derive(Debug, ClapArgs)]
pub(crate) struct PostponeArgs {
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = length::time, required_unless_present = "by", conflicts_with = "by")]
    until: Option<String>,
    /// Not before this long from now, such as 2h
    #[arg(long, value_name = "LENGTH", value_parser = length::duration)]
    by: Option<Duration>,
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::Cancel(which) => change(&which, "cancel", None, "be cancelled", host).await,
        Command::Move(args) => {
            let to_do = format!("be moved to {}", args.to_queue);
            change(&args.which, "move", Some(json!(args.to_queue)), &to_do, host).await
        }
        Command::Priority(args) => {
            let to_do = format!("get priority {}", args.priority);
            change(&args.which, "priority", Some(json!(args.priority)), &to_do, host).await
        }
        Command::Postpone(args) => {
            let by = args.by.map(|by| json!(length::ms(by)));
            let until = args.until.clone().map(Value::from).or(by);
            change(&args.which, "postpone", until, "be postponed", host).await
        }
    }
}

async fn change(which: &Which, verb: &str, value: Option<Value>, to_do: &str, host: &Host) -> Result<(), Stop> {
    let body = which.body(verb, value)?;
    let change = Change { path: &["v1", "jobs", "bulk"], body, what: "jobs", to_do };
    bulk::run(change, &which.care, &host.client(&which.remote)?, host).await
}

impl Which {
    fn body(&self, verb: &str, value: Option<Value>) -> Result<Map<String, Value>, Stop> {
        let mut filter = self.filter.body()?;
        if let Some(state) = &self.state {
            filter.insert("state".into(), state.as_str().into());
        }
        if filter.is_empty() && !self.all {
            return Err(Stop::usage("which jobs? give a filter, or say --all"));
        }
        let mut body = Map::from_iter([("verb".to_owned(), verb.into()), ("filter".to_owned(), filter.into())]);
        body.extend(value.map(|value| ("value".to_owned(), value)));
        body.extend(self.per_second.map(|per_second| ("per_second".to_owned(), per_second.into())));
        Ok(body)
    }
}
