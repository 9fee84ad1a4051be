//! Bad inputs, by pointer.

use super::harness::{Harness, request};
use axum::body::Body;
use longshore_queue::{Broker, Priority};
use serde_json::{Value, json};

fn job(more: Value) -> Value {
    let mut body = json!({ "kind": "demo.echo", "args": {} });
    for (field, value) in more.as_object().into_iter().flatten() {
        body[field] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_jobs_faults_are_all_told() {
    let api = Harness::new().await;
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({}), &["/args", "/kind"]),
        (json!([]), &[""]),
        (json!("x"), &[""]),
        (json!({ "args": {} }), &["/kind"]),
        (json!({ "kind": "demo.echo" }), &["/args"]),
        (json!({ "kind": 5, "args": {} }), &["/kind"]),
        (json!({ "kind": "no name!", "args": {} }), &["/kind"]),
        (job(json!({ "colour": 1, "size/x": 2 })), &["/colour", "/size~1x"]),
        (job(json!({ "priority": 10 })), &["/priority"]),
        (job(json!({ "priority": "high" })), &["/priority"]),
        (job(json!({ "priority": null })), &["/priority"]),
        (job(json!({ "priority": 1.5 })), &["/priority"]),
        (job(json!({ "queue": "", "tenant": "a b", "client": "x".repeat(129) })), &["/client", "/queue", "/tenant"]),
        (job(json!({ "attempts_max": 0, "timeout_ms": 0 })), &["/attempts_max", "/timeout_ms"]),
        (job(json!({ "attempts_max": 1001 })), &["/attempts_max"]),
        (job(json!({ "delay_ms": -1 })), &["/delay_ms"]),
        (job(json!({ "delay_ms": 1e23 })), &["/delay_ms"]),
        (job(json!({ "delay_ms": 400_000_000_000_u64 })), &["/delay_ms"]),
        (job(json!({ "run_at": "tomorrow" })), &["/run_at"]),
        (job(json!({ "run_at": 1_800_000_000_000_i64 })), &["/run_at"]),
        (job(json!({ "run_at": "2027-01-14T07:59:59Z" })), &["/run_at"]),
        (job(json!({ "run_at": "2037-02-01T00:00:00Z" })), &["/run_at"]),
        (job(json!({ "run_at": "2027-01-15T09:00:00Z", "delay_ms": 5 })), &["/delay_ms"]),
        (job(json!({ "tags": ["a", "b c"] })), &["/tags/1"]),
        (job(json!({ "tags": vec!["t"; 21] })), &["/tags"]),
        (job(json!({ "unique": { "mode": "keep" } })), &["/unique/key"]),
        (job(json!({ "unique": { "key": "k", "mode": "hold" } })), &["/unique/mode"]),
        (job(json!({ "unique": { "key": "k", "mode": "throttle" } })), &["/unique/window_ms"]),
        (
            job(json!({ "unique": { "key": "k", "mode": "keep", "window_ms": 5, "wait_max_ms": 5 } })),
            &["/unique/wait_max_ms", "/unique/window_ms"],
        ),
        (job(json!({ "unique": { "key": "é".repeat(129), "mode": "keep" } })), &["/unique/key"]),
        (job(json!({ "unique": "k" })), &["/unique"]),
        (job(json!({ "expires_at": "2027-01-15T08:00:01Z", "delay_ms": 60_000 })), &["/expires_at"]),
    ];
    for (body, pointers) in cases {
        let answer = api.post(&api.operator, "/v1/jobs", body.clone()).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers, "{body}: {}", answer.text);
    }
    assert_eq!(api.get(&api.operator, "/v1/jobs").await.body["items"], json!([]), "nothing was enqueued");
}

