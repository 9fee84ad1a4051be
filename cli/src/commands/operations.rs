//! `operations …` — work on many jobs at once, such as a replay or a backfill: how far it is, and how to stop it.

use crate::{
    client::{Client, Remote},
    commands::bulk::many,
    host::Host,
    print,
    progress::Progress,
    stop::Stop,
};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use std::time::Duration;

/// What to do with operations.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how far an operation is
    Show(Args),
    /// Tell each step of an operation until it has ended; exit 1 unless all of it was done
    Watch(WatchArgs),
    /// Stop an operation; what it has done stays
    Cancel(Args),
}

/// Which operation.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Its id
    id: String,
    /// Stay until it has ended; exit 1 unless all of it was done
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Which operation.
#[derive(Debug, ClapArgs)]
pub(crate) struct WatchArgs {
    /// Its id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

/// Waits between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// An API that restarts is waited for this long.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(command: Command, host: &Host) -> Result<(), Stop> {
    match command {
        Command::Show(args) => {
            let client = host.client(&args.remote)?;
            let operation = client.get(&["v1", "operations", &args.id], &[]).await?;
            end(&args, host, &client, &operation).await
        }
        Command::Watch(args) => watch(&host.client(&args.remote)?, host, &args.id).await,
        Command::Cancel(args) => {
            let client = host.client(&args.remote)?;
            let operation = client.post(&["v1", "operations", &args.id, "cancel"], json!({})).await?;
            end(&args, host, &client, &operation).await
        }
    }
}

async fn end(args: &Args, host: &Host, client: &Client, operation: &Value) -> Result<(), Stop> {
    if args.watch {
        return watch(client, host, &args.id).await;
    }
    if host.json {
        print::json(operation);
    } else {
        print::line(page(operation).trim_end());
    }
    Ok(())
}

/// Stays with an operation until it has ended, and tells each step.
pub(crate) async fn watch(client: &Client, host: &Host, id: &str) -> Result<(), Stop> {
    let (mut told, mut seen) = (String::new(), host.clock.elapsed());
    let bar = Progress::of(host, "operation");
    let operation = loop {
        match client.get(&["v1", "operations", id], &[]).await {
            Ok(operation) => {
                seen = host.clock.elapsed();
                let step = format!("{}  {}", state(&operation), progress(&operation));
                bar.told(&operation);
                bar.say(&state(&operation));
                let ended = matches!(operation["state"].as_str(), Some("completed" | "cancelled" | "dead"));
                if ended {
                    bar.end();
                }
                if step != told && !host.json && (ended || !bar.is_shown()) {
                    print::line(&step);
                }
                told = step;
                if ended {
                    break operation;
                }
            }
            Err(stop) if stop.is_unreachable() && host.clock.elapsed() < seen + PATIENCE => {}
            Err(stop) => return Err(stop),
        }
        host.clock.sleep(LOOK).await;
    };
    if host.json {
        print::json(&operation);
    }
    let refused = refused(&operation);
    if !host.json {
        refused.iter().for_each(|line| print::aside(line));
    }
    let error = operation["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
    match (operation["state"].as_str(), operation["stopped"].as_str()) {
        (Some("completed"), Some(why)) => Err(Stop::failed(format!("the operation stopped by itself: {why}"))),
        (Some("completed"), None) if refused.is_empty() => Ok(()),
        (Some("completed"), None) => Err(Stop::failed("the operation is done, but for those that could not be done")),
        _ => Err(Stop::failed(format!("the operation is {}{error}", print::text(&operation, "state")))),
    }
}

/// Between two steps the operation's job is scheduled; that is no news.
fn state(operation: &Value) -> String {
    match operation["state"].as_str() {
        Some("scheduled" | "ready" | "running") => "under way".into(),
        _ => print::text(operation, "state"),
    }
}

/// What a job may have become by an operation, as field and as word.
const DONE: [(&str, &str); 4] = [("replayed", "replayed"), ("undone", "taken back"), ("purged", "removed"), ("changed", "changed")];

/// `120 of 500 made, 3 passed over`, or `1,200 of 12,400: 1,190 replayed, 10 passed over; first results: 300 well, 2 failed`.
fn progress(operation: &Value) -> String {
    let number = |field: &str| operation[field].as_u64();
    let of = number("total").map(|total| format!(" of {}", many(total))).unwrap_or_default();
    let some = |n: Option<u64>, word: &str| n.filter(|n| *n > 0).map(|n| format!(", {} {word}", many(n))).unwrap_or_default();
    let skipped = some(number("skipped"), "passed over");
    let Some(done) = number("done") else {
        return format!("{}{of} made{skipped}", many(number("made").unwrap_or(0)));
    };
    let told = DONE.iter().find_map(|(field, word)| Some(format!(": {} {word}", many(number(field)?)))).unwrap_or_default();
    let refused = some(number("refused_count"), "could not be done");
    let results = match (number("well").unwrap_or(0), number("failing").unwrap_or(0)) {
        (0, 0) => String::new(),
        (well, failing) => format!("; first results: {} well, {} failed", many(well), many(failing)),
    };
    format!("{}{of}{told}{skipped}{refused}{results}", many(done))
}

/// The jobs that could not be done, in a line each.
fn refused(operation: &Value) -> Vec<String> {
    let all = operation["refused"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines: Vec<_> = all.iter().map(|one| format!("{}: {}", print::text(one, "id"), print::text(one, "detail"))).collect();
    let more = operation["refused_count"].as_u64().unwrap_or(0).saturating_sub(all.len() as u64);
    if more > 0 {
        lines.push(format!("and {} more", many(more)));
    }
    lines
}

fn page(operation: &Value) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<11}{value}\n"));
        }
    };
    let field = |name| print::text(operation, name);
    let some = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
    row("operation", field("id"));
    row("does", field("kind"));
    let asked = if operation["cancel_requested"] == true { ", asked to stop" } else { "" };
    row("state", format!("{}{asked}", field("state")));
    row("progress", progress(operation));
    row("stopped", some("stopped"));
    row("schedule", some("schedule"));
    row("range", if operation["from"].is_null() { String::new() } else { format!("{} to {}", field("from"), field("to")) });
    row("asked for", if operation["args"].is_null() { String::new() } else { operation["args"].to_string() });
    row("at most", operation["per_second"].as_u64().map(|n| format!("{} a second", many(n))).unwrap_or_default());
    row("tenant", field("tenant"));
    row("queue", field("queue"));
    row("created", field("created_at"));
    row("ended", some("ended_at"));
    row("error", some("error"));
    refused(operation).into_iter().for_each(|line| row("not done", line));
    out
}

