//! The small writes of a running attempt: checkpoints, progress, log lines.

use super::{Case, LONG, SHORT, args, complete, retry};
use crate::{BrokerError, JobId, LOGS_MAX, LogLine, Logs, Note, Saves, Scope, State};
use longshore_base::Name;
use std::time::Duration;

async fn cursor(c: &Case, id: JobId) -> Option<String> {
    c.broker.saved(id).await.expect("an answer").cursor.map(|cursor| cursor.get().to_owned())
}

async fn steps(c: &Case, id: JobId) -> Vec<(String, String)> {
    let saved = c.broker.saved(id).await.expect("an answer");
    let mut steps: Vec<_> = saved.steps.into_iter().map(|(key, result)| (key, result.get().to_owned())).collect();
    steps.sort();
    steps
}

fn line(text: &str) -> LogLine {
    LogLine { at: 1_700_000_000_000, level: "info".into(), message: text.into() }
}

/// The newest cursor is kept, over retries, crashes and releases.
pub async fn q4_checkpoints_cursor_is_kept_over_runs(c: &Case) {
    let lease = c.running().await;
    let id = lease.job.id;
    assert_eq!(cursor(c, id).await, None);
    for text in ["a", "b"] {
        let saves = Saves { cursor: Some(args(text)), steps: vec![] };
        c.broker.save(id, lease.token, saves).await.expect("kept");
        assert_eq!(cursor(c, id).await.as_deref(), Some(args(text).get()));
    }
    c.ack(&lease, retry(Duration::ZERO)).await;
    assert_eq!(cursor(c, id).await.as_deref(), Some(args("b").get()));
    c.one_soon().await;
    let held = [crate::Held { id, token: c_token(c, id).await }];
    c.broker.extend(&c.queue, "w1", &held, 0, SHORT).await.expect("a reply");
    c.until("it is reaped", async || c.state(id).await != State::Running).await;
    assert_eq!(cursor(c, id).await.as_deref(), Some(args("b").get()), "kept over a crash");
    let again = c.one_soon().await;
    c.broker.save(id, again.token, Saves { cursor: None, steps: vec![("s".into(), args("1"))] }).await.expect("kept");
    assert_eq!(cursor(c, id).await.as_deref(), Some(args("b").get()), "no cursor leaves the old one");
    c.ack(&again, complete()).await;
}

/// The token that the job's only running lease has, found by asking for the same reply again.
async fn c_token(c: &Case, id: JobId) -> crate::Token {
    let request = crate::LeaseRequest { call: c.last_call(), ..c.request("w1", 1, LONG) };
    let leases = c.ask(&request).await.leases;
    leases.iter().find(|lease| lease.job.id == id).expect("the last call leased it").token
}

/// The first result of a step stays, also over runs.
pub async fn q4_checkpoints_first_result_of_a_step_stays(c: &Case) {
    let lease = c.running().await;
    let id = lease.job.id;
    let save = |token, steps: &[(&str, &str)]| {
        let steps = steps.iter().map(|(key, text)| ((*key).to_owned(), args(text))).collect();
        c.broker.save(id, token, Saves { cursor: None, steps })
    };
    save(lease.token, &[("one", "1"), ("two", "2")]).await.expect("kept");
    save(lease.token, &[("one", "other"), ("three", "3")]).await.expect("kept");
    let wanted: Vec<_> = [("one", "1"), ("three", "3"), ("two", "2")].map(|(k, t)| (k.to_owned(), args(t).get().to_owned())).into();
    assert_eq!(steps(c, id).await, wanted);
    c.ack(&lease, retry(Duration::ZERO)).await;
    let again = c.one_soon().await;
    save(again.token, &[("two", "late")]).await.expect("kept");
    assert_eq!(steps(c, id).await, wanted);
}

/// Writes of a run that is over are refused.
pub async fn q4_checkpoints_are_fenced(c: &Case) {
    let old = c.running().await;
    c.ack(&old, retry(Duration::ZERO)).await;
    let saves = || Saves { cursor: Some(args("late")), steps: vec![("s".into(), args("late"))] };
    assert!(matches!(c.refused(c.broker.save(old.job.id, old.token, saves())).await, BrokerError::LeaseLost));
    let new = c.one_soon().await;
    assert!(matches!(c.refused(c.broker.save(old.job.id, old.token, saves())).await, BrokerError::LeaseLost));
    c.broker.save(new.job.id, new.token, saves()).await.expect("the current run may");
}

