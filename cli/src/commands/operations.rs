//! `operations …` — work on many jobs at once, such as a backfill: how far it is, and how to stop it.

use crate::{
    client::{Client, Remote},
    host::Host,
    print,
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
    /// Stop an operation; what it has made stays
    Cancel(Args),
}

/// Which operation.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Its id
    id: String,
    /// Stay until it has ended; exit 1 unless it completed
    #[arg(long)]
    watch: bool,
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
    let operation = loop {
        match client.get(&["v1", "operations", id], &[]).await {
            Ok(operation) => {
                seen = host.clock.elapsed();
                let step = format!("{}  {}", print::text(&operation, "state"), progress(&operation));
                if step != told && !host.json {
                    print::line(&step);
                }
                told = step;
                if matches!(operation["state"].as_str(), Some("completed" | "cancelled" | "dead")) {
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
    if operation["state"] == "completed" {
        return Ok(());
    }
    let error = operation["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
    Err(Stop::failed(format!("the operation is {}{error}", print::text(&operation, "state"))))
}

/// `120 of 500 made, 3 passed over`.
fn progress(operation: &Value) -> String {
    let of = operation["total"].as_u64().map(|total| format!(" of {total}")).unwrap_or_default();
    let skipped = operation["skipped"].as_u64().filter(|n| *n > 0).map(|n| format!(", {n} passed over")).unwrap_or_default();
    format!("{}{of} made{skipped}", print::text(operation, "made"))
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
    row("schedule", some("schedule"));
    row("range", format!("{} to {}, {} a second", field("from"), field("to"), field("per_second")));
    row("tenant", field("tenant"));
    row("queue", field("queue"));
    row("created", field("created_at"));
    row("ended", some("ended_at"));
    row("error", some("error"));
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
            range      2026-01-01T00:00:00.000Z to 2026-02-01T00:00:00.000Z, 10 a second
            tenant     acme
            queue      default
            created    2026-05-01T10:00:00.000Z
        "#]]
        .assert_eq(&page(&operation));
    }
}
