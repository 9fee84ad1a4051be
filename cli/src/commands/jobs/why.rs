//! `jobs why` — what keeps a job from running, and what to do about it; for an ended one, why it ended.

use crate::{client::Remote, host::Host, print, stop::Stop};
use clap::Args as ClapArgs;
use longshore_base::Millis;
use serde_json::Value;

/// Which job.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The job's id
    id: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(args: Args, host: &Host) -> Result<(), Stop> {
    let why = host.client(&args.remote)?.get(&["v1", "jobs", &args.id, "why"], &[]).await?;
    if host.json {
        print::json(&why);
    } else {
        print::line(page(&why, host.clock.now(), &host.name).trim_end());
    }
    Ok(())
}

/// Reasons first, then what to do, then when it may start.
fn page(why: &Value, now: Millis, binary: &str) -> String {
    let state = print::text(why, "state");
    let reasons = why["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    let mut out = match (reasons.is_empty(), state.as_str()) {
        (false, _) => format!("{state}, because\n"),
        (true, "ready") => "ready, and nothing is in its way: the next worker that asks may have it\n".into(),
        (true, _) => format!("{state}\n"),
    };
    for reason in reasons {
        out.push_str(&format!("  {:<14}  {}\n", print::text(reason, "code"), print::text(reason, "detail")));
        let mut more = |name: &str, text: Option<String>| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                out.push_str(&format!("  {:16}{name} {text}\n", ""));
            }
        };
        let by = reason["by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        more("by", Some(by));
        more("ends", reason["until"].as_str().map(|_| print::age(reason, "until", now)));
        more("what to do:", Some(&reason["change"]).filter(|change| !change.is_null()).map(|change| advice(change, binary)));
    }
    if let Some(ahead) = why["ahead"].as_u64().filter(|ahead| *ahead > 0) {
        out.push_str(&format!("ahead           {ahead}\n"));
    }
    if why["estimated_start"].is_string() {
        out.push_str(&format!("may start       {}, an estimate\n", print::age(why, "estimated_start", now)));
    }
    out
}

/// A call as the command that makes it, or as it is.
fn advice(change: &Value, binary: &str) -> String {
    let (method, path) = (print::text(change, "method"), print::text(change, "path"));
    let parts: Vec<_> = path.split('/').skip(2).collect();
    let command = match parts.as_slice() {
        ["jobs", id, "retry"] => Some(format!("jobs retry {id}")),
        ["queues", queue, "resume"] => Some(format!("queues resume {queue}")),
        ["queues", queue, "tenants", tenant, "resume"] => Some(format!("queues resume {queue} --tenant {tenant}")),
        ["queues", queue, "kinds", kind, "resume"] => Some(format!("queues resume {queue} --kind {kind}")),
        // Of other keys the shell would make something else.
        ["queues", queue, "keys", tenant, key, "resume"] if !key.contains(['%', '~']) => {
            Some(format!("queues resume {queue} --key {tenant}/{}", if *key == "-" { "" } else { key }))
        }
        ["queues", queue, "scale"] => change["body"]["slots"].as_u64().map(|slots| format!("scale {queue} {slots}")),
        ["resources", name, "resume"] => Some(format!("resources resume {name}")),
        _ => None,
    };
    command.map_or_else(|| format!("{method} {path} {}", change["body"]), |command| format!("`{binary} {command}`"))
}

#[cfg(test)]
mod tests {
    use super::page;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn reasons_come_first_and_then_what_to_do() {
        let why = json!({ "id": "x", "state": "ready", "ahead": 3, "estimated_start": "2026-05-01T10:00:05.000Z", "reasons": [
            { "code": "gated.tenant", "detail": "the tenant `acme` in the queue `default` is paused by `ops` until 2026-05-01T10:30:00.000Z: too dear", "by": ["ops"],
              "until": "2026-05-01T10:30:00.000Z", "change": { "method": "POST", "path": "/v1/queues/default/tenants/acme/resume", "body": {} } },
            { "code": "limit.queue", "detail": "the queue `default` runs at most 2 at once, and as many run", "by": ["a", "b"],
              "change": { "method": "PUT", "path": "/v1/queues/default/limits", "body": { "max_running": 3 } } },
            { "code": "gated.key", "detail": "closed", "change": { "method": "POST", "path": "/v1/queues/default/keys/acme/-/resume", "body": {} } },
        ] });
        expect![[r#"
            ready, because
              gated.tenant    the tenant `acme` in the queue `default` is paused by `ops` until 2026-05-01T10:30:00.000Z: too dear
                              by ops
                              ends in 30m
                              what to do: `longshore queues resume default --tenant acme`
              limit.queue     the queue `default` runs at most 2 at once, and as many run
                              by a, b
                              what to do: PUT /v1/queues/default/limits {"max_running":3}
              gated.key       closed
                              what to do: `longshore queues resume default --key acme/`
            ahead           3
            may start       in 5.0 s, an estimate
        "#]]
        .assert_eq(&page(&why, 1_777_629_600_000, "longshore"));
        let free = json!({ "state": "ready", "reasons": [], "ahead": 0, "estimated_start": null });
        assert_eq!(page(&free, 0, "l"), "ready, and nothing is in its way: the next worker that asks may have it\n");
    }
}
