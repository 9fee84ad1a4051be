//! `dlq replay` — repeat letters as new jobs.

use super::Which;
use crate::{
    client::Remote,
    commands::{
        bulk::{self, Care, Change},
        document,
    },
    host::Host,
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::{Map, Value, json};

/// Which letters, and how.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// A JSON merge patch for the args of each: what it names is replaced, null removes it; - reads it from stdin
    #[arg(long, value_name = "JSON")]
    args_patch: Option<String>,
    /// So many a second at most, 1 to 1,000 [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    per_second: Option<u32>,
    /// End when this share of the new jobs, 0 to 1, fails at the first attempt; looked at from 20 results on
    #[arg(long, value_name = "SHARE", value_parser = share)]
    stop_when_failing: Option<f64>,
    #[command(flatten)]
    care: Care,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let body = args.body()?;
    let change = Change { path: &["v1", "dead-letters", "replay"], body, what: "dead letters", to_do: "be replayed" };
    bulk::run(change, &args.care, &host.client(&args.remote)?, host).await
}

impl Args {
    fn body(&self) -> Result<Map<String, Value>, Stop> {
        let mut body = self.which.body()?;
        if let Some(patch) = &self.args_patch {
            body.insert("args_patch".into(), document("--args-patch", patch)?);
        }
        if let Some(per_second) = self.per_second {
            body.insert("per_second".into(), per_second.into());
        }
        if let Some(share) = self.stop_when_failing {
            body.insert("stop_when_failing".into(), json!(share));
        }
        Ok(body)
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "allowed: 0 to 1, such as 0.2".into())
}
