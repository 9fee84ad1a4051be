//! `schedules next|ticks` — ticks to come, and what came of those that were.

use super::Which;
use crate::{host::Host, length, paint::Paint, print, stop::Stop};
use clap::Args as ClapArgs;

/// How far to look ahead.
#[derive(Debug, ClapArgs)]
pub(crate) struct NextArgs {
    #[command(flatten)]
    which: Which,
    /// So many at most
    #[arg(short, long, default_value_t = 10)]
    n: usize,
    /// After this time (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = length::time)]
    after: Option<String>,
}

/// How far to look back.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// So many at most
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

pub(super) async fn next(args: NextArgs, host: &Host) -> Result<(), Stop> {
    let mut query = args.which.query();
    query.push(("n", args.n.to_string()));
    query.extend(args.after.map(|after| ("after", after)));
    let answer = host.client(&args.which.remote)?.get(&args.which.path(&["next"]), &query).await?;
    if host.json {
        print::json(&answer);
        return Ok(());
    }
    let now = host.clock.now();
    let mut table = print::Table::new(&["LOCAL", "UTC", "IN", "CARRIED OUT"]);
    for tick in answer["ticks"].as_array().into_iter().flatten() {
        let spread = if tick["due_at"] == tick["at"] { String::new() } else { print::text(tick, "due_at") };
        table.row([print::text(tick, "local"), print::text(tick, "at"), print::age(tick, "at", now).replace("in ", ""), spread]);
    }
    table.print("it ticks no more", Paint::of(host));
    Ok(())
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let mut query = args.which.query();
    query.push(("limit", args.limit.to_string()));
    let answer = host.client(&args.which.remote)?.get(&args.which.path(&["ticks"]), &query).await?;
    if host.json {
        print::json(&answer);
        return Ok(());
    }
    let mut table = print::Table::new(&["TICK", "OUTCOME", ">LATE", "JOB", "DETAIL"]);
    for tick in answer["ticks"].as_array().into_iter().flatten() {
        let count = tick["count"].as_u64().filter(|count| *count > 1).map(|count| format!(" × {count}")).unwrap_or_default();
        let hand = if tick["by_hand"] == true { " by hand" } else { "" };
        table.row([
            print::text(tick, "at"),
            format!("{}{count}{hand}", print::text(tick, "outcome")),
            tick["late_ms"].as_i64().map(print::span).unwrap_or_default(),
            print::text(tick, "job"),
            tick["detail"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    table.print("no tick yet", Paint::of(host));
    Ok(())
}
