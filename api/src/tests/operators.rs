//! What operators do: queues, kinds, workers, keys, metrics.

use super::harness::{Harness, kind, on_both};
use longshore_base::Name;
use longshore_queue::{Broker, Command, ServedQueue, WorkerReport, WorkerState};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    a_queue_is_paused_scaled_and_resumed,
    a_kind_is_registered_and_enqueued,
    a_kind_that_must_not_repeat_needs_no_more_than_a_durable_broker,
    workers_are_listed_and_told,
    keys_are_made_told_once_and_listed,
    what_is_the_operations_own_is_refused,
    metrics_tell_the_queues,
);

async fn a_queue_is_paused_scaled_and_resumed(api: Harness) {
    api.echo(&api.operator, json!({ "queue": "q" })).await;
    let paused = api
        .post(&api.operator, "/v1/queues/q/pause", json!({ "reason": "deploy", "until": "2027-01-15T09:00:00Z" }))
        .await
        .expect(200)
        .body;
    assert_eq!((&paused["paused"], &paused["pause"]["reason"], &paused["pause"]["by"]), (&json!(true), &json!("deploy"), &json!("test")));
    assert_eq!(paused["pause"]["until"], "2027-01-15T09:00:00.000Z");
    let past = api.post(&api.operator, "/v1/queues/q/pause", json!({ "until": "2027-01-15T07:00:00Z" })).await;
    assert_eq!(past.problem(422, "request.invalid").pointers(), ["/until"]);
    assert_eq!(api.post(&api.operator, "/v1/queues/q/resume", Value::Null).await.expect(200).body["paused"], false);
    api.post(&api.operator, "/v1/queues/q/pause", Value::Null).await.expect(200);

    let scale = |body: Value| api.call(&api.operator, "PUT", "/v1/queues/q/scale", body);
    assert_eq!(scale(json!({ "slots": 50 })).await.expect(200).body["slots"], 50);
    assert_eq!(scale(json!({ "slots": null })).await.expect(200).body["slots"], Value::Null);
    for (body, pointer) in [
        (json!({}), "/slots"),
        (json!({ "slots": -1 }), "/slots"),
        (json!({ "slots": "many" }), "/slots"),
        (json!({ "auto": 5 }), "/auto"),
        (json!({ "auto": { "min": 6, "max": 5, "clear_in_ms": 1000 } }), "/auto/min"),
        (json!({ "auto": { "min": 0, "max": 0, "clear_in_ms": 1000 } }), "/auto/max"),
        (json!({ "auto": { "min": 0, "max": 5, "clear_in_ms": 0 } }), "/auto/clear_in_ms"),
        (json!({ "auto": { "min": 0, "max": 5 } }), "/auto/clear_in_ms"),
        (json!({ "auto": { "min": 0, "max": 5, "clear_in_ms": 9, "step": 0 } }), "/auto/step"),
        (json!({ "auto": { "min": 0, "max": 5, "clear_in_ms": 9, "speed": 1 } }), "/auto/speed"),
        (json!({ "auto": { "min": 1, "max": 5, "clear_in_ms": 1000 }, "slots": 5 }), "/auto"),
    ] {
        assert_eq!(scale(body).await.problem(422, "request.invalid").pointers(), [pointer]);
    }
    let all = api.get(&api.operator, "/v1/queues").await.expect(200).body;
    for field in [
        "name",
        "scheduled",
        "ready",
        "running",
        "retrying",
        "waiting",
        "completed",
        "dead",
        "cancelled",
        "paused",
        "oldest_ready_ms",
        "slots",
        "workers",
    ] {
        assert!(all["queues"][0].get(field).is_some(), "{field} is missing: {all}");
    }
}

