//! A job's life as the API shows it.

use super::harness::{Harness, on_both, request};
use axum::body::Body;
use longshore_queue::{ErrorInfo, Job, Outcome, Reason, json as raw};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    a_job_walks_through_the_house,
    failures_are_told_and_a_retry_is_brought_forward,
    a_dead_job_is_replayed_once,
    waiting_jobs_are_edited_on_their_revision,
    a_job_is_cancelled,
    a_job_that_retention_moved_is_answered_from_the_history,
    lists_are_filtered_and_paged,
    a_unique_key_answers_the_first_job,
    log_lines_and_progress_are_shown,
);

fn complete(job: &Job) -> Outcome {
    Outcome::Complete { output: Some(job.args.clone()) }
}

fn error() -> ErrorInfo {
    ErrorInfo { code: "http.status".into(), message: "404 Not Found".into(), fingerprint: "f".into() }
}

fn states(body: &Value) -> Vec<&str> {
    body["timeline"].as_array().into_iter().flatten().filter_map(|step| step["state"].as_str()).collect()
}

async fn a_job_walks_through_the_house(api: Harness) {
    api.make_queue("q").await;
    let body = json!({ "kind": "demo.echo", "args": { "b": 1, "a": [true, null] }, "queue": "q", "client": "shop", "priority": 9, "tags": ["x"], "attempts_max": 3 });
    let accepted = api.post(&api.acme, "/v1/jobs", body).await.expect(202);
    assert_eq!(accepted.body, json!({ "id": accepted.id(), "state": "ready", "duplicate": false, "durability": "durable" }));
    assert_eq!(api.run("q", complete).await, 1);

    let answer = api.get(&api.acme, &format!("/v1/jobs/{}", accepted.id())).await.expect(200);
    let job = &answer.body;
    assert_eq!(answer.headers["etag"].to_str().ok(), Some(format!("\"{}\"", job["revision"]).as_str()));
    for (field, value) in [
        ("kind", json!("demo.echo")),
        ("kind_version", json!(1)),
        ("tenant", json!("acme")),
        ("client", json!("shop")),
        ("queue", json!("q")),
        ("lane", json!("")),
        ("state", json!("completed")),
        ("priority", json!(9)),
        ("attempts", json!(1)),
        ("crashes", json!(0)),
        ("interruptions", json!(0)),
        ("attempts_max", json!(3)),
        ("args", json!({ "b": 1, "a": [true, null] })),
        ("output", json!({ "b": 1, "a": [true, null] })),
        ("errors", json!([])),
        ("progress", Value::Null),
        ("replay_of", Value::Null),
        ("replays", json!([])),
        ("created_at", json!("2027-01-15T08:00:00.000Z")),
        ("run_at", Value::Null),
        ("started_at", json!("2027-01-15T08:00:00.000Z")),
        ("ended_at", json!("2027-01-15T08:00:00.025Z")),
        ("tags", json!(["x"])),
    ] {
        assert_eq!(job[field], value, "{field}");
    }
    assert_eq!(states(job), ["ready", "running", "completed"]);
    assert_eq!(job["timeline"][1], json!({ "at": "2027-01-15T08:00:00.000Z", "state": "running", "attempt": 1, "worker": "worker-1" }));
}

async fn failures_are_told_and_a_retry_is_brought_forward(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    api.run("q", |_| Outcome::Retry { after: Duration::from_secs(60), error: error() }).await;
    let path = format!("/v1/jobs/{id}");
    let job = api.get(&api.operator, &path).await.expect(200).body;
    assert_eq!(job["errors"][0]["duration_ms"], 25);
    assert_eq!(
        (&job["errors"][0]["attempt"], &job["errors"][0]["code"], &job["errors"][0]["message"]),
        (&json!(1), &json!("http.status"), &json!("404 Not Found"))
    );
    assert_eq!(states(&job), ["ready", "running", "retrying"]);
    assert_eq!(job["timeline"][2]["reason"], "http.status");

    let now = api.post(&api.operator, &format!("{path}/retry"), Value::Null).await.expect(200);
    assert_eq!(now.body, json!({ "id": id, "state": "ready" }));
    api.post(&api.operator, &format!("{path}/retry"), Value::Null).await.problem(409, "jobs.not_retryable");
    assert_eq!(api.run("q", complete).await, 1);
    assert_eq!(states(&api.get(&api.operator, &path).await.body), ["ready", "running", "retrying", "ready", "running", "completed"]);
}

