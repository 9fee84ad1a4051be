//! `schedules backfill` — make up for the ticks of a range.

use super::Which;
use crate::{commands::operations, host::Host, length, print, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::json;

/// Which ticks, and how fast.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// From this time on (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = length::time)]
    from: String,
    /// And before this one, at most now (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = length::time)]
    to: String,
    /// So many jobs a second at most [default: 10]
    #[arg(long, value_name = "N")]
    per_second: Option<u32>,
    /// The number of ticks, as it was told; needed above 10,000
    #[arg(long, value_name = "COUNT")]
    confirm: Option<u64>,
    /// Repeating the command with the same key starts no second one
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Stay until it is done; exit 1 unless it completed
    #[arg(long)]
    watch: bool,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.which.remote)?;
    let mut body = json!({ "from": args.from, "to": args.to });
    if let Some(per_second) = args.per_second {
        body["per_second"] = per_second.into();
    }
    if let Some(confirm) = args.confirm {
        body["confirm_count"] = confirm.into();
    }
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("Idempotency-Key", key.clone())).collect();
    let done = client.send(Method::POST, &args.which.path(&["backfill"]), &args.which.query(), Some(body), &headers).await;
    let answer = done.map_err(|stop| match stop.problem().and_then(|problem| problem["count"].as_u64()) {
        Some(count) => {
            let text = format!("{}\n  here: add --confirm {count}", stop.message());
            Stop::failed(text).with_problem(stop.problem().cloned().unwrap_or_default())
        }
        None => stop,
    })?;
    let Some(id) = answer["operation"].as_str() else {
        if host.json {
            print::json(&answer);
        } else {
            print::line("the range has no tick; there is nothing to make up for");
        }
        return Ok(());
    };
    if !args.watch {
        if host.json {
            print::json(&answer);
        } else {
            print::line(id);
            print::aside(&format!("{} ticks; `{} operations show {id}` tells how far it is", answer["count"], host.name));
        }
        return Ok(());
    }
    operations::watch(&client, host, id).await
}
