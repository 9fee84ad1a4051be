//! Many dead letters at once: what is counted, what wants to be confirmed, and the operation that each call begins.

use super::{
    harness::{Answer, Harness, on_both, request},
    letters::{die, ids, letter, sleeper, text},
};
use axum::body::Body;
use longshore_base::Scope;
use longshore_queue::{Broker, OPERATIONS, Outcome, Replay, State};
use serde_json::{Value, json};

on_both!(
    a_replay_counts_first,
    a_replay_is_one_operation_under_a_key,
    a_dry_run_shows_what_a_patch_does,
    a_purge_is_an_operation_of_its_caller,
    an_undo_takes_back_what_has_ended,
    operations_that_died_are_no_letters_unless_named,
);

async fn many(api: &Harness, count: usize) {
    let jobs: Vec<_> = (0..count).map(|n| json!({ "kind": "demo.echo", "args": { "n": n }, "queue": "big" })).collect();
    api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": jobs })).await.expect(202);
    let mut dead = 0;
    while dead < count {
        dead += die(api, "big", "no luck").await;
    }
}

async fn keyed(api: &Harness, path: &str, key: &str, body: &Value) -> Answer {
    let builder = request(&api.operator, "POST", path).header("idempotency-key", key);
    api.send(builder.body(Body::from(body.to_string())).expect("a request")).await
}

/// The jobs of operations, and what they are called with.
async fn operations(api: &Harness) -> Vec<(String, Value)> {
    let page = api.broker.list(&Scope::All, &longshore_queue::Filter::default(), 10_000, None).await.expect("a page");
    let operations = page.items.into_iter().filter(|job| job.queue.as_str() == OPERATIONS);
    operations.map(|job| (job.id.to_string(), serde_json::from_str(job.args.get()).expect("JSON"))).collect()
}

#[tokio::test]
async fn every_fault_of_a_change_of_letters_has_its_pointer() {
    let api = Harness::new().await;
    let id = "0199b0c4-0000-7000-8000-000000000001";
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("replay", json!({}), &["/filter"]),
        ("replay", json!([]), &[""]),
        ("replay", json!({ "ids": [id], "filter": {} }), &["/filter"]),
        ("replay", json!({ "ids": [] }), &["/ids"]),
        ("replay", json!({ "ids": ["x"] }), &["/ids/0"]),
        ("replay", json!({ "ids": vec![id; 1_001] }), &["/ids"]),
        ("replay", json!({ "filter": { "colour": 1, "kind": "a b" } }), &["/filter/colour", "/filter/kind"]),
        ("replay", json!({ "filter": { "tenant": "other", "state": "ready" } }), &["/filter/state", "/filter/tenant"]),
        ("replay", json!({ "filter": { "args": { "account": 7 } } }), &["/filter/args/account"]),
        ("replay", json!({ "filter": { "from": "noon" } }), &["/filter/from"]),
        ("replay", json!({ "filter": { "from": "2027-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z" } }), &["/filter/to"]),
        ("replay", json!({ "filter": {}, "per_second": 0, "stop_when_failing": 1.5 }), &["/per_second", "/stop_when_failing"]),
        (
            "replay",
            json!({ "filter": {}, "args_patch": 5, "dry_run": 1, "confirm_count": -1 }),
            &["/args_patch", "/confirm_count", "/dry_run"],
        ),
        ("purge", json!({}), &["/filter"]),
        ("purge", json!({ "filter": { "text": "" }, "per_second": 5 }), &["/filter/text", "/per_second"]),
        ("purge", json!({ "filter": null }), &["/filter"]),
        ("undo", json!({}), &["/operation"]),
        ("undo", json!({ "operation": "x" }), &["/operation"]),
        ("undo", json!({ "operation": id, "confirm_count": 5 }), &["/confirm_count"]),
        ("undo", json!({ "operation": id }), &["/operation"]),
    ];
    for (verb, body, pointers) in cases {
        let answer = api.post(&api.acme, &format!("/v1/dead-letters/{verb}"), body.clone()).await.problem(422, "request.invalid");
        let mut told = answer.pointers();
        told.dedup();
        assert_eq!(told, pointers, "{verb} {body}: {}", answer.text);
    }
    assert!(operations(&api).await.is_empty(), "nothing was begun");
}

