//! Dead letters: found, read, edited and grouped.

use super::harness::{Answer, Harness, NOW, on_both, request};
use axum::body::Body;
use longshore_base::Scope;
use longshore_queue::{Broker, ErrorInfo, EventKind, Outcome, Reason, Replay, Undo};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    letters_are_found_by_every_filter,
    pages_of_letters_go_on,
    a_letter_is_told_with_what_is_around_it,
    an_edit_tells_what_it_changed,
    an_edit_that_is_refused_changes_nothing,
    groups_are_merged_over_queues_and_tenants,
    what_is_said_of_a_group_is_its_sayers,
);

/// Makes what is ready in `queue` die of this error.
pub(super) async fn die(api: &Harness, queue: &str, error: &str) -> usize {
    let dead = |job: &longshore_queue::Job| Outcome::Dead {
        reason: Reason::Fatal,
        error: ErrorInfo {
            code: "demo.failed".into(),
            message: error.into(),
            fingerprint: longshore_dlq::fingerprint(job.kind.as_str(), "demo.failed", error),
        },
    };
    api.run(queue, dead).await
}

/// A letter in `queue`.
pub(super) async fn letter(api: &Harness, key: &str, queue: &'static str, args: Value, error: &str) -> String {
    api.make_queue(queue).await;
    let id = api.echo(key, json!({ "queue": queue, "args": args })).await;
    assert_eq!(die(api, queue, error).await, 1);
    id
}

pub(super) async fn ids(api: &Harness, key: &str, query: &str) -> Vec<String> {
    let page = api.get(key, &format!("/v1/dead-letters?{query}")).await.expect(200).body;
    assert_eq!(page["cursor"], Value::Null, "{page}");
    let mut ids: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| text(item, "id")).collect();
    ids.sort();
    ids
}

pub(super) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

async fn patch(api: &Harness, key: &str, path: &str, revision: &str, body: Value) -> Answer {
    let mut builder = request(key, "PATCH", path);
    if !revision.is_empty() {
        builder = builder.header("if-match", revision);
    }
    api.send(builder.body(Body::from(body.to_string())).expect("a request")).await
}

async fn letters_are_found_by_every_filter(api: Harness) {
    let one = letter(&api, &api.acme, "q1", json!({ "account": 7, "deep": { "a/b": [1] } }), "account 7 is closed").await;
    let at_two = api.clock_now();
    let two = letter(&api, &api.acme, "q2", json!({ "account": 8 }), "timed out").await;
    let at_three = api.clock_now();
    let three = letter(&api, &api.other, "q1", json!({ "account": 7, "who": "Zoë" }), "account 8 is closed").await;
    let four = api
        .echo(&api.acme, json!({ "kind": "demo.sleep", "args": { "ms": 1 }, "queue": "q2", "client": "shop", "tags": ["red", "blue"] }))
        .await;
    die(&api, "q2", "account 9 is closed").await;
    api.echo(&api.acme, json!({ "queue": "q1", "args": { "account": 7 } })).await;
    let sorted = |mut ids: Vec<&String>| {
        ids.sort();
        ids.into_iter().cloned().collect::<Vec<_>>()
    };
    let closed = longshore_dlq::fingerprint("demo.echo", "demo.failed", "account 7 is closed");
    let (from, to) = (longshore_base::rfc3339(at_two + 1), longshore_base::rfc3339(at_three + 1));
    let cases: Vec<(String, Vec<&String>)> = vec![
        (String::new(), vec![&one, &two, &three, &four]),
        ("queue=q1".into(), vec![&one, &three]),
        ("tenant=acme".into(), vec![&one, &two, &four]),
        ("kind=demo.sleep".into(), vec![&four]),
        ("client=shop".into(), vec![&four]),
        ("tag=blue".into(), vec![&four]),
        ("text=IS%20CLOSED".into(), vec![&one, &three, &four]),
        ("text=zo%C3%AB".into(), vec![&three]),
        (format!("fingerprint={closed}"), vec![&one, &three]),
        (format!("from={from}"), vec![&two, &three, &four]),
        (format!("from={from}&to={to}"), vec![&two]),
        ("args=%7B%22%2Faccount%22%3A7%7D".into(), vec![&one, &three]),
        ("args=%7B%22%2Fdeep%2Fa~1b%22%3A%5B1%5D%7D".into(), vec![&one]),
        ("args=%7B%22%2Faccount%22%3A%227%22%7D".into(), vec![]),
        (format!("fingerprint={closed}&tenant=other&args=%7B%22%2Faccount%22%3A7%7D"), vec![&three]),
        ("queue=no-such".into(), vec![]),
        ("replayed=true".into(), vec![]),
    ];
    for (query, wanted) in cases {
        assert_eq!(ids(&api, &api.operator, &query).await, sorted(wanted), "{query}");
    }
    assert_eq!(ids(&api, &api.acme, "").await, sorted(vec![&one, &two, &four]), "a tenant's key sees its own");
    assert_eq!(ids(&api, &api.other, "tenant=other").await, sorted(vec![&three]));
    let item = api.get(&api.other, "/v1/dead-letters").await.expect(200).body["items"][0].clone();
    assert_eq!((&item["fingerprint"], &item["state"], &item["replayed"]), (&json!(closed), &json!("dead"), &json!(false)));
    assert_eq!((&item["errors"][0]["message"], &item["args"]["account"]), (&json!("account 8 is closed"), &json!(7)));
    for (query, pointers) in [
        ("tenant=other", vec!["/tenant"]),
        ("from=noon&limit=0&colour=red", vec!["/colour", "/from", "/limit"]),
        ("from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z", vec!["/to"]),
        ("args=%5B%5D", vec!["/args"]),
        ("args=%7B%22account%22%3A7%7D", vec!["/args/account"]),
        ("text=&kind=a%20b&replayed=yes", vec!["/kind", "/replayed", "/text"]),
    ] {
        let answer = api.get(&api.acme, &format!("/v1/dead-letters?{query}")).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers, "{query}: {}", answer.text);
    }
}

