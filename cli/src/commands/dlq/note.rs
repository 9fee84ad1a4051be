//! `dlq note` — what people say about a group.

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Map, Value};

/// Which group, and what to say.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The group's fingerprint
    fingerprint: String,
    /// The note; it replaces the one that is there
    note: Option<String>,
    /// Take the note away
    #[arg(long, conflicts_with = "note")]
    clear: bool,
    /// Mark the group as known
    #[arg(long)]
    acknowledge: bool,
    /// Take that mark away
    #[arg(long, conflicts_with = "acknowledge")]
    unacknowledge: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let body = args.body()?;
    let path = ["v1", "dead-letters", "groups", args.fingerprint.as_str()];
    let group = host.client(&args.remote)?.send(Method::PATCH, &path, &[], Some(body.into()), &[]).await?;
    if host.json {
        print::json(&group);
    } else {
        print::line(&format!("{}  changed", args.fingerprint));
    }
    Ok(())
}

impl Args {
    fn body(&self) -> Result<Map<String, Value>, Stop> {
        let mut body = Map::new();
        if let Some(note) = &self.note {
            body.insert("note".into(), note.as_str().into());
        }
        if self.clear {
            body.insert("note".into(), Value::Null);
        }
        if self.acknowledge || self.unacknowledge {
            body.insert("acknowledged".into(), self.acknowledge.into());
        }
        if body.is_empty() {
            return Err(Stop::usage("nothing to change: give a note, --clear, --acknowledge or --unacknowledge"));
        }
        Ok(body)
    }
}
