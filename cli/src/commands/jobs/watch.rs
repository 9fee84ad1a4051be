//! `jobs watch` — the timeline as it grows.

use crate::{client::Remote, commands::jobs::follow, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;

/// Which job.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The job's id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let mut before = None;
    let job = follow::until_ended(&client, host, &args.id, |entry| {
        if host.json {
            print::json(entry);
        } else {
            print::line(&follow::entry(entry, before));
        }
        before = print::millis(&entry["at"]).or(before);
    })
    .await?;
    if job["state"] == "completed" {
        return Ok(());
    }
    let error = follow::last_error(&job).map(|error| format!(": {error}")).unwrap_or_default();
    Err(Stop::failed(format!("the job is {}{error}", print::text(&job, "state"))))
}