async fn pages_of_letters_go_on(api: Harness) {
    let mut all = Vec::new();
    for n in 0..5 {
        all.push(letter(&api, &api.acme, "q", json!({ "n": n }), "x").await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..10 {
        let page = api.get(&api.acme, &format!("/v1/dead-letters?limit=2{cursor}")).await.expect(200).body;
        seen.extend(page["items"].as_array().expect("items").iter().map(|item| text(item, "id")));
        if page["cursor"].is_null() {
            break;
        }
        let place: String = text(&page, "cursor").bytes().map(|byte| format!("%{byte:02x}")).collect();
        cursor = format!("&cursor={place}");
    }
    all.reverse();
    assert_eq!(seen, all, "newest first, each once");
}

async fn a_letter_is_told_with_what_is_around_it(api: Harness) {
    let id = api.echo(&api.acme, json!({ "args": { "account": 1, "same": true } })).await;
    let error = |message: &str| ErrorInfo {
        code: "demo.failed".into(),
        message: message.into(),
        fingerprint: longshore_dlq::fingerprint("demo.echo", "demo.failed", message),
    };
    api.run("default", |_| Outcome::Retry { after: Duration::ZERO, error: error("first 1") }).await;
    api.broker.retry_now(&Scope::All, id.parse().expect("an id")).await.ok();
    die(&api, "default", "then 2").await;
    letter(&api, &api.acme, "default", json!({ "account": 2, "same": true }), "then 3").await;
    letter(&api, &api.other, "default", json!({ "account": 3, "same": true, "more": 1 }), "then 4").await;
    letter(&api, &api.acme, "default", json!({ "same": false }), "something else").await;

    let told = api.get(&api.acme, &format!("/v1/dead-letters/{id}")).await.expect(200);
    assert_eq!(told.headers["etag"], "\"0\"");
    let body = told.body;
    let errors: Vec<_> = body["errors"].as_array().expect("errors").iter().map(|e| (e["attempt"].clone(), text(e, "message"))).collect();
    assert_eq!(errors, [(json!(1), "first 1".to_owned()), (json!(2), "then 2".to_owned())]);
    for error in body["errors"].as_array().expect("errors") {
        assert_eq!((&error["worker"], &error["duration_ms"], &error["code"]), (&json!("worker-1"), &json!(25), &json!("demo.failed")));
    }
    assert_eq!(body["fingerprint"], json!(longshore_dlq::fingerprint("demo.echo", "demo.failed", "then 9")));
    assert_eq!(body["lineage"], json!({ "replay_of": null, "replays": [] }));
    let account = |values: Value| json!({ "pointer": "/account", "distinct": 2, "absent": 0, "values": values });
    let seen = |value: u32| json!({ "value": value, "count": 1 });
    assert_eq!(body["varies"], json!({ "sampled": 2, "fields": [account(json!([seen(1), seen(2)]))] }), "of what this key sees");
    let all = api.get(&api.operator, &format!("/v1/dead-letters/{id}")).await.expect(200).body;
    assert_eq!((&all["varies"]["sampled"], &all["varies"]["fields"][0]["pointer"]), (&json!(3), &json!("/more")));

    // Both ways, also when it was taken back.
    let (old, by) = (id.parse().expect("an id"), id.parse().expect("an id"));
    let new_id = Replay::id_of(old, by);
    let replay = || Replay { id: old, new_id, args: None };
    api.broker.replay(&Scope::All, vec![replay()]).await.expect("an answer").remove(0).expect("repeated");
    let body = api.get(&api.acme, &format!("/v1/dead-letters/{id}")).await.expect(200).body;
    assert_eq!(body["lineage"]["replays"], json!([{ "id": new_id, "state": "ready", "reason": null }]));
    assert_eq!((&body["replayed"], &body["replays"]), (&json!(true), &json!([new_id])));
    assert_eq!(ids(&api, &api.acme, "replayed=true").await, std::slice::from_ref(&id));
    assert!(!ids(&api, &api.acme, "").await.contains(&id), "it has left the letters");
    let answer = api.get(&api.acme, &format!("/v1/dead-letters/{new_id}")).await.problem(404, "jobs.not_found");
    assert!(answer.text.contains("is ready, and no dead letter"), "{}", answer.text);
    api.broker.undo(&Scope::All, vec![Undo { id: old, replay: new_id }]).await.expect("an answer").remove(0).expect("taken back");
    let body = api.get(&api.acme, &format!("/v1/dead-letters/{id}")).await.expect(200).body;
    assert_eq!(body["lineage"]["replays"], json!([{ "id": new_id, "state": "cancelled", "reason": "undone" }]));
    assert!(ids(&api, &api.acme, "").await.contains(&id), "it is back");
    api.broker.replay(&Scope::All, vec![Replay { id: old, new_id: Replay::id_of(old, new_id), args: None }]).await.expect("repeated");
    die(&api, "default", "again").await;
    let again = Replay::id_of(old, new_id);
    let body = api.get(&api.acme, &format!("/v1/dead-letters/{again}")).await.expect(200).body;
    assert_eq!((&body["lineage"]["replay_of"]["id"], &body["lineage"]["replay_of"]["state"]), (&json!(id), &json!("dead")));

    for (key, id) in [(&api.other, id.as_str()), (&api.acme, "no-id"), (&api.acme, "00000000-0000-7000-8000-000000000000")] {
        api.get(key, &format!("/v1/dead-letters/{id}")).await.problem(404, "jobs.not_found");
    }
}

/// A letter of a kind that checks its args.
pub(super) async fn sleeper(api: &Harness) -> String {
    let id = api.echo(&api.acme, json!({ "kind": "demo.sleep", "args": { "ms": 5 } })).await;
    assert_eq!(die(api, "default", "too short").await, 1);
    id
}

async fn an_edit_tells_what_it_changed(api: Harness) {
    let id = letter(&api, &api.acme, "q", json!({ "a": 1, "b": { "c": [1, 2] } }), "x").await;
    let path = format!("/v1/dead-letters/{id}");
    let args = json!({ "a": 1, "b": { "c": [1, 3] }, "d": null });
    let edited = patch(&api, &api.acme, &path, "\"0\"", json!({ "args": args })).await.expect(200);
    assert_eq!(edited.headers["etag"], "\"1\"");
    let diff = json!([{ "pointer": "/b/c/1", "before": 2, "after": 3 }, { "pointer": "/d", "after": null }]);
    assert_eq!((&edited.body["diff"], &edited.body["args"], &edited.body["revision"]), (&diff, &args, &json!(1)));
    let job = api.job(&id).await;
    let event = job.history.iter().find(|event| event.what == EventKind::Edited).expect("the history tells it");
    assert_eq!(event.worker.as_deref(), Some("test"), "by the key's name");
    assert_eq!(ids(&api, &api.acme, "").await, std::slice::from_ref(&id), "it stays in its place");
    let groups = api.get(&api.acme, "/v1/dead-letters/groups").await.expect(200).body;
    assert_eq!(groups["groups"][0]["count"], 1);
    // An operator may, too.
    let edited = patch(&api, &api.operator, &path, "1", json!({ "args": {} })).await.expect(200).body;
    assert_eq!(edited["diff"].as_array().map(Vec::len), Some(3), "{edited}");
}

async fn an_edit_that_is_refused_changes_nothing(api: Harness) {
    let id = sleeper(&api).await;
    let path = format!("/v1/dead-letters/{id}");
    let body = json!({ "args": { "ms": "long", "colour": 1 } });
    let refused = patch(&api, &api.acme, &path, "0", body).await.problem(422, "jobs.args_invalid");
    assert!(refused.pointers().contains(&"/args/ms"), "{}", refused.text);
    for (revision, body, status, code) in [
        ("", json!({ "args": { "ms": 6 } }), 428, "jobs.revision_missing"),
        ("1", json!({ "args": { "ms": 6 } }), 412, "jobs.revision_mismatch"),
        ("one", json!({ "args": { "ms": 6 } }), 422, "request.invalid"),
        ("0", json!({}), 422, "request.invalid"),
        ("0", json!({ "args": { "ms": 6 }, "priority": 9 }), 422, "request.invalid"),
        ("0", json!([]), 422, "request.invalid"),
    ] {
        patch(&api, &api.acme, &path, revision, body).await.problem(status, code);
    }
    patch(&api, &api.other, &path, "0", json!({ "args": { "ms": 6 } })).await.problem(404, "jobs.not_found");
    let living = api.echo(&api.acme, json!({})).await;
    patch(&api, &api.acme, &format!("/v1/dead-letters/{living}"), "0", json!({ "args": {} })).await.problem(404, "jobs.not_found");
    let job = api.job(&id).await;
    assert_eq!((job.revision, job.args.get()), (0, r#"{"ms":5}"#));
    assert!(!job.history.iter().any(|event| event.what == EventKind::Edited));
    let refused =
        patch(&api, &api.acme, &format!("/v1/jobs/{id}"), "0", json!({ "args": { "ms": 6 } })).await.problem(409, "jobs.not_editable");
    assert!(refused.text.contains(&path), "{}", refused.text);
    let old = job.id;
    let replay = Replay { id: old, new_id: Replay::id_of(old, old), args: None };
    api.broker.replay(&Scope::All, vec![replay]).await.expect("an answer").remove(0).expect("repeated");
    patch(&api, &api.acme, &path, "0", json!({ "args": { "ms": 6 } })).await.problem(409, "jobs.not_editable");
}

async fn groups_are_merged_over_queues_and_tenants(api: Harness) {
    letter(&api, &api.acme, "q1", json!({}), "account 1 is closed").await;
    letter(&api, &api.acme, "q2", json!({}), "account 2 is closed").await;
    let first_at = NOW + 25;
    api.clock.advance(Duration::from_secs(3_600));
    letter(&api, &api.other, "q1", json!({}), "account 3 is closed").await;
    let last_at = api.clock_now();
    letter(&api, &api.acme, "q1", json!({}), "timed out").await;
    sleeper(&api).await;

    let all = api.get(&api.operator, "/v1/dead-letters/groups").await.expect(200).body;
    let all = all["groups"].as_array().expect("groups").clone();
    assert_eq!(all.iter().map(|group| group["count"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(1), Some(1)], "{all:?}");
    let group = &all[0];
    assert_eq!(text(group, "fingerprint"), longshore_dlq::fingerprint("demo.echo", "demo.failed", "account 9 is closed"));
    assert_eq!(group["sample_error"], json!({ "code": "demo.failed", "message": "account 3 is closed" }));
    assert_eq!((text(group, "first_at"), text(group, "last_at")), (longshore_base::rfc3339(first_at), longshore_base::rfc3339(last_at)));
    assert_eq!((&group["queues"], &group["tenants"]), (&json!(["q1", "q2"]), &json!(["acme", "other"])));
    let hour = |at: i64, count: u64| json!({ "at": longshore_base::rfc3339(at), "count": count });
    assert_eq!(group["hours"], json!([hour(NOW, 2), hour(NOW + 3_600_000, 1)]));
    assert_eq!((&group["kind"], &group["note"], &group["acknowledged"]), (&json!("demo.echo"), &Value::Null, &json!(false)));

    let own = api.get(&api.other, "/v1/dead-letters/groups").await.expect(200).body;
    assert_eq!(own["groups"].as_array().map(Vec::len), Some(1));
    assert_eq!((&own["groups"][0]["count"], &own["groups"][0]["tenants"]), (&json!(1), &json!(["other"])));
    for (query, counts) in
        [("queue=q1", vec![2, 1]), ("tenant=acme&kind=demo.echo", vec![2, 1]), ("kind=demo.sleep", vec![1]), ("queue=none", vec![])]
    {
        let some = api.get(&api.operator, &format!("/v1/dead-letters/groups?{query}")).await.expect(200).body;
        let told: Vec<_> = some["groups"].as_array().expect("groups").iter().filter_map(|group| group["count"].as_u64()).collect();
        assert_eq!(told, counts, "{query}");
    }
    let refused = api.get(&api.acme, "/v1/dead-letters/groups?tenant=other&limit=1").await.problem(422, "request.invalid");
    assert_eq!(refused.pointers(), ["/limit", "/tenant"]);
}

async fn what_is_said_of_a_group_is_its_sayers(api: Harness) {
    letter(&api, &api.acme, "q", json!({}), "account 1 is closed").await;
    letter(&api, &api.other, "q", json!({}), "something else").await;
    let print = longshore_dlq::fingerprint("demo.echo", "demo.failed", "account 2 is closed");
    let path = format!("/v1/dead-letters/groups/{print}");
    let say = |key: String, body: Value| {
        let (api, path) = (&api, &path);
        async move { api.call(&key, "PATCH", path, body).await }
    };
    let said = say(api.acme.clone(), json!({ "note": " they moved ", "acknowledged": true })).await.expect(200).body;
    let now = longshore_base::rfc3339(api.clock_now());
    let want = json!({ "fingerprint": print, "note": "they moved", "noted_by": "test", "noted_at": now, "acknowledged": true,
        "acknowledged_by": "test", "acknowledged_at": now });
    assert_eq!(said, want);
    let group = |key: String| {
        let (api, print) = (&api, &print);
        async move {
            let groups = api.get(&key, "/v1/dead-letters/groups").await.expect(200).body;
            let found = groups["groups"].as_array().expect("groups").iter().find(|group| group["fingerprint"] == **print);
            found.cloned().expect("the group")
        }
    };
    let own = group(api.acme.clone()).await;
    for field in ["note", "noted_by", "acknowledged", "acknowledged_at"] {
        assert_eq!(own[field], want[field], "{field}");
    }
    assert_eq!(group(api.operator.clone()).await["note"], Value::Null, "an operator's words are others");
    say(api.operator.clone(), json!({ "note": "ours" })).await.expect(200);
    assert_eq!(
        (group(api.operator.clone()).await["note"].clone(), group(api.acme.clone()).await["note"].clone()),
        (json!("ours"), json!("they moved"))
    );
    let said = say(api.acme.clone(), json!({ "note": null })).await.expect(200).body;
    assert_eq!((&said["note"], &said["noted_by"], &said["acknowledged"]), (&Value::Null, &json!("test"), &json!(true)));
    let said = say(api.acme.clone(), json!({ "acknowledged": false })).await.expect(200).body;
    assert_eq!((&said["acknowledged"], &said["acknowledged_by"]), (&json!(false), &Value::Null));

    say(api.other.clone(), json!({ "note": "x" })).await.problem(404, "request.not_found");
    api.call(&api.acme, "PATCH", "/v1/dead-letters/groups/none", json!({ "note": "x" })).await.problem(404, "request.not_found");
    for (body, pointers) in [
        (json!({}), vec![""]),
        (json!({ "note": 5, "acknowledged": "yes", "colour": 1 }), vec!["/acknowledged", "/colour", "/note"]),
        (json!({ "acknowledged": null }), vec!["/acknowledged"]),
        (json!({ "note": "x".repeat(4_001) }), vec!["/note"]),
    ] {
        let refused = say(api.acme.clone(), body.clone()).await.problem(422, "request.invalid");
        assert_eq!(refused.pointers(), pointers, "{body}: {}", refused.text);
    }
}