#[tokio::test]
async fn a_tenants_key_makes_no_queue_by_naming_it() {
    let api = Harness::new().await;
    let before = api.broker.queues().await.expect("queues");
    let named = |queue: &str| job(json!({ "queue": queue }));
    let refused = api.post(&api.acme, "/v1/jobs", named("mine")).await.problem(422, "request.invalid");
    assert_eq!(refused.pointers(), ["/queue"]);
    assert!(refused.body["errors"][0]["allowed"].as_str().is_some_and(|text| text.contains("default")), "{}", refused.text);
    let many: Vec<_> = (0..50).map(|n| named(&format!("mine-{n}"))).collect();
    let batch = api.post(&api.acme, "/v1/jobs/batch", json!({ "jobs": many })).await.expect(202).body;
    assert!(
        batch["results"].as_array().is_some_and(|results| results.iter().all(|item| item["error"]["code"] == "request.invalid")),
        "{batch}"
    );
    assert_eq!(api.broker.queues().await.expect("queues"), before, "no queue was made");

    api.post(&api.acme, "/v1/jobs", named("default")).await.expect(202);
    let record = json!({ "version": 1, "args_schema": {}, "queue": "py" });
    api.call(&api.operator, "PUT", "/v1/kinds/py.work", record).await.expect(200);
    api.post(&api.acme, "/v1/jobs", named("py")).await.expect(202);
    api.post(&api.operator, "/v1/jobs", named("mine")).await.expect(202);
    api.post(&api.acme, "/v1/jobs", named("mine")).await.expect(202);
}

#[tokio::test]
async fn args_and_kinds_are_told_by_their_own_codes() {
    let api = Harness::new().await;
    let post = |body| api.post(&api.operator, "/v1/jobs", body);
    let unknown = post(json!({ "kind": "demo.ecko", "args": {} })).await.problem(422, "jobs.kind_unknown");
    assert_eq!(unknown.pointers(), ["/kind"]);
    let args = post(json!({ "kind": "demo.sleep", "args": { "ms": "x", "colour": 1 } })).await.problem(422, "jobs.args_invalid");
    assert_eq!(args.pointers(), ["/args/colour", "/args/ms"]);
    assert!(args.body["errors"][0]["allowed"].is_string());
    let both = post(json!({ "kind": "demo.sleep", "args": { "ms": "x" }, "priority": 99 })).await.problem(422, "request.invalid");
    assert_eq!(both.pointers(), ["/args/ms", "/priority"], "faults of args and of fields come together");
    post(json!({ "kind": "demo.echo", "args": { "a": "x".repeat(16 << 20) } })).await.problem(413, "jobs.args_too_large");
}

#[tokio::test]
async fn what_is_not_json_is_400() {
    let api = Harness::new().await;
    let deep = |levels: usize| format!(r#"{{"kind":"demo.echo","args":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    for body in [String::new(), "{".into(), "{'kind': 1}".into(), "\u{feff}{}".into(), "{} {}".into(), deep(64), deep(100_000)] {
        let sent = request(&api.operator, "POST", "/v1/jobs").body(Body::from(body.clone())).expect("a request");
        let answer = api.send(sent).await;
        assert_eq!((answer.status, answer.code()), (400, "request.malformed"), "{}", body.chars().take(50).collect::<String>());
    }
    let sent = request(&api.operator, "POST", "/v1/jobs").body(Body::from(vec![b'{', b'"', 0xff, b'"', b'}'])).expect("a request");
    api.send(sent).await.problem(400, "request.malformed");
    let fits = request(&api.operator, "POST", "/v1/jobs").body(Body::from(deep(63))).expect("a request");
    assert_ne!(api.send(fits).await.status, 400, "63 levels below the first one are allowed");
}

