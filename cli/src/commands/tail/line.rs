//! An event as people read it: one line, or a few; colours where a terminal shows them.

use crate::{client::Event, commands::jobs::follow::time_of_day, paint::Paint, print};
use serde_json::Value;

/// The lines of an event, with the job that it is about.
pub(crate) fn lines(event: &Event, paint: &Paint) -> Vec<String> {
    let data = &event.data;
    let time = time_of_day(data["at"].as_str().unwrap_or_default());
    let row = |what: &str, rest: &str| format!("{time:<12}  {}  {rest}", paint.as_what(what, &format!("{what:<10}"))).trim_end().to_owned();
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let whose: Vec<_> = ["kind", "tenant"].into_iter().map(text).filter(|part| !part.is_empty()).collect();
    let job = format!("{}  {}", text("job"), [&[text("queue")], whose.as_slice()].concat().join(" · "));
    match event.name.as_str() {
        "state" => {
            let attempt = data["attempt"].as_u64().map(|n| format!(" · attempt {n}")).unwrap_or_default();
            vec![row(text("state"), &format!("{job}{attempt}"))]
        }
        "edited" => vec![row("edited", &job)],
        "cancel_requested" => vec![row("stop asked", &job)],
        "told" => said(data).into_iter().map(|(what, said)| row(&what, &format!("{}  {said}", text("job")))).collect(),
        "alert" => {
            let of = data["tenant"].as_str().map(|tenant| format!(" of {tenant}")).unwrap_or_default();
            vec![row("alert", &format!("{}{of}  {}: {}", text("queue"), text("code"), tame(text("detail"))))]
        }
        "missed" => vec![format!("{:<12}  {}  {}", "", paint.as_what("missed", "missed    "), missed(data))],
        other => vec![row(other, &data.to_string())],
    }
}

/// What an attempt told: what it is, and a line of it.
pub(crate) fn said(data: &Value) -> Vec<(String, String)> {
    let mut said = Vec::new();
    if !data["progress"].is_null() {
        said.push(("progress".to_owned(), data["progress"].to_string()));
    }
    for line in data["logs"].as_array().into_iter().flatten() {
        for part in print::text(line, "message").lines() {
            said.push((print::text(line, "level"), tame(part)));
        }
    }
    let output = data["output"].as_str().unwrap_or_default();
    said.extend(output.lines().map(|part| ("output".to_owned(), tame(part))));
    said
}

/// Why something is not told, and what that means.
pub(crate) fn missed(data: &Value) -> String {
    let since = data["oldest_at"].as_str().map(|at| format!("; the oldest that is there is of {at}")).unwrap_or_default();
    match (data["reason"].as_str(), data["count"].as_u64()) {
        (Some("slow"), Some(count)) => format!("{count} events, as they were not read in time"),
        (Some("slow"), None) => "events, as they came faster than they could be told".to_owned(),
        (reason, _) => format!("events of queue {}, {}{since}", print::text(data, "queue"), reason.unwrap_or("lost")),
    }
}

/// What a job says could steer the terminal; it is shown instead.
pub(crate) fn tame(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() && c != '\t' { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    fn shown(paint: bool) -> String {
        let at = "2026-05-01T10:00:00.004Z";
        let job = |more: Value| {
            let mut data = json!({ "at": at, "queue": "default", "job": "0199b0c4-1", "tenant": "acme", "kind": "demo.echo" });
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            data
        };
        let events = [
            ("state", job(json!({ "state": "ready" }))),
            ("state", job(json!({ "state": "running", "attempt": 2 }))),
            (
                "told",
                job(
                    json!({ "progress": { "done": 1 }, "logs": [{ "at": at, "level": "warn", "message": "a\nb\u{1b}[2J" }], "output": "x\ny\n" }),
                ),
            ),
            ("cancel_requested", job(json!({}))),
            ("alert", json!({ "at": at, "queue": "default", "code": "dead_letters.many", "detail": "1,000", "tenant": "acme" })),
            ("missed", json!({ "reason": "slow", "count": 3 })),
            ("missed", json!({ "reason": "expired", "queue": "default", "oldest_at": at })),
        ];
        let lines = events
            .into_iter()
            .flat_map(|(name, data)| lines(&Event { name: name.into(), data }, &if paint { Paint::always() } else { Paint::none() }));
        lines.map(|line| line + "\n").collect()
    }

    #[test]
    fn events_read_well() {
        expect![[r#"
            10:00:00.004  ready       0199b0c4-1  default · demo.echo · acme
            10:00:00.004  running     0199b0c4-1  default · demo.echo · acme · attempt 2
            10:00:00.004  progress    0199b0c4-1  {"done":1}
            10:00:00.004  warn        0199b0c4-1  a
            10:00:00.004  warn        0199b0c4-1  b\u{1b}[2J
            10:00:00.004  output      0199b0c4-1  x
            10:00:00.004  output      0199b0c4-1  y
            10:00:00.004  stop asked  0199b0c4-1  default · demo.echo · acme
            10:00:00.004  alert       default of acme  dead_letters.many: 1,000
                          missed      3 events, as they were not read in time
                          missed      events of queue default, expired; the oldest that is there is of 2026-05-01T10:00:00.004Z
        "#]]
        .assert_eq(&shown(false));
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(!shown(false).contains('\u{1b}'));
        assert!(shown(true).contains("\u{1b}[36mrunning   \u{1b}[0m"));
    }
}
