//! Idempotency-Key: the same request again is the same jobs and the same answer.

use super::{
    flaky::Cut,
    harness::{Answer, Harness, on_both, request},
};
use axum::body::Body;
use serde_json::{Value, json};

on_both!(
    a_repeat_answers_the_same,
    keys_are_apart_by_caller,
    a_lost_finish_changes_nothing_for_the_repeat,
    keys_that_are_none_are_refused,
    a_request_that_was_refused_does_not_use_its_key_up,
);

async fn post(api: &Harness, caller: &str, path: &str, key: &str, body: &Value) -> Answer {
    let builder = request(caller, "POST", path).header("idempotency-key", key);
    api.send(builder.body(Body::from(body.to_string())).expect("a request")).await
}

async fn count(api: &Harness) -> usize {
    api.get(&api.operator, "/v1/jobs?limit=1000").await.body["items"].as_array().map_or(0, Vec::len)
}

async fn a_repeat_answers_the_same(api: Harness) {
    let job = json!({ "kind": "demo.echo", "args": { "n": 1 } });
    let batch = json!({ "jobs": [job, job, { "kind": "none", "args": 1 }] });
    for (path, key, body, jobs) in [("/v1/jobs", "k1", &job, 1), ("/v1/jobs/batch", "k2", &batch, 3)] {
        let first = post(&api, &api.acme, path, key, body).await.expect(202);
        let second = post(&api, &api.acme, path, key, body).await.expect(202);
        assert_eq!(first.text, second.text);
        assert_eq!(count(&api).await, jobs);
    }
    let other = json!({ "kind": "demo.echo", "args": { "n": 2 } });
    post(&api, &api.acme, "/v1/jobs", "k1", &other).await.problem(409, "request.idempotency_conflict");
    assert_eq!(count(&api).await, 3);
}

async fn keys_are_apart_by_caller(api: Harness) {
    let body = json!({ "kind": "demo.echo", "args": {} });
    let mut ids = std::collections::BTreeSet::new();
    for caller in [&api.operator, &api.acme, &api.other] {
        ids.insert(post(&api, caller, "/v1/jobs", "k", &body).await.expect(202).id());
    }
    assert_eq!(ids.len(), 3);
}

async fn a_lost_finish_changes_nothing_for_the_repeat(api: Harness) {
    let body = json!({ "jobs": [{ "kind": "demo.echo", "args": {} }, { "kind": "demo.echo", "args": {} }] });
    // begin and enqueue pass, finish is refused: the repeat has only the ids to go by.
    api.broker.cut([Cut::None, Cut::None, Cut::Full]);
    let first = post(&api, &api.acme, "/v1/jobs/batch", "broken", &body).await.expect(202);
    assert_eq!(first.body["results"][0]["duplicate"], false);
    let second = post(&api, &api.acme, "/v1/jobs/batch", "broken", &body).await.expect(202);
    assert_eq!(first.text, second.text);
    assert_eq!(count(&api).await, 2);
}

async fn keys_that_are_none_are_refused(api: Harness) {
    for bad in ["", "a b", &"x".repeat(201), "é"] {
        let builder = request(&api.acme, "POST", "/v1/jobs").header("idempotency-key", bad);
        let answer = api.send(builder.body(Body::from(r#"{"kind":"demo.echo","args":{}}"#)).expect("a request")).await;
        assert_eq!(answer.problem(422, "request.invalid").pointers(), ["/Idempotency-Key"], "{bad}");
    }
    assert_eq!(count(&api).await, 0);
}

async fn a_request_that_was_refused_does_not_use_its_key_up(api: Harness) {
    let bad = json!({ "kind": "demo.echo", "args": {}, "priority": 11 });
    post(&api, &api.acme, "/v1/jobs", "k", &bad).await.problem(422, "request.invalid");
    post(&api, &api.acme, "/v1/jobs", "k", &json!({ "kind": "demo.echo", "args": {} })).await.expect(202);
}