async fn a_replay_counts_first(api: Harness) {
    let path = "/v1/dead-letters/replay";
    let none = api.post(&api.operator, path, json!({ "filter": { "text": "nothing" }, "confirm_count": 7 })).await;
    assert_eq!(none.body, json!({ "count": 0 }), "{}", none.text);
    many(&api, 1_001).await;
    letter(&api, &api.acme, "q", json!({ "n": 1 }), "account 1 is closed").await;
    let dry = api.post(&api.operator, path, json!({ "filter": {}, "dry_run": true })).await.expect(200).body;
    assert_eq!(dry, json!({ "count": 1_002 }));
    for body in [json!({ "filter": {} }), json!({ "filter": {}, "confirm_count": 1_001 })] {
        let refused = api.post(&api.operator, path, body).await.problem(409, "operations.unconfirmed");
        assert_eq!(refused.body["count"], 1_002);
    }
    assert!(operations(&api).await.is_empty(), "nothing was begun");
    let made = api.post(&api.operator, path, json!({ "filter": { "queue": "q" }, "per_second": 5, "stop_when_failing": 0.5 })).await;
    assert_eq!(made.expect(202).body["count"], 1);
    let body = json!({ "filter": { "tag": "none", "text": "LUCK" }, "confirm_count": 0 });
    assert_eq!(api.post(&api.operator, path, body).await.body, json!({ "count": 0 }));
    let made = api.post(&api.operator, path, json!({ "filter": { "text": "LUCK" }, "confirm_count": 1_001 })).await.expect(202).body;
    assert_eq!(made["count"], 1_001);
    let job = api.job(&text(&made, "operation")).await;
    assert_eq!((job.kind.as_str(), job.tenant.as_str(), job.queue.as_str()), ("dead_letters.replay", OPERATIONS, OPERATIONS));
    let begun = operations(&api).await;
    let args = &begun.iter().find(|(id, _)| *id == text(&made, "operation")).expect("the operation").1;
    assert_eq!(*args, json!({ "filter": { "text": "LUCK" }, "before": api.clock_now() + 1 }));
    let args = &begun.iter().find(|(id, _)| *id != text(&made, "operation")).expect("the first").1;
    let want = json!({ "filter": { "queue": "q" }, "before": args["before"], "per_second": 5, "stop_when_failing": 0.5 });
    assert_eq!(*args, want);
}

async fn a_replay_is_one_operation_under_a_key(api: Harness) {
    many(&api, 1_001).await;
    let path = "/v1/dead-letters/replay";
    let mut body = json!({ "filter": { "queue": "big" } });
    keyed(&api, path, "k", &body).await.problem(409, "operations.unconfirmed");
    body["confirm_count"] = 1_001.into();
    let first = keyed(&api, path, "k", &body).await.expect(202);
    // The operation has done a part by now.
    let letters = api.get(&api.operator, "/v1/dead-letters?limit=10").await.expect(200).body;
    for letter in letters["items"].as_array().expect("items") {
        let id = text(letter, "id").parse().expect("an id");
        let replay =
            Replay { id, new_id: Replay::id_of(id, first.body["operation"].as_str().expect("an id").parse().expect("an id")), args: None };
        api.broker.replay(&Scope::All, vec![replay]).await.expect("an answer").remove(0).expect("repeated");
    }
    assert_eq!(keyed(&api, path, "k", &body).await.expect(202).text, first.text, "the same answer");
    assert_eq!(operations(&api).await.len(), 1);
    body["filter"]["queue"] = "other".into();
    keyed(&api, path, "k", &body).await.problem(409, "request.idempotency_conflict");
}

async fn a_dry_run_shows_what_a_patch_does(api: Harness) {
    let id = sleeper(&api).await;
    let path = "/v1/dead-letters/replay";
    for which in [json!({ "filter": {} }), json!({ "ids": [id] })] {
        let mut body = which.clone();
        body["dry_run"] = true.into();
        body["args_patch"] = json!({ "ms": 9 });
        let told = api.post(&api.acme, path, body.clone()).await.expect(200).body;
        let diff = json!([{ "pointer": "/ms", "before": 5, "after": 9 }]);
        assert_eq!(told, json!({ "count": 1, "preview": [{ "id": id, "diff": diff }] }));
        body["args_patch"] = json!({ "ms": null });
        let told = api.post(&api.acme, path, body).await.expect(200).body;
        assert_eq!((&told["count"], told["preview"][0]["refused"].is_string()), (&json!(1), true), "{told}");
    }
    assert!(operations(&api).await.is_empty());
    let made = api.post(&api.acme, path, json!({ "ids": [id], "args_patch": { "ms": 9 } })).await.expect(202).body;
    assert_eq!(made["count"], 1);
    assert_eq!(operations(&api).await[0].1["args_patch"], json!({ "ms": 9 }));
}

