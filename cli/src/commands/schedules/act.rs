//! `schedules pause|resume|run|remove` — what people do to a schedule that is there.

use super::{Which, list::next};
use crate::{host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Value, json};

/// Which schedule, and why.
#[derive(Debug, ClapArgs)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    which: Which,
    /// Why, for those who wonder
    #[arg(long)]
    reason: Option<String>,
}

/// Which schedule.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    which: Which,
    /// Repeating the command with the same key makes no second job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(super) async fn pause(args: PauseArgs, host: &Host) -> Result<(), Stop> {
    let body = args.reason.as_ref().map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    let schedule = post(&args.which, host, "pause", body, &[]).await?;
    if host.json {
        print::json(&schedule);
    } else {
        let typed = args.which.typed();
        print::line(&format!("{typed} makes nothing; jobs that it made go on; `{} schedules resume {typed}` ends it", host.name));
    }
    Ok(())
}

pub(super) async fn resume(which: Which, host: &Host) -> Result<(), Stop> {
    let schedule = post(&which, host, "resume", json!({}), &[]).await?;
    if host.json {
        print::json(&schedule);
    } else {
        print::line(&format!("{} runs again; its next tick: {}", which.typed(), next(&schedule, host.clock.now())));
    }
    Ok(())
}

pub(super) async fn run(args: RunArgs, host: &Host) -> Result<(), Stop> {
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("Idempotency-Key", key.clone())).collect();
    let tick = post(&args.which, host, "run", json!({}), &headers).await?;
    if host.json {
        print::json(&tick);
    } else {
        if let Some(job) = tick["job"].as_str() {
            print::line(job);
        }
        let detail = tick["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
        print::aside(&format!("{}{detail}", print::text(&tick, "outcome")));
    }
    match tick["outcome"].as_str() {
        Some("refused") => Err(Stop::failed(format!("the kind refuses the job: {}", print::text(&tick, "detail")))),
        _ => Ok(()),
    }
}

pub(super) async fn remove(which: Which, host: &Host) -> Result<(), Stop> {
    host.client(&which.remote)?.send(Method::DELETE, &which.path(&[]), &which.query(), None, &[]).await?;
    if host.json {
        print::json(&json!({ "removed": true }));
    } else {
        print::line(&format!("the schedule {} is gone; jobs that it made stay", which.typed()));
    }
    Ok(())
}

async fn post(which: &Which, host: &Host, verb: &str, body: Value, headers: &[(&'static str, String)]) -> Result<Value, Stop> {
    host.client(&which.remote)?.send(Method::POST, &which.path(&[verb]), &which.query(), Some(body), headers).await
}