async fn a_dead_job_is_replayed_once(api: Harness) {
    api.make_queue("q").await;
    let id = api.echo(&api.acme, json!({ "queue": "q" })).await;
    api.run("q", |_| Outcome::Dead { reason: Reason::Fatal, error: error() }).await;
    let path = format!("/v1/jobs/{id}");
    let dead = api.get(&api.acme, &path).await.expect(200).body;
    assert_eq!((&dead["state"], &dead["reason"]), (&json!("dead"), &json!("fatal")));
    api.post(&api.other, &format!("{path}/retry"), Value::Null).await.problem(404, "jobs.not_found");

    let replay = api.post(&api.acme, &format!("{path}/retry"), Value::Null).await.expect(200);
    assert_eq!((&replay.body["state"], &replay.body["replay_of"]), (&json!("ready"), &json!(id)));
    assert_ne!(replay.id(), id);
    let again = api.get(&api.acme, &format!("/v1/jobs/{}", replay.id())).await.expect(200).body;
    assert_eq!((&again["replay_of"], &again["attempts"]), (&json!(id), &json!(0)));
    assert_eq!(api.get(&api.acme, &path).await.body["replays"], json!([replay.id()]));
    let second = api.post(&api.acme, &format!("{path}/retry"), Value::Null).await;
    assert_eq!(second.status, 409, "a letter is not replayed twice: {}", second.text);
}

async fn waiting_jobs_are_edited_on_their_revision(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    let path = format!("/v1/jobs/{id}");
    let patch = |revision: String, body: Value| {
        api.send(request(&api.operator, "PATCH", &path).header("if-match", revision).body(Body::from(body.to_string())).expect("a request"))
    };
    let etag = api.get(&api.operator, &path).await.headers["etag"].to_str().expect("text").to_owned();
    let edited = patch(etag.clone(), json!({ "priority": 0, "tags": ["t"], "args": { "new": 1 }, "run_at": "2027-01-15T09:00:00+01:00" }))
        .await
        .expect(200);
    assert_eq!((&edited.body["priority"], &edited.body["tags"], &edited.body["args"]), (&json!(0), &json!(["t"]), &json!({ "new": 1 })));
    assert_eq!(edited.body["id"], json!(id));
    let told = edited.body["timeline"].as_array().and_then(|steps| steps.iter().find(|step| step["reason"] == "edited")).expect("told");
    assert_eq!((&told["state"], &told["worker"]), (&json!("ready"), &json!("test")), "the key's name: {told}");
    let mut before: Vec<_> = told["before"].as_str().expect("lines").lines().collect();
    before.sort_unstable();
    assert_eq!(before, ["args 17 bytes", "due none", "priority 5", "tags "]);
    patch(etag, json!({ "priority": 1 })).await.problem(412, "jobs.revision_mismatch");
    let revision = edited.body["revision"].to_string();
    let later = patch(revision, json!({ "run_at": "2027-01-15T10:00:00Z" })).await.expect(200).body;
    assert_eq!((&later["state"], &later["run_at"]), (&json!("scheduled"), &json!("2027-01-15T10:00:00.000Z")));
    let bad = patch(later["revision"].to_string(), json!({ "args": 5 })).await;
    assert_eq!(bad.pointers(), ["/args"], "{}", bad.text);

    api.post(&api.operator, &format!("{path}/retry"), Value::Null).await.expect(200);
    assert_eq!(api.run("q", complete).await, 1);
    let revision = api.get(&api.operator, &path).await.body["revision"].to_string();
    patch(revision, json!({ "priority": 1 })).await.problem(409, "jobs.not_editable");
}

async fn a_job_is_cancelled(api: Harness) {
    let id = api.echo(&api.acme, json!({ "delay_ms": 60_000 })).await;
    let cancel = format!("/v1/jobs/{id}/cancel");
    api.post(&api.acme, &cancel, json!({ "why": "x" })).await.problem(422, "request.invalid");
    assert_eq!(api.post(&api.acme, &cancel, Value::Null).await.expect(200).body, json!({ "id": id, "state": "cancelled" }));
    let job = api.get(&api.acme, &format!("/v1/jobs/{id}")).await.body;
    assert_eq!((states(&job), &job["reason"]), (vec!["scheduled", "cancelled"], &json!("cancelled")));
    api.make_queue("q").await;
    let done = api.echo(&api.acme, json!({ "queue": "q" })).await;
    api.run("q", complete).await;
    api.post(&api.acme, &format!("/v1/jobs/{done}/cancel"), json!({})).await.problem(409, "jobs.not_cancellable");
}

