//! `kinds put` — register a kind without its code.

use crate::{client::Remote, commands::document, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;

/// The record.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// A JSON file with the kind's record, its name included; - reads it from stdin
    file: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let text = match args.file.as_str() {
        "-" => "-".to_owned(),
        file => std::fs::read_to_string(file).map_err(|error| Stop::usage(format!("{file} cannot be read: {error}")))?,
    };
    let mut record = document(&args.file, &text)?;
    let name = record.as_object_mut().and_then(|fields| fields.remove("name"));
    let name = name.and_then(|name| name.as_str().map(str::to_owned));
    let name = name.ok_or_else(|| Stop::usage(format!("{}: needs a \"name\" that is text", args.file)))?;
    let answer = host.client(&args.remote)?.put(&["v1", "kinds", &name], record).await?;
    if host.json {
        print::json(&answer);
    } else {
        print::line(&format!("{name} is registered"));
    }
    Ok(())
}
