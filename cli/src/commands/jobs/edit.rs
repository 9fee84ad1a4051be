//! `jobs edit` — change a job that is scheduled, ready or retrying.

use crate::{client::Remote, commands::document, host::Host, length, print, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// What to change.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The job's id
    id: String,
    /// New arguments as JSON; - reads them from stdin
    #[arg(long)]
    args: Option<String>,
    /// 0..9, 9 first
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Start it at this time (RFC 3339)
    #[arg(long, value_parser = length::time)]
    run_at: Option<String>,
    /// Labels in place of the present ones; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Change it only if it is still at this revision [default: the present one]
    #[arg(long)]
    revision: Option<u64>,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let body = args.body()?;
    let client = host.client(&args.remote)?;
    let path = ["v1", "jobs", args.id.as_str()];
    let revision = match args.revision {
        Some(revision) => revision.to_string(),
        None => print::text(&client.get(&path, &[]).await?, "revision"),
    };
    let job = client.send(Method::PATCH, &path, &[], Some(body), &[("If-Match", revision)]).await?;
    if host.json {
        print::json(&job);
    } else {
        print::line(&format!("{}  changed; revision {}", args.id, print::text(&job, "revision")));
    }
    Ok(())
}

impl Args {
    fn body(&self) -> Result<Value, Stop> {
        let mut body = Map::new();
        if let Some(args) = &self.args {
            drop(body.insert("args".into(), document("--args", args)?));
        }
        if let Some(priority) = self.priority {
            drop(body.insert("priority".into(), json!(priority)));
        }
        if let Some(run_at) = &self.run_at {
            drop(body.insert("run_at".into(), json!(run_at)));
        }
        if !self.tags.is_empty() {
            drop(body.insert("tags".into(), json!(self.tags)));
        }
        if body.is_empty() {
            return Err(Stop::usage("nothing to change: give --args, --priority, --run-at or --tag"));
        }
        Ok(Value::Object(body))
    }
}
