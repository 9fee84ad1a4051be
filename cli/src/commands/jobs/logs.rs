//! `jobs logs` — what the job's code wrote down.

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
    let answer = host.client(&args.remote)?.get(&["v1", "jobs", &args.id, "logs"], &[]).await?;
    if host.json {
        print::json(&answer);
        return Ok(());
    }
    let lines = answer["logs"].as_array().or_else(|| answer["lines"].as_array()).map_or(&[][..], Vec::as_slice);
    for line in lines {
        let time = follow::time_of_day(&print::text(line, "at"));
        print::line(&format!("{time}  {:<5}  {}", print::text(line, "level"), print::text(line, "message")));
    }
    if lines.is_empty() {
        print::aside("the job has written no log lines");
    }
    Ok(())
}
