//! `resources set` — make a resource, or set some of its quota; the rest stays.

use super::list::page;
use crate::{client::Remote, commands::rule, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::Value;

/// Which resource, and what its provider allows. `none` takes a rule away.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Its name, as kinds name it
    name: String,
    /// Starts per period, such as 100/60s, or 100/60s:10 with a burst
    #[arg(long, value_name = "COUNT/PERIOD[:BURST]", value_parser = rule::rate)]
    rate: Option<Value>,
    /// Points in any window of this length, such as 1000/60s; a job takes its cost
    #[arg(long, value_name = "POINTS/WINDOW", value_parser = rule::points)]
    points: Option<Value>,
    /// At most so many jobs at once, over all queues
    #[arg(long, value_name = "N", value_parser = rule::count)]
    max_running: Option<Value>,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let all = client.get(&["v1", "resources"], &[]).await?;
    let named = |resource: &&Value| resource["name"] == args.name.as_str();
    let before = all["resources"].as_array().into_iter().flatten().find(named).cloned().unwrap_or_default();
    let given = [("rate", args.rate.as_ref()), ("points", args.points.as_ref()), ("max_running", args.max_running.as_ref())];
    let body = Value::Object(rule::merged(&before, given));
    let headers: Vec<_> = before["revision"].as_u64().map(|revision| ("If-Match", format!("\"{revision}\""))).into_iter().collect();
    let resource = client.send(Method::PUT, &["v1", "resources", &args.name], &[], Some(body), &headers).await?;
    if host.json {
        print::json(&resource);
    } else {
        print::line(page(&resource).trim_end());
    }
    Ok(())
}