async fn a_kind_is_registered_and_enqueued(api: Harness) {
    let record = json!({ "version": 2, "args_schema": { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } }, "queue": "py",
        "retry": { "attempts_max": 2 }, "timeout_ms": 1000, "lane_by": ["/n"], "repeatable": true, "keep": { "ms": 5000 }, "owner": "team" });
    let put = |body: &Value| api.call(&api.operator, "PUT", "/v1/kinds/py.work", body.clone());
    let kept = put(&record).await.expect(200).body;
    assert_eq!((&kept["name"], &kept["retry"]["attempts_max"], &kept["keep"]), (&json!("py.work"), &json!(2), &json!({ "ms": 5000 })));
    assert_eq!(api.get(&api.acme, "/v1/kinds/py.work").await.expect(200).body, kept);
    put(&kept).await.expect(200);
    let id = api.post(&api.acme, "/v1/jobs", json!({ "kind": "py.work", "args": { "n": 3 } })).await.expect(202).id();
    let job = api.job(&id).await;
    assert_eq!((job.queue.as_str(), job.lane_key.as_str(), job.policy.attempts_max), ("py", "3", 2));

    let with = |field: &str, value: Value| {
        let mut body = record.clone();
        body[field] = value;
        body
    };
    for (body, pointer) in [
        (with("version", json!(1)), "/version"),
        (with("version", json!(0)), "/version"),
        (with("args_schema", json!({ "type": "objekt" })), "/args_schema"),
        (with("args_schema", json!({ "required": ["m"] })), "/args_schema"),
        (with("colour", json!(1)), "/colour"),
        (with("name", json!("other")), "/name"),
        (with("timeout_ms", json!(0)), "/timeout_ms"),
        (with("retry", json!({ "attempts_max": 0 })), "/retry/attempts_max"),
    ] {
        let answer = put(&body).await.problem(422, "request.invalid");
        assert!(
            answer.pointers().iter().all(|found| found.starts_with(pointer)) && !answer.pointers().is_empty(),
            "{pointer}: {}",
            answer.text
        );
    }
    let names = api.get(&api.acme, "/v1/kinds").await.expect(200).body;
    assert!(names["kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["name"] == "demo.echo")));
}

async fn a_kind_that_must_not_repeat_needs_no_more_than_a_durable_broker(api: Harness) {
    api.state.checker.register(vec![kind("once.only", false)]).await.expect("registered");
    api.post(&api.operator, "/v1/jobs", json!({ "kind": "once.only", "args": { "n": 1 } })).await.expect(202);
}

async fn workers_are_listed_and_told(api: Harness) {
    let report = WorkerReport {
        id: "host:1/a".into(),
        host: "host".into(),
        pid: 1,
        version: "0.1.0".into(),
        started_at: 1_800_000_000_000,
        seen_at: 0,
        queues: vec![ServedQueue { name: Name::literal("q"), slots: 4, running: 1 }],
        kinds: vec![Name::literal("demo.echo")],
        state: WorkerState::Active,
    };
    api.broker.beat(report.clone(), Duration::from_secs(15)).await.expect("a beat");
    let listed = api.get(&api.operator, "/v1/workers").await.expect(200).body;
    let worker = &listed["workers"][0];
    assert_eq!(
        (&worker["id"], &worker["state"], &worker["queues"]),
        (&json!("host:1/a"), &json!("active"), &json!([{ "name": "q", "slots": 4, "running": 1 }]))
    );
    for (verb, command) in [("quiet", Command::Quiet), ("resume", Command::Resume), ("drain", Command::Drain)] {
        let told = api.post(&api.operator, &format!("/v1/workers/host:1%2Fa/{verb}"), Value::Null).await.expect(202).body;
        assert_eq!(told["command"], verb);
        let reply = api.broker.beat(report.clone(), Duration::from_secs(15)).await.expect("a beat");
        assert_eq!(reply.command, Some(command));
    }
    api.post(&api.operator, "/v1/workers/nobody/quiet", Value::Null).await.problem(404, "request.not_found");
}

async fn keys_are_made_told_once_and_listed(api: Harness) {
    let made = api.post(&api.operator, "/v1/keys", json!({ "name": "ci", "role": "operator" })).await.expect(201);
    let key = made.body["key"].as_str().expect("a key");
    api.get(key, "/v1/keys").await.expect(200);
    let listed = api.get(&api.operator, "/v1/keys").await.expect(200);
    assert_eq!(listed.body["keys"].as_array().map(Vec::len), Some(5));
    assert!(!listed.text.contains(key) && !listed.text.contains("hash"));
    for (body, pointers) in [
        (json!({ "name": "x" }), vec!["/role"]),
        (json!({ "name": "x", "role": "king" }), vec!["/role"]),
        (json!({ "name": "x", "role": "tenant" }), vec!["/tenant"]),
        (json!({ "name": "x", "role": "operator", "tenant": "acme" }), vec!["/tenant"]),
        (json!({ "name": "x", "role": "tenant", "tenant": "operations" }), vec!["/tenant"]),
        (json!({ "name": "", "role": "operator", "colour": 1 }), vec!["/colour", "/name"]),
    ] {
        assert_eq!(api.post(&api.operator, "/v1/keys", body).await.problem(422, "request.invalid").pointers(), pointers);
    }
    for unknown in ["no-id", "00000000-0000-7000-8000-000000000000"] {
        api.call(&api.operator, "DELETE", &format!("/v1/keys/{unknown}"), Value::Null).await.problem(404, "request.not_found");
    }
}

async fn what_is_the_operations_own_is_refused(api: Harness) {
    let purge = json!({ "kind": "dead_letters.purge", "args": { "filter": {}, "before": 1 } });
    for (body, pointer) in [
        (purge.clone(), "/kind"),
        (json!({ "kind": "demo.echo", "args": {}, "tenant": "operations" }), "/tenant"),
        (json!({ "kind": "demo.echo", "args": {}, "queue": "operations" }), "/queue"),
    ] {
        assert_eq!(api.post(&api.operator, "/v1/jobs", body.clone()).await.problem(422, "request.invalid").pointers(), [pointer]);
        let batch = api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": [body] })).await.expect(202).body;
        assert_eq!(batch["results"][0]["error"]["code"], "request.invalid", "{batch}");
    }
    let schedule = json!({ "every_ms": 1000, "kind": purge["kind"], "args": purge["args"] });
    let refused = api.call(&api.operator, "PUT", "/v1/schedules/nightly", schedule).await;
    assert_eq!(refused.problem(422, "request.invalid").pointers(), ["/kind"]);
    assert!(!api.broker.queues().await.expect("queues").contains(&Name::literal("operations")), "nothing was made");
}

async fn metrics_tell_the_queues(api: Harness) {
    api.echo(&api.operator, json!({ "queue": "q" })).await;
    api.call(&api.operator, "PUT", "/v1/resources/ads", json!({ "max_running": 1 })).await.expect(200);
    api.post(&api.operator, "/v1/resources/ads/pause", Value::Null).await.expect(200);
    let text = api.get(&api.operator, "/metrics").await.expect(200).text;
    for line in [
        "longshore_resource_gated{resource=\"ads\"} 1",
        "longshore_resource_running{resource=\"ads\"} 0",
        "longshore_queue_auto{queue=\"q\"} 0",
        "longshore_broker_up 1",
        "longshore_queue_jobs{queue=\"q\",state=\"ready\"} 1",
        "longshore_lease_lost_total 0",
        "# TYPE longshore_queue_jobs gauge",
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is missing:\n{text}");
    }
}