async fn a_job_that_retention_moved_is_answered_from_the_history(api: Harness) {
    api.make_queue("q").await;
    let id = api.echo(&api.acme, json!({ "queue": "q" })).await;
    api.run("q", complete).await;
    let before = api.get(&api.acme, &format!("/v1/jobs/{id}")).await.expect(200);
    let job = api.job(&id).await;
    let row = longshore_store::HistoryRow {
        id: id.clone(),
        tenant: job.tenant.clone(),
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        client: None,
        state: job.state.to_string(),
        reason: None,
        fingerprint: None,
        created_at: job.created_at,
        ended_at: job.ended_at.expect("it has ended"),
        job: serde_json::to_string(&job).expect("JSON"),
    };
    api.state.store.keep_history(&[row]).await.expect("kept");
    longshore_queue::Broker::purge(&*api.broker, &longshore_base::Scope::All, &[job.id]).await.expect("purged");
    let after = api.get(&api.acme, &format!("/v1/jobs/{id}")).await.expect(200);
    assert_eq!(after.body, before.body);
    api.get(&api.other, &format!("/v1/jobs/{id}")).await.problem(404, "jobs.not_found");
    api.post(&api.acme, &format!("/v1/jobs/{id}/cancel"), Value::Null).await.problem(409, "jobs.not_cancellable");
    api.post(&api.acme, &format!("/v1/jobs/{id}/retry"), Value::Null).await.problem(409, "jobs.not_retryable");
    api.get(&api.acme, &format!("/v1/jobs/{id}/logs")).await.expect(200);
}

async fn lists_are_filtered_and_paged(api: Harness) {
    for n in 0..250 {
        api.echo(&api.operator, json!({ "queue": "q", "tags": [if n % 2 == 0 { "even" } else { "odd" }] })).await;
    }
    api.echo(&api.operator, json!({ "queue": "else", "delay_ms": 5000 })).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut path = "/v1/jobs?queue=q&state=ready&limit=120".to_owned();
    for _ in 0..10 {
        let page = api.get(&api.operator, &path).await.expect(200).body;
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 120);
        assert!(page["scanned"].as_u64() >= Some(items.len() as u64));
        for item in items {
            assert!(seen.insert(item["id"].to_string()), "an item comes once");
        }
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/jobs?queue=q&state=ready&limit=120&cursor={cursor}");
    }
    assert_eq!(seen.len(), 250);
    let odd = api.get(&api.operator, "/v1/jobs?tag=odd&limit=1000").await.expect(200).body;
    assert_eq!(odd["items"].as_array().map(Vec::len), Some(125));
    let scheduled = api.get(&api.operator, "/v1/jobs?state=scheduled").await.expect(200).body;
    assert_eq!(scheduled["items"][0]["queue"], "else");
    assert_eq!(scheduled["items"][0]["run_at"], "2027-01-15T08:00:05.000Z");
}

async fn a_unique_key_answers_the_first_job(api: Harness) {
    let body = || json!({ "kind": "demo.echo", "args": {}, "unique": { "key": "k", "mode": "keep" } });
    let first = api.post(&api.acme, "/v1/jobs", body()).await.expect(202);
    let second = api.post(&api.acme, "/v1/jobs", body()).await.expect(202);
    assert_eq!((first.body["duplicate"].clone(), second.body["duplicate"].clone(), second.id()), (json!(false), json!(true), first.id()));
    let elsewhere = api.post(&api.other, "/v1/jobs", body()).await.expect(202);
    assert_eq!(elsewhere.body["duplicate"], false, "another tenant's key is another key");
}

async fn log_lines_and_progress_are_shown(api: Harness) {
    use longshore_queue::{Broker, LeaseRequest, LogLine, Note};
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    let request = LeaseRequest {
        queue: longshore_base::Name::literal("q"),
        worker: "w".into(),
        call: 1,
        n: 1,
        kinds: [longshore_base::Name::literal("demo.echo")].into(),
        lease: Duration::from_secs(15),
    };
    let lease = api.broker.lease(&request).await.expect("a lease").leases.pop().expect("one job");
    let line = LogLine { at: 1_800_000_000_001, level: "info".into(), message: "half way".into() };
    let note = Note { progress: Some(raw(&json!({ "done": 50 }))), logs: vec![line], output: None, used: None };
    api.broker.note(lease.job.id, lease.token, note).await.expect("noted");
    let logs = api.get(&api.operator, &format!("/v1/jobs/{id}/logs")).await.expect(200).body;
    assert_eq!(logs, json!({ "logs": [{ "at": "2027-01-15T08:00:00.001Z", "level": "info", "message": "half way" }], "dropped": 0 }));
    let job = api.get(&api.operator, &format!("/v1/jobs/{id}")).await.body;
    assert_eq!((&job["progress"], &job["state"], &job["worker"]), (&json!({ "done": 50 }), &json!("running"), &json!("w")));
    let cancelled = api.post(&api.operator, &format!("/v1/jobs/{id}/cancel"), Value::Null).await.expect(200).body;
    assert_eq!(cancelled["state"], "running", "a running attempt is asked");
    assert_eq!(api.get(&api.operator, &format!("/v1/jobs/{id}")).await.body["cancel_requested"], true);
}