#[tokio::test]
async fn queries_and_paths_are_checked() {
    let api = Harness::new().await;
    for (path, pointers) in [
        ("/v1/jobs?limit=0&state=done&colour=red", vec!["/colour", "/limit", "/state"]),
        ("/v1/jobs?limit=1001", vec!["/limit"]),
        ("/v1/jobs?limit=ten", vec!["/limit"]),
        ("/v1/jobs?limit=1&limit=2", vec!["/limit"]),
        ("/v1/jobs?queue=a%20b&kind=&tag=x!", vec!["/kind", "/queue", "/tag"]),
        ("/v1/jobs?cursor=garbage", vec!["/cursor"]),
        ("/v1/jobs?cursor=", vec!["/cursor"]),
        ("/v1/dead-letters?cursor=garbage", vec!["/cursor"]),
        ("/v1/schedules?cursor=0", vec!["/cursor"]),
        ("/v1/queues?limit=5", vec!["/limit"]),
        ("/v1/queues/a%20b", vec!["/queue"]),
        ("/v1/queues/%ff", vec!["/path"]),
        ("/v1/kinds/%E2%82%AC", vec!["/name"]),
        ("/healthz?x", vec!["/x"]),
    ] {
        assert_eq!(api.get(&api.operator, path).await.problem(422, "request.invalid").pointers(), pointers, "{path}");
    }
    api.get(&api.operator, "/v1/queues/none-such").await.problem(404, "request.not_found");
    api.get(&api.operator, "/v1/kinds/none.such").await.problem(404, "request.not_found");
    api.echo(&api.operator, json!({ "queue": "a:b" })).await;
    api.get(&api.operator, "/v1/queues/a%3Ab").await.expect(200);
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
    let api = Harness::new().await;
    let kept = async |body: Value| {
        let accepted = api.post(&api.operator, "/v1/jobs", job(body)).await.expect(202).body;
        api.job(accepted["id"].as_str().expect("an id")).await
    };
    let typed = kept(json!({ "priority": 5.0, "attempts_max": 3.0 })).await;
    assert_eq!((typed.priority, typed.policy.attempts_max), (Priority::new(5).expect("a priority"), 3));
    assert_eq!(kept(json!({ "args": { "n": 2.0 } })).await.args.get(), r#"{"n":2.0}"#, "args stay as they were written");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_is_allowed() {
    let api = Harness::new().await;
    let told = async |path: &str, body: Value| {
        api.post(&api.operator, path, body).await.problem(422, "request.invalid").body["detail"].as_str().expect("words").to_owned()
    };
    assert_eq!(told("/v1/jobs", job(json!({ "priority": 10 }))).await, "/priority: 10 is too large; allowed: at most 9");
    assert_eq!(told("/v1/jobs", json!([])).await, "[] has the wrong type; allowed: object");
    let id = api.echo(&api.operator, json!({})).await;
    assert_eq!(told(&format!("/v1/jobs/{id}/cancel"), json!({ "x": 1 })).await, "1 is not allowed here; allowed: nothing");
}

#[tokio::test]
async fn edits_need_a_revision_and_something_to_change() {
    let api = Harness::new().await;
    let id = api.echo(&api.operator, json!({})).await;
    let path = format!("/v1/jobs/{id}");
    let patch = |revision: &'static str, body: Value| {
        let builder = request(&api.operator, "PATCH", &path);
        let builder = if revision.is_empty() { builder } else { builder.header("if-match", revision) };
        api.send(builder.body(Body::from(body.to_string())).expect("a request"))
    };
    patch("", json!({ "priority": 1 })).await.problem(428, "jobs.revision_missing");
    assert_eq!(patch("x", json!({ "priority": 1 })).await.problem(422, "request.invalid").pointers(), ["/If-Match"]);
    assert_eq!(patch("1", json!({ "kind": "x", "priority": 11 })).await.problem(422, "request.invalid").pointers(), ["/kind", "/priority"]);
    assert_eq!(patch("1", json!({})).await.problem(422, "request.invalid").pointers(), [""]);
    assert_eq!(patch("1", json!({ "run_at": "2001-01-01T00:00:00Z" })).await.problem(422, "request.invalid").pointers(), ["/run_at"]);
    patch("77", json!({ "priority": 1 })).await.problem(412, "jobs.revision_mismatch");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let api = Harness::new().await;
    for (given, kept) in [("abc-123_X.y", true), ("", false), ("a b", false), (&"x".repeat(65), false), ("<script>", false)] {
        let request = request("", "GET", "/v1/jobs").header("x-request-id", given).body(Body::empty()).expect("a request");
        let answer = api.send(request).await.problem(401, "auth.unauthorized");
        assert_eq!(answer.headers["x-request-id"] == given, kept, "{given}");
    }
    assert!(api.get("", "/healthz").await.headers.contains_key("x-request-id"));
}