#[cfg(test)]
mod tests {
    use super::page;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn an_operation_reads_well() {
        let operation = json!({ "id": "o-1", "kind": "schedules.backfill", "tenant": "acme", "queue": "default", "state": "running",
            "made": 120, "skipped": 3, "total": 500, "schedule": "nightly", "from": "2026-01-01T00:00:00.000Z",
            "to": "2026-02-01T00:00:00.000Z", "per_second": 10, "cancel_requested": true, "error": null,
            "created_at": "2026-05-01T10:00:00.000Z", "ended_at": null });
        expect![[r#"
            operation  o-1
            does       schedules.backfill
            state      running, asked to stop
            progress   120 of 500 made, 3 passed over
            schedule   nightly
            range      2026-01-01T00:00:00.000Z to 2026-02-01T00:00:00.000Z
            at most    10 a second
            tenant     acme
            queue      default
            created    2026-05-01T10:00:00.000Z
        "#]]
        .assert_eq(&page(&operation));
    }
    #[test]
    fn a_replay_tells_what_came_of_it() {
        let operation = json!({ "id": "o-2", "kind": "dead_letters.replay", "tenant": "operations", "queue": "operations", "state": "completed",
            "total": 12_400, "done": 1_200, "replayed": 1_190, "skipped": 8, "refused_count": 2, "well": 300, "failing": 120,
            "refused": [{ "id": "l-1", "detail": "/account: is missing" }], "stopped": "120 of 420 first results are failures",
            "args": { "filter": { "kind": "demo.echo" } }, "per_second": 200, "cancel_requested": false, "error": null,
            "created_at": "2026-05-01T10:00:00.000Z", "ended_at": "2026-05-01T10:00:07.000Z" });
        expect![[r#"
            operation  o-2
            does       dead_letters.replay
            state      completed
            progress   1,200 of 12,400: 1,190 replayed, 8 passed over, 2 could not be done; first results: 300 well, 120 failed
            stopped    120 of 420 first results are failures
            asked for  {"filter":{"kind":"demo.echo"}}
            at most    200 a second
            tenant     operations
            queue      operations
            created    2026-05-01T10:00:00.000Z
            ended      2026-05-01T10:00:07.000Z
            not done   l-1: /account: is missing
            not done   and 1 more
        "#]]
        .assert_eq(&page(&operation));
    }
}
