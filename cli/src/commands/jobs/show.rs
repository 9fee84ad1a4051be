//! `jobs show` — one job as a page to read.

use crate::{
    client::Remote,
    commands::jobs::follow,
    host::Host,
    print,
    screen::{View, Watch},
    stop::Stop,
};
use clap::Args as ClapArgs;
use serde_json::Value;

/// Which job.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The job's id
    id: String,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let client = host.client(&args.remote)?;
    let look = async || {
        let job = client.get(&["v1", "jobs", &args.id], &[]).await?;
        let page = page(&job);
        Ok(View::new(job, page))
    };
    args.watch.show(host, look).await
}

/// The page.
fn page(job: &Value) -> String {
    let field = |name| print::text(job, name);
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<10}{value}\n"));
        }
    };
    row("job", field("id"));
    row("kind", format!("{} (version {})", field("kind"), field("kind_version")));
    row("state", state(job));
    row("queue", format!("{}{}", field("queue"), also(job, &[("lane", "lane"), ("priority", "priority")])));
    row("tenant", format!("{}{}", field("tenant"), also(job, &[("client", "client")])));
    row(
        "attempts",
        format!(
            "{} of {}{}",
            field("attempts"),
            field("attempts_max"),
            also(job, &[("crashes", "crashes"), ("interruptions", "interruptions")])
        ),
    );
    row("created", format!("{}{}", field("created_at"), also(job, &[("revision", "revision")])));
    let due = matches!(job["state"].as_str(), Some("scheduled" | "retrying" | "waiting"));
    row("due", if due && !job["run_at"].is_null() { field("run_at") } else { String::new() });
    row("tags", list(&job["tags"]));
    row("replays", list(&job["replays"]));
    row("replay of", job["replay_of"].as_str().unwrap_or_default().to_owned());
    row(
        "tick",
        job["tick"]["at"].as_str().map(|at| format!("{at} of schedule {}", print::text(&job["tick"], "schedule"))).unwrap_or_default(),
    );
    row("trace", job["trace_id"].as_str().unwrap_or_default().to_owned());
    row("args", print::large(job, "args"));
    row("progress", if job["progress"].is_null() { String::new() } else { job["progress"].to_string() });
    let output = print::large(job, "output");
    row("output", if output == "null" { String::new() } else { output });
    out.push_str("timeline\n");
    let mut before = None;
    for entry in job["timeline"].as_array().into_iter().flatten() {
        out.push_str(&format!("  {}\n", follow::entry(entry, before)));
        before = print::millis(&entry["at"]).or(before);
    }
    let errors = job["errors"].as_array().map_or(&[][..], Vec::as_slice);
    if !errors.is_empty() {
        out.push_str("errors\n");
    }
    for error in errors {
        let took = error["duration_ms"].as_i64().map(|ms| format!(" after {}", print::span(ms))).unwrap_or_default();
        let attempt = error["attempt"].as_u64().map(|n| format!("attempt {n}")).unwrap_or_default();
        out.push_str(&format!("  {}  {attempt}{took}  {}\n", clock_of(error), print::text(error, "code")));
        for line in print::text(error, "message").lines() {
            out.push_str(&format!("      {line}\n"));
        }
    }
    out
}

fn state(job: &Value) -> String {
    let last = job["timeline"].as_array().and_then(|t| t.last()).and_then(|e| e["reason"].as_str());
    let reason = last.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let took = print::millis(&job["started_at"]).zip(print::millis(&job["ended_at"])).map(|(from, to)| to - from);
    let took =
        took.filter(|_| job["state"] == "completed").map(|ms| format!(", the last attempt took {}", print::span(ms))).unwrap_or_default();
    format!("{}{reason}{took}", print::text(job, "state"))
}

/// The fields that have something to tell, behind the first one of a line.
fn also(job: &Value, fields: &[(&str, &str)]) -> String {
    let told = fields.iter().filter(|(field, _)| match &job[*field] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    });
    told.map(|(field, name)| format!(" · {name} {}", print::text(job, field))).collect()
}

fn list(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    items.collect::<Vec<_>>().join(", ")
}

fn clock_of(entry: &Value) -> String {
    follow::time_of_day(&print::text(entry, "at"))
}

#[cfg(test)]
mod tests {
    use super::page;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_job_reads_like_a_story() {
        let job = json!({
            "id": "0199b0c4-0000-7000-8000-000000000001", "kind": "demo.fail", "kind_version": 1, "tenant": "default", "client": null, "queue": "default",
            "lane": "", "state": "completed", "priority": 5, "attempts": 2, "crashes": 0, "interruptions": 0, "attempts_max": 8, "args": {"times": 1},
            "output": {"failed": 1}, "progress": null, "replay_of": null, "replays": [], "revision": 1, "created_at": "2026-05-01T10:00:00.000Z",
            "run_at": null, "started_at": "2026-05-01T10:00:01.210Z", "ended_at": "2026-05-01T10:00:01.215Z", "tags": ["demo", "a"],
            "timeline": [
                {"at": "2026-05-01T10:00:00.000Z", "state": "ready"},
                {"at": "2026-05-01T10:00:00.004Z", "state": "running", "attempt": 1, "worker": "host-7"},
                {"at": "2026-05-01T10:00:00.010Z", "state": "retrying", "attempt": 1, "reason": "demo.failed"},
                {"at": "2026-05-01T10:00:01.210Z", "state": "running", "attempt": 2, "worker": "host-7"},
                {"at": "2026-05-01T10:00:01.215Z", "state": "completed", "attempt": 2}],
            "errors": [{"attempt": 1, "at": "2026-05-01T10:00:00.010Z", "code": "demo.failed", "message": "as asked\nsecond line", "worker": "host-7", "duration_ms": 6}],
        });
        expect![[r#"
            job       0199b0c4-0000-7000-8000-000000000001
            kind      demo.fail (version 1)
            state     completed, the last attempt took 5 ms
            queue     default · priority 5
            tenant    default
            attempts  2 of 8 · crashes 0 · interruptions 0
            created   2026-05-01T10:00:00.000Z · revision 1
            tags      demo, a
            args      {"times":1}
            output    {"failed":1}
            timeline
              10:00:00.000            ready
              10:00:00.004     +4 ms  running    attempt 1 on host-7
              10:00:00.010     +6 ms  retrying   attempt 1 · demo.failed
              10:00:01.210    +1.2 s  running    attempt 2 on host-7
              10:00:01.215     +5 ms  completed  attempt 2
            errors
              10:00:00.010  attempt 1 after 6 ms  demo.failed
                  as asked
                  second line
        "#]]
        .assert_eq(&page(&job));
    }

    #[test]
    fn large_args_that_are_lost_are_told() {
        let job = json!({ "args": null, "large": { "args": { "bytes": 300_000, "sha256": "ab", "fault": "files.missing" } } });
        assert!(page(&job).contains("args      (300000 bytes in a file, not to be read: files.missing)\n"), "{}", page(&job));
        assert!(page(&json!({ "args": null })).contains("args      null\n"), "args may be null");
    }
}
