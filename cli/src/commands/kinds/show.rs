//! `kinds show` — one kind with its schemas.

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Which kind.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The kind's name
    kind: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let kind = host.client(&args.remote)?.get(&["v1", "kinds", &args.kind], &[]).await?;
    if host.json {
        print::json(&kind);
        return Ok(());
    }
    let fields = kind.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, value)| !name.ends_with("_schema") && !value.is_null() && **value != Value::Array(vec![])) {
        let told = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        print::line(&format!("{name:<14}{told}"));
    }
    for (title, field) in [("arguments", "args_schema"), ("output", "output_schema")] {
        if !kind[field].is_null() {
            print::line(&format!("{title}\n{:#}", kind[field]));
        }
    }
    Ok(())
}