/// Progress is the newest one; log lines are kept in order.
pub async fn q6_contract_note_keeps_progress_and_lines(c: &Case) {
    let lease = c.running().await;
    let id = lease.job.id;
    let note = |progress: Option<&str>, lines: &[&str]| {
        let note = Note { progress: progress.map(args), logs: lines.iter().map(|text| line(text)).collect(), used: None, output: None };
        c.broker.note(id, lease.token, note)
    };
    note(Some("10 %"), &["first", "second"]).await.expect("kept");
    note(None, &["third"]).await.expect("kept");
    assert_eq!(c.get(id).await.progress.map(|p| p.get().to_owned()), Some(args("10 %").get().to_owned()));
    note(Some("20 %"), &[]).await.expect("kept");
    assert_eq!(c.get(id).await.progress.map(|p| p.get().to_owned()), Some(args("20 %").get().to_owned()));
    let logs = c.broker.logs(&Scope::All, id).await.expect("lines");
    assert_eq!(logs, Logs { lines: vec![line("first"), line("second"), line("third")], dropped: 0 });
    c.ack(&lease, complete()).await;
    assert_eq!(c.broker.logs(&Scope::All, id).await.expect("lines").lines.len(), 3, "kept after the end");
    let foreign = Scope::Tenant(Name::literal("two"));
    assert!(matches!(c.broker.logs(&foreign, id).await, Err(BrokerError::NotFound)));
}

/// Log lines are capped per job; the oldest go first, and how many have gone is told.
pub async fn q5_args_and_output_logs_are_capped(c: &Case) {
    let lease = c.running().await;
    let id = lease.job.id;
    for number in 0..40 {
        let logs = vec![line(&format!("{number:04} {}", "x".repeat(4_000)))];
        c.broker.note(id, lease.token, Note { progress: None, logs, used: None, output: None }).await.expect("kept");
    }
    let Logs { lines: logs, dropped } = c.broker.logs(&Scope::All, id).await.expect("lines");
    let bytes: usize = logs.iter().map(|line| line.message.len()).sum();
    assert!(bytes <= LOGS_MAX && bytes > LOGS_MAX / 4, "{bytes} bytes");
    assert!(logs.last().expect("lines").message.starts_with("0039") && !logs[0].message.starts_with("0000"));
    assert!(logs.windows(2).all(|pair| pair[0].message < pair[1].message), "in order");
    assert_eq!(dropped + logs.len() as u64, 40, "every line is there or counted");
}

/// Args and output of the largest allowed size go through unchanged.
pub async fn q5_args_and_output_of_the_largest_size(c: &Case) {
    let text = "ü".repeat((crate::PAYLOAD_MAX - 16) / 2);
    let lease = c.run(crate::NewJob { args: args(&text), ..c.job() }).await;
    assert_eq!(lease.job.args.get(), args(&text).get());
    c.ack(&lease, crate::Outcome::Complete { output: Some(args(&text)) }).await;
    let job = c.get(lease.job.id).await;
    assert_eq!(job.output.expect("kept").get(), args(&text).get());
    assert_eq!(job.args.get(), args(&text).get());
}

/// Args are opaque: what looks like a number, a null or a script comes back as it went in.
pub async fn q5_args_and_output_are_opaque(c: &Case) {
    for text in ["null", "[]", "{}", "1e400", "0.1", "9007199254740993", "\"\\u0000\"", "{\"a\":1,\"a\":2}", "[[],{}]", "\" \""] {
        let json: crate::Json = serde_json::from_str(text).expect("JSON");
        let lease = c.run(crate::NewJob { args: json.clone(), ..c.job() }).await;
        assert_eq!(lease.job.args.get(), text);
        c.ack(&lease, crate::Outcome::Complete { output: Some(json) }).await;
        assert_eq!(c.get(lease.job.id).await.output.expect("kept").get(), text);
    }
}
