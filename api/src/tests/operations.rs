//! Bulk changes of living jobs, and operations: what is counted, what is refused, who sees what, and how far one is.

use super::{
    flaky::Cut,
    harness::{Answer, Harness, on_both, request},
};
use axum::body::Body;
use longshore_queue::{Broker, Note, Outcome, json as raw};
use serde_json::{Value, json};

on_both!(
    a_bulk_change_is_counted_and_becomes_an_operation,
    a_thousand_jobs_are_free_and_more_are_confirmed,
    what_was_enqueued_later_is_not_part_of_it,
    tenants_change_their_own_jobs,
    a_repeat_under_a_key_answers_the_first_operation,
    an_operation_tells_how_far_it_is,
    an_operation_is_cancelled,
);

const BULK: &str = "/v1/jobs/bulk";

fn cancel(filter: Value) -> Value {
    json!({ "verb": "cancel", "filter": filter })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn under(api: &Harness, caller: &str, key: &str, body: &Value) -> Answer {
    let builder = request(caller, "POST", BULK).header("idempotency-key", key);
    api.send(builder.body(Body::from(body.to_string())).expect("a request")).await
}

/// The operations' jobs.
async fn operations(api: &Harness) -> Vec<Value> {
    let page = api.get(&api.operator, "/v1/jobs?queue=operations").await.expect(200).body;
    page["items"].as_array().cloned().unwrap_or_default()
}

async fn fill(api: &Harness, n: usize) {
    let job = json!({ "kind": "demo.echo", "args": {}, "queue": "q" });
    api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": vec![job; n] })).await.expect(202);
}

async fn a_bulk_change_is_counted_and_becomes_an_operation(api: Harness) {
    fill(&api, 3).await;
    api.echo(&api.operator, json!({ "queue": "else" })).await;
    let body = json!({ "verb": "priority", "filter": { "queue": "q" }, "value": 9 });
    let dry = api.post(&api.operator, BULK, with(body.clone(), "dry_run", json!(true))).await.expect(200);
    assert_eq!(dry.body, json!({ "count": 3 }));
    let none = api.post(&api.operator, BULK, cancel(json!({ "queue": "q", "state": "waiting" }))).await.expect(202);
    assert_eq!(none.body, json!({ "count": 0 }));
    assert_eq!(operations(&api).await, Vec::<Value>::new(), "neither made anything");

    let made = api.post(&api.operator, BULK, body.clone()).await.expect(202).body;
    assert_eq!(made["count"], 3);
    let id = made["operation"].as_str().expect("an operation");
    let job = api.job(id).await;
    assert_eq!((job.kind.as_str(), job.tenant.as_str(), job.queue.as_str()), ("jobs.bulk", "operations", "operations"));
    let args: Value = serde_json::from_str(job.args.get()).expect("JSON");
    assert_eq!((&args["verb"], &args["filter"], &args["value"]), (&json!("priority"), &json!({ "queue": "q" }), &json!(9)));
    let shown = api.get(&api.operator, &format!("/v1/operations/{id}")).await.expect(200).body;
    for (field, value) in [
        ("kind", json!("jobs.bulk")),
        ("state", json!("ready")),
        ("total", Value::Null),
        ("done", json!(0)),
        ("skipped", json!(0)),
        ("refused", json!([])),
        ("refused_count", json!(0)),
        ("per_second", json!(1_000)),
        ("started_at", Value::Null),
        ("ended_at", Value::Null),
        ("cancel_requested", json!(false)),
        ("args", args),
    ] {
        assert_eq!(shown[field], value, "{field}: {shown}");
    }
    for absent in ["made", "schedule", "from", "stopped", "replayed", "changed", "well"] {
        assert!(shown.get(absent).is_none(), "{absent}: {shown}");
    }
}

async fn a_thousand_jobs_are_free_and_more_are_confirmed(api: Harness) {
    fill(&api, 1_000).await;
    let body = cancel(json!({ "queue": "q" }));
    let wrong = api.post(&api.operator, BULK, with(body.clone(), "confirm_count", json!(999))).await;
    assert_eq!(wrong.problem(409, "operations.unconfirmed").body["count"], 1_000);
    fill(&api, 1).await;
    for confirm in [Value::Null, json!(1_000), json!(1_002), json!(0)] {
        let body = if confirm.is_null() { body.clone() } else { with(body.clone(), "confirm_count", confirm) };
        let answer = api.post(&api.operator, BULK, body).await.problem(409, "operations.unconfirmed");
        assert_eq!(answer.body["count"], 1_001, "{}", answer.text);
    }
    assert_eq!(operations(&api).await, Vec::<Value>::new(), "nothing began");
    let dry = api.post(&api.operator, BULK, with(body.clone(), "dry_run", json!(true))).await.expect(200);
    assert_eq!(dry.body, json!({ "count": 1_001 }));
    let made = api.post(&api.operator, BULK, with(body, "confirm_count", json!(1_001))).await.expect(202).body;
    assert!(made["count"] == 1_001 && made["operation"].is_string(), "{made}");
}

async fn what_was_enqueued_later_is_not_part_of_it(api: Harness) {
    fill(&api, 2).await;
    let made = api.post(&api.operator, BULK, cancel(json!({ "queue": "q" }))).await.expect(202).body;
    let job = api.job(made["operation"].as_str().expect("an operation")).await;
    let args: Value = serde_json::from_str(job.args.get()).expect("JSON");
    assert_eq!(args["before"], super::harness::NOW + 1, "what came in the same millisecond is a part of it");
}

async fn tenants_change_their_own_jobs(api: Harness) {
    api.make_queue("q").await;
    for key in [&api.acme, &api.acme, &api.other] {
        api.echo(key, json!({ "queue": "q" })).await;
    }
    let body = cancel(json!({ "queue": "q" }));
    let dry = with(body.clone(), "dry_run", json!(true));
    for (key, count) in [(&api.acme, 2), (&api.other, 1), (&api.operator, 3)] {
        assert_eq!(api.post(key, BULK, dry.clone()).await.expect(200).body, json!({ "count": count }));
    }
    let named = api.post(&api.acme, BULK, cancel(json!({ "tenant": "other" }))).await.problem(422, "request.invalid");
    assert_eq!(named.pointers(), ["/filter/tenant"]);
    assert_eq!(api.post(&api.acme, BULK, cancel(json!({ "tenant": "acme" }))).await.expect(202).body["count"], 2);
    let own = api.post(&api.acme, BULK, body.clone()).await.expect(202).body;
    let id = own["operation"].as_str().expect("an operation");
    let job = api.job(id).await;
    assert_eq!((job.tenant.as_str(), job.queue.as_str()), ("acme", "operations"));
    let path = format!("/v1/operations/{id}");
    assert_eq!(api.get(&api.acme, &path).await.expect(200).body["tenant"], "acme");
    assert_eq!(api.get(&api.operator, &path).await.expect(200).body["tenant"], "acme");
    let operators = api.post(&api.operator, BULK, body).await.expect(202).body;
    let hidden = format!("/v1/operations/{}", operators["operation"].as_str().expect("an operation"));
    for (key, path) in [(&api.other, &path), (&api.acme, &hidden)] {
        api.get(key, path).await.problem(404, "request.not_found");
        api.post(key, &format!("{path}/cancel"), Value::Null).await.problem(404, "request.not_found");
    }
}

#[tokio::test]
async fn every_fault_of_a_bulk_change_has_its_pointer() {
    let api = Harness::new().await;
    fill(&api, 1).await;
    let bulk = |verb: &str, value: Value| json!({ "verb": verb, "filter": { "queue": "q" }, "value": value });
    let many: serde_json::Map<_, _> = (0..21).map(|n| (format!("/{n}"), json!(n))).collect();
    let cases: Vec<(Value, &[&str])> = vec![
        (json!([]), &[""]),
        (json!({}), &["/filter", "/verb"]),
        (json!({ "verb": "delete", "filter": {} }), &["/verb"]),
        (json!({ "verb": 5, "filter": [] }), &["/filter", "/verb"]),
        (cancel(json!({ "colour": "red" })), &["/filter/colour"]),
        (cancel(json!({ "queue": "a b", "kind": 5, "tag": "" })), &["/filter/kind", "/filter/queue", "/filter/tag"]),
        (cancel(json!({ "from": "tomorrow" })), &["/filter/from"]),
        (cancel(json!({ "from": "2027-01-02T00:00:00Z", "to": "2027-01-01T00:00:00Z" })), &["/filter/to"]),
        (cancel(json!({ "text": "" })), &["/filter/text"]),
        (cancel(json!({ "args": { "account": 5 } })), &["/filter/args/account"]),
        (cancel(json!({ "args": many })), &["/filter/args"]),
        (cancel(json!({ "state": "dead" })), &["/filter/state"]),
        (cancel(json!({ "state": "sleeping" })), &["/filter/state"]),
        (with(bulk("priority", json!(5)), "filter", json!({ "state": "running" })), &["/filter/state"]),
        (bulk("cancel", json!(1)), &["/value"]),
        (json!({ "verb": "move", "filter": {} }), &["/value"]),
        (bulk("move", json!("a b")), &["/value"]),
        (bulk("move", json!("operations")), &["/value"]),
        (bulk("priority", json!(10)), &["/value"]),
        (bulk("priority", json!("high")), &["/value"]),
        (bulk("postpone", json!("tomorrow")), &["/value"]),
        (bulk("postpone", json!("2027-01-15T08:00:00Z")), &["/value"]),
        (bulk("postpone", json!(-1)), &["/value"]),
        (bulk("postpone", json!("2038-01-01T00:00:00Z")), &["/value"]),
        (with(cancel(json!({})), "per_second", json!(0)), &["/per_second"]),
        (with(cancel(json!({})), "per_second", json!(1_001)), &["/per_second"]),
        (with(cancel(json!({})), "confirm_count", json!(-1)), &["/confirm_count"]),
        (with(cancel(json!({})), "dry_run", json!("yes")), &["/dry_run"]),
        (with(bulk("priority", json!(10)), "filter", json!({ "text": "", "state": "dead" })), &["/filter/text"]),
    ];
    for (body, pointers) in cases {
        let answer = api.post(&api.operator, BULK, body.clone()).await.problem(422, "request.invalid");
        let mut told = answer.pointers();
        told.dedup();
        assert_eq!(told, pointers, "{body}: {}", answer.text);
    }
    let unknown = api.post(&api.acme, BULK, bulk("move", json!("nobodys"))).await.problem(422, "request.invalid");
    assert_eq!(unknown.pointers(), ["/value"], "a tenant's key makes no queue");
    assert_eq!(operations(&api).await, Vec::<Value>::new(), "nothing began");
}

async fn a_repeat_under_a_key_answers_the_first_operation(api: Harness) {
    fill(&api, 1_001).await;
    let body = cancel(json!({ "queue": "q" }));
    under(&api, &api.operator, "k", &body).await.problem(409, "operations.unconfirmed");
    let confirmed = with(body.clone(), "confirm_count", json!(1_001));
    // begin, a look for an earlier try, the enqueue; the answer is not kept.
    api.broker.cut([Cut::None, Cut::None, Cut::None, Cut::Full]);
    let first = under(&api, &api.operator, "k", &confirmed).await.expect(202);
    assert_eq!(first.body["count"], 1_001);
    // What it has done by then is not counted as if it had not begun.
    let tally = json!({ "total": 1_001, "done": 900, "changed": 900, "skipped": 0, "refused": [], "refused_count": 0 });
    let end = Outcome::Complete { output: Some(raw(&tally)) };
    assert_eq!(api.run("operations", |_| end.clone()).await, 1);
    api.run("q", |_| Outcome::Complete { output: None }).await;
    for _ in 0..2 {
        let again = under(&api, &api.operator, "k", &confirmed).await.expect(202);
        assert_eq!(again.text, first.text);
    }
    assert_eq!(operations(&api).await.len(), 1);
    let other = with(confirmed, "per_second", json!(5));
    under(&api, &api.operator, "k", &other).await.problem(409, "request.idempotency_conflict");
}

async fn an_operation_tells_how_far_it_is(api: Harness) {
    fill(&api, 4).await;
    let made = api.post(&api.operator, BULK, cancel(json!({ "queue": "q" }))).await.expect(202).body;
    let id = made["operation"].as_str().expect("an operation").to_owned();
    let path = format!("/v1/operations/{id}");
    let request = longshore_queue::LeaseRequest {
        queue: longshore_base::Name::literal("operations"),
        worker: "w".into(),
        call: 1,
        n: 1,
        kinds: [longshore_base::Name::literal("jobs.bulk")].into(),
        lease: std::time::Duration::from_secs(15),
    };
    let lease = api.broker.lease(&request).await.expect("a lease").leases.pop().expect("the operation");
    let half = json!({ "total": 4, "done": 2, "changed": 1, "skipped": 1, "refused": [], "refused_count": 0 });
    let note = Note { progress: Some(raw(&half)), ..Note::default() };
    api.broker.note(lease.job.id, lease.token, note).await.expect("noted");
    let shown = api.get(&api.operator, &path).await.expect(200).body;
    assert_eq!((&shown["state"], &shown["total"], &shown["done"]), (&json!("running"), &json!(4), &json!(2)));
    assert_eq!((&shown["changed"], &shown["skipped"], shown.get("stopped")), (&json!(1), &json!(1), None));
    assert!(shown["started_at"].is_string(), "{shown}");

    let refused = json!([{ "id": id, "detail": "it is running" }]);
    let end = json!({ "total": 4, "done": 4, "undone": 2, "skipped": 1, "refused": refused, "refused_count": 1, "well": 5, "failing": 3,
        "stopped": "3 of 8 first results are failures" });
    let outcome = Outcome::Complete { output: Some(raw(&end)) };
    let ack = longshore_queue::Ack { id: lease.job.id, token: lease.token, ran: std::time::Duration::ZERO, used: None, outcome };
    api.broker.ack(&request.queue, "w", vec![ack]).await.expect("acks");
    let shown = api.get(&api.operator, &path).await.expect(200).body;
    for field in ["total", "done", "undone", "skipped", "refused", "refused_count", "well", "failing", "stopped"] {
        assert_eq!(shown[field], end[field], "{field}: {shown}");
    }
    assert!(shown["state"] == "completed" && shown["ended_at"].is_string() && shown.get("changed").is_none(), "{shown}");
}

async fn an_operation_is_cancelled(api: Harness) {
    fill(&api, 1).await;
    let made = api.post(&api.operator, BULK, cancel(json!({}))).await.expect(202).body;
    let path = format!("/v1/operations/{}/cancel", made["operation"].as_str().expect("an operation"));
    assert_eq!(api.post(&api.operator, &path, Value::Null).await.expect(200).body["state"], "cancelled");
    api.post(&api.operator, &path, Value::Null).await.problem(409, "jobs.not_cancellable");
    for body in [json!({ "kind": "jobs.bulk", "args": {} }), json!({ "kind": "demo.echo", "args": {}, "queue": "operations" })] {
        api.post(&api.operator, "/v1/jobs", body).await.problem(422, "request.invalid");
    }
}
