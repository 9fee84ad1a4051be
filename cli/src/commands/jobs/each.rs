//! One verb on several jobs: every one is tried, and told.

use crate::{client::Client, host::Host, print, stop::Stop};
use serde_json::{Value, json};

pub(super) async fn run(client: &Client, host: &Host, ids: &[String], verb: &str) -> Result<(), Stop> {
    let mut refused = Vec::new();
    for id in ids {
        match client.post(&["v1", "jobs", id, verb], json!({})).await {
            Ok(answer) if host.json => print::json(&answer),
            Ok(answer) => print::line(&format!("{id}  {}", state(&answer))),
            Err(stop) if ids.len() == 1 || stop.is_unreachable() => return Err(stop),
            Err(stop) => refused.push(format!("{id}: {}", stop.message())),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Stop::failed(refused.join("\n"))) }
}

/// A running job is asked, not yet cancelled.
fn state(answer: &Value) -> String {
    match answer["state"].as_str() {
        Some("running") => "running, and asked to stop".into(),
        Some(state) => state.into(),
        None => "done".into(),
    }
}
