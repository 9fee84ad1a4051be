//! `enqueue KIND ARGS` — put one job into its queue; with `--wait`, stay until it has ended.

use crate::{client::Remote, commands::document, commands::jobs::follow, host::Host, length, print, progress::Progress, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What to enqueue.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The kind, such as demo.echo
    kind: String,
    /// Its arguments as JSON; - reads them from stdin
    #[arg(default_value = "{}")]
    args: String,
    /// The queue [default: the kind's]
    #[arg(long)]
    queue: Option<String>,
    /// The tenant, with an operator's key
    #[arg(long)]
    tenant: Option<String>,
    /// The tenant's client it is for
    #[arg(long)]
    client: Option<String>,
    /// 0..9, 9 first [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Start it after this long, such as 10s or 5m
    #[arg(long, value_parser = length::duration, conflicts_with = "run_at")]
    delay: Option<Duration>,
    /// Start it at this time (RFC 3339)
    #[arg(long, value_parser = length::time)]
    run_at: Option<String>,
    /// Cancel it if it has not started by then (RFC 3339)
    #[arg(long, value_parser = length::time)]
    expires_at: Option<String>,
    /// Keep a second job with this key away
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// What happens to the second one
    #[arg(long, requires = "unique", value_parser = ["keep", "keep_until_started", "replace", "throttle"], default_value = "keep")]
    unique_mode: String,
    /// Length of throttle's window, such as 1h
    #[arg(long, requires = "unique", value_parser = length::duration)]
    unique_window: Option<Duration>,
    /// How far replace may put the job off, such as 10m
    #[arg(long, requires = "unique", value_parser = length::duration)]
    unique_wait_max: Option<Duration>,
    /// Give up after this many attempts [default: the kind's]
    #[arg(long)]
    attempts_max: Option<u16>,
    /// Stop an attempt after this long, such as 30s [default: the kind's]
    #[arg(long, value_parser = length::duration)]
    timeout: Option<Duration>,
    /// A label; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Repeating the command with the same key makes no second job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay until the job has ended and print its output; exit 1 unless it completed
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let body = args.body()?;
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("Idempotency-Key", key.clone())).collect();
    let made = client.send(Method::POST, &["v1", "jobs"], &[], Some(body), &headers).await?;
    let id = print::text(&made, "id");
    if !args.wait {
        if host.json {
            print::json(&made);
        } else {
            print::line(&id);
            let known = if made["duplicate"] == true { ", it was there before" } else { "" };
            print::aside(&format!("{}{known}; `{} jobs show {id}` tells more", print::text(&made, "state"), host.name));
        }
        return Ok(());
    }
    let bar = Progress::of(host, &args.kind);
    let job = follow::until_ended(&client, host, &id, |job| {
        bar.told(&job["progress"]);
        bar.say(&print::text(job, "state"));
    });
    let job = job.await?;
    bar.end();
    if host.json {
        print::json(&job);
    } else if job["state"] == "completed" {
        print::line(&job["output"].to_string());
    }
    match job["state"].as_str() {
        Some("completed") => Ok(()),
        state => Err(Stop::failed(format!(
            "job {id} is {}{}\n  what to do: `{} jobs show {id}`",
            state.unwrap_or("gone"),
            follow::last_error(&job).map(|error| format!(": {error}")).unwrap_or_default(),
            host.name
        ))),
    }
}

impl Args {
    fn body(&self) -> Result<Value, Stop> {
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        set("kind", json!(self.kind));
        set("args", document("ARGS", &self.args)?);
        for (name, value) in [("queue", &self.queue), ("tenant", &self.tenant), ("client", &self.client)] {
            if let Some(value) = value {
                set(name, json!(value));
            }
        }
        for (name, value) in [("run_at", &self.run_at), ("expires_at", &self.expires_at)] {
            if let Some(value) = value {
                set(name, json!(value));
            }
        }
        for (name, value) in [("delay_ms", self.delay), ("timeout_ms", self.timeout)] {
            if let Some(value) = value {
                set(name, json!(length::ms(value)));
            }
        }
        if let Some(priority) = self.priority {
            set("priority", json!(priority));
        }
        if let Some(attempts_max) = self.attempts_max {
            set("attempts_max", json!(attempts_max));
        }
        if !self.tags.is_empty() {
            set("tags", json!(self.tags));
        }
        if let Some(key) = &self.unique {
            let mut unique = json!({ "key": key, "mode": self.unique_mode });
            for (name, value) in [("window_ms", self.unique_window), ("wait_max_ms", self.unique_wait_max)] {
                if let Some(value) = value {
                    unique[name] = json!(length::ms(value));
                }
            }
            set("unique", unique);
        }
        Ok(Value::Object(body))
    }
}