async fn a_purge_is_an_operation_of_its_caller(api: Harness) {
    let own = letter(&api, &api.acme, "q", json!({}), "x").await;
    let others = letter(&api, &api.other, "q", json!({}), "x").await;
    let path = "/v1/dead-letters/purge";
    assert_eq!(api.post(&api.acme, path, json!({ "filter": {}, "dry_run": true })).await.expect(200).body, json!({ "count": 1 }));
    assert_eq!(api.post(&api.acme, path, json!({ "ids": [others] })).await.body, json!({ "count": 0 }), "another tenant's does not exist");
    let made = api.post(&api.acme, path, json!({ "ids": [own, others] })).await.expect(202).body;
    assert_eq!(made["count"], 1);
    let job = api.job(&text(&made, "operation")).await;
    assert_eq!((job.kind.as_str(), job.tenant.as_str()), ("dead_letters.purge", "acme"), "it reaches what its caller reaches");
    assert_eq!(api.post(&api.operator, path, json!({ "filter": {}, "dry_run": true })).await.expect(200).body, json!({ "count": 2 }));
    assert_eq!(ids(&api, &api.operator, "").await.len(), 2, "the operation does it, not the call");
}

async fn an_undo_takes_back_what_has_ended(api: Harness) {
    let id = letter(&api, &api.acme, "q", json!({}), "x").await;
    let made = api.post(&api.acme, "/v1/dead-letters/replay", json!({ "filter": {} })).await.expect(202).body;
    let (operation, path) = (text(&made, "operation"), "/v1/dead-letters/undo");
    let undo = json!({ "operation": operation });
    api.post(&api.acme, path, undo.clone()).await.problem(409, "operations.not_undoable");
    let letter = id.parse().expect("an id");
    let replay = Replay { id: letter, new_id: Replay::id_of(letter, operation.parse().expect("an id")), args: None };
    api.broker.replay(&Scope::All, vec![replay]).await.expect("an answer").remove(0).expect("repeated");
    api.run(OPERATIONS, |_| Outcome::Complete { output: None }).await;
    assert_eq!(api.post(&api.other, path, undo.clone()).await.problem(422, "request.invalid").pointers(), ["/operation"]);
    let living = api.echo(&api.acme, json!({})).await;
    assert_eq!(api.post(&api.acme, path, json!({ "operation": living })).await.problem(422, "request.invalid").pointers(), ["/operation"]);
    let dry = api.post(&api.acme, path, json!({ "operation": operation, "dry_run": true })).await.expect(200).body;
    assert_eq!(dry, json!({ "count": 1 }));
    let made = api.post(&api.acme, path, undo).await.expect(202).body;
    assert_eq!(made["count"], 1);
    let job = api.job(&text(&made, "operation")).await;
    assert_eq!((job.kind.as_str(), job.tenant.as_str(), job.state), ("dead_letters.undo", "acme", State::Ready));
    assert_eq!(job.args.get(), json!({ "operation": operation }).to_string());
    api.run(OPERATIONS, |_| Outcome::Complete { output: None }).await;
    let refused = api.post(&api.acme, path, json!({ "operation": text(&made, "operation") })).await;
    refused.problem(409, "operations.not_undoable");
}

async fn operations_that_died_are_no_letters_unless_named(api: Harness) {
    let id = letter(&api, &api.acme, "q", json!({}), "x").await;
    let made = api.post(&api.acme, "/v1/dead-letters/purge", json!({ "filter": {} })).await.expect(202).body;
    assert_eq!(die(&api, OPERATIONS, "no luck").await, 1);
    assert_eq!(ids(&api, &api.acme, "").await, [id]);
    assert_eq!(ids(&api, &api.acme, "queue=operations").await, [text(&made, "operation")]);
    let count = |query: &'static str| {
        let api = &api;
        async move {
            let groups = api.get(&api.acme, &format!("/v1/dead-letters/groups{query}")).await.expect(200).body;
            groups["groups"].as_array().map(Vec::len)
        }
    };
    assert_eq!((count("").await, count("?queue=operations").await), (Some(1), Some(1)));
}
