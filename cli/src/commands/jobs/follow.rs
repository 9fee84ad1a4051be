//! Staying with a job until it has ended, and a timeline's lines.

use crate::{client::Client, host::Host, print, stop::Stop};
use longshore_base::Millis;
use serde_json::Value;
use std::time::Duration;

/// Waits between two looks: short at first, so that a quick job is told at once.
const LOOK_MIN: Duration = Duration::from_millis(50);
const LOOK_MAX: Duration = Duration::from_secs(1);
/// An API that restarts is waited for this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at the job until it has ended, and tells `tell` what each look saw. Answers the job as it ended.
pub(crate) async fn until_ended(client: &Client, host: &Host, id: &str, mut tell: impl FnMut(&Value)) -> Result<Value, Stop> {
    let (mut told, mut wait, mut seen) = (0, LOOK_MIN, host.clock.elapsed());
    loop {
        match client.get(&["v1", "jobs", id], &[]).await {
            Ok(job) => {
                seen = host.clock.elapsed();
                let steps = job["timeline"].as_array().map_or(0, Vec::len);
                if steps > told {
                    wait = LOOK_MIN;
                }
                told = told.max(steps);
                tell(&job);
                if is_ended(&print::text(&job, "state")) {
                    return Ok(job);
                }
            }
            Err(stop) if stop.is_unreachable() && host.clock.elapsed() < seen + PATIENCE => {}
            Err(stop) => return Err(stop),
        }
        host.clock.sleep(wait).await;
        wait = (wait * 3 / 2).min(LOOK_MAX);
    }
}

/// Whether nothing comes after this state.
pub(crate) fn is_ended(state: &str) -> bool {
    matches!(state, "completed" | "cancelled" | "dead")
}

/// One line of a timeline; `before` is the time of the line above.
pub(crate) fn entry(entry: &Value, before: Option<Millis>) -> String {
    let passed = print::millis(&entry["at"]).zip(before).map(|(at, before)| format!("+{}", print::span((at - before).max(0))));
    let mut line =
        format!("{}  {:>8}  {:<10}", time_of_day(&print::text(entry, "at")), passed.unwrap_or_default(), print::text(entry, "state"));
    if let Some(attempt) = entry["attempt"].as_u64() {
        line.push_str(&format!(" attempt {attempt}"));
    }
    let (reason, worker) = (entry["reason"].as_str(), entry["worker"].as_str());
    if let Some(by) = worker {
        line.push_str(&if reason == Some("edited") { format!(" by {by}") } else { format!(" on {by}") });
    }
    if let Some(reason) = reason {
        line.push_str(&format!(" · {reason}"));
    }
    if let Some(was) = entry["before"].as_str().filter(|was| !was.is_empty()) {
        line.push_str(&format!(", was {}", was.replace('\n', ", ")));
    }
    if let Some(job) = entry["job"].as_str() {
        line.push_str(&format!(" → {job}"));
    }
    line.trim_end().to_owned()
}

/// `10:00:01.210` of an RFC 3339 time in UTC.
pub(crate) fn time_of_day(at: &str) -> String {
    at.split_once('T').map_or(at, |(_, time)| time.trim_end_matches('Z')).to_owned()
}

/// What went wrong last.
pub(crate) fn last_error(job: &Value) -> Option<String> {
    let error = job["errors"].as_array()?.last()?;
    Some(format!("{} {}", print::text(error, "code"), print::text(error, "message")))
}
