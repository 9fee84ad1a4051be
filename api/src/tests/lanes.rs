//! Rules at work: limits with their revisions, gates, lanes, resources, and the reasons told.

use super::harness::{Answer, Harness, on_both, request};
use axum::body::Body;
use longshore_base::Name;
use longshore_queue::{Broker, Outcome, ServedQueue, WorkerReport, WorkerState};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    limits_are_set_read_and_taken_away,
    two_operators_change_a_limit_and_the_second_is_told,
    keys_of_lanes_are_told_apart_by_their_paths,
    gates_close_and_open_every_scope,
    a_tenant_reads_its_own_rules,
    lanes_are_listed_with_what_holds_them,
    resources_are_made_paused_and_removed,
    every_reason_has_the_call_that_removes_it,
    a_tenant_is_told_only_what_it_may_see_and_do,
    an_ended_job_says_why,
    slots_follow_a_backlog_until_somebody_says_otherwise,
);

async fn put(api: &Harness, path: &str, tag: Option<&str>, body: Value) -> Answer {
    let builder = request(&api.operator, "PUT", path);
    let builder = match tag {
        Some(tag) => builder.header("if-match", tag),
        None => builder,
    };
    api.send(builder.body(Body::from(body.to_string())).expect("a request")).await
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().expect("an ETag").to_owned()
}

/// A live worker with this many slots in `default`.
async fn worker(api: &Harness, slots: u32) {
    let report = WorkerReport {
        id: "worker-1".into(),
        host: "host".into(),
        pid: 1,
        version: "0.1.0".into(),
        started_at: super::harness::NOW,
        seen_at: 0,
        queues: vec![ServedQueue { name: Name::literal("default"), slots, running: 0 }],
        kinds: vec![Name::literal("demo.echo"), Name::literal("demo.fail"), Name::literal("ads.sync")],
        state: WorkerState::Active,
    };
    api.broker.beat(report, Duration::from_secs(3_600)).await.expect("a beat");
}

/// A kind with lanes by account, costs by rows, and one resource.
async fn ads(api: &Harness) {
    let record =
        json!({ "version": 1, "args_schema": { "type": "object" }, "lane_by": ["/account"], "cost": "/rows", "resources": ["ads"] });
    api.call(&api.operator, "PUT", "/v1/kinds/ads.sync", record).await.expect(200);
}

async fn sync(api: &Harness, key: &str, account: &str, rows: u32) -> String {
    let job = json!({ "kind": "ads.sync", "args": { "account": account, "rows": rows } });
    api.post(key, "/v1/jobs", job).await.expect(202).id()
}

/// Leases up to `n` jobs and leaves them running.
async fn lease(api: &Harness, n: usize) -> usize {
    let request = longshore_queue::LeaseRequest {
        queue: Name::literal("default"),
        worker: "worker-1".into(),
        call: api.broker.next_call(),
        n,
        kinds: std::sync::Arc::from([Name::literal("ads.sync"), Name::literal("demo.echo"), Name::literal("demo.fail")]),
        lease: Duration::from_secs(3_600),
    };
    api.broker.lease(&request).await.expect("a lease").leases.len()
}

async fn why(api: &Harness, key: &str, id: &str) -> Value {
    api.get(key, &format!("/v1/jobs/{id}/why")).await.expect(200).body
}

fn codes(why: &Value) -> Vec<&str> {
    why["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason["code"].as_str()).collect()
}

async fn limits_are_set_read_and_taken_away(api: Harness) {
    let tenant = "/v1/queues/not-yet/tenants/acme/limits";
    let full = json!({ "max_running": 5, "rate": { "count": 100, "period_ms": 60_000 }, "weight": 2.5, "max_share": 0.5,
        "budget": { "units": 1000, "period": "day", "hard": true, "soft": 0.8 } });
    let made = put(&api, tenant, None, full).await.expect(200);
    assert_eq!(tag(&made), "\"1\"");
    for field in ["max_running", "weight", "max_share"] {
        assert!(made.body[field].is_number(), "{field}: {}", made.text);
    }
    assert_eq!(made.body["rate"], json!({ "count": 100, "period_ms": 60_000, "burst": 1 }));
    assert_eq!(made.body["budget"], json!({ "units": 1000, "period": "day", "hard": true, "soft": 0.8 }));
    assert_eq!(made.body["budget_state"]["resets_at"], "2027-01-16T00:00:00.000Z");
    let read = api.get(&api.operator, tenant).await.expect(200);
    assert_eq!((&read.body, tag(&read)), (&made.body, "\"1\"".to_owned()));
    let less = put(&api, tenant, Some("\"1\""), json!({ "max_running": 1 })).await.expect(200);
    assert_eq!((tag(&less).as_str(), less.body.get("rate"), less.body.get("budget")), ("\"2\"", None, None), "all are replaced together");
    let gone = api.call(&api.operator, "DELETE", tenant, Value::Null).await.expect(204);
    assert_eq!((tag(&gone).as_str(), gone.text.as_str()), ("\"3\"", ""));
    let read = api.get(&api.operator, tenant).await.expect(200).body;
    assert_eq!((read.get("max_running"), &read["revision"], &read["gate"]), (None, &json!(3), &Value::Null));
    assert_eq!(api.get(&api.operator, "/v1/queues/q/limits").await.expect(200).body["revision"], 0, "never set");
}

async fn two_operators_change_a_limit_and_the_second_is_told(api: Harness) {
    let path = "/v1/queues/q/limits";
    let first = tag(&put(&api, path, Some("\"0\""), json!({ "max_running": 1 })).await.expect(200));
    put(&api, path, Some(&first), json!({ "max_running": 2 })).await.expect(200);
    put(&api, path, Some(&first), json!({ "max_running": 3 })).await.problem(412, "rules.revision_mismatch");
    let delete = request(&api.operator, "DELETE", path).header("if-match", first).body(Body::empty()).expect("a request");
    api.send(delete).await.problem(412, "rules.revision_mismatch");
    assert_eq!(api.get(&api.operator, path).await.body["max_running"], 2, "nothing changed");
    put(&api, path, Some("*"), json!({ "max_running": 4 })).await.expect(200);
    put(&api, path, Some("3"), json!({ "max_running": 5 })).await.expect(200);
    put(&api, path, Some("\"9\""), json!({ "max_running": 0 })).await.problem(422, "request.invalid");
    put(&api, path, None, json!({ "max_running": 6 })).await.expect(200);
}

async fn keys_of_lanes_are_told_apart_by_their_paths(api: Harness) {
    let keys = [("-", ""), ("%2D%2D", "-"), ("---", "--"), ("a%2Fb", "a/b"), ("%C3%A9", "é"), ("a%20-", "a -"), ("%25", "%")];
    for (n, (segment, _)) in keys.iter().enumerate() {
        put(&api, &format!("/v1/queues/q/keys/acme/{segment}/limits"), None, json!({ "max_running": n + 1 })).await.expect(200);
    }
    for (n, (segment, key)) in keys.iter().enumerate() {
        let read = api.get(&api.operator, &format!("/v1/queues/q/keys/acme/{segment}/limits")).await.expect(200).body;
        assert_eq!((&read["key"], &read["max_running"]), (&json!(key), &json!(n + 1)), "{segment}");
    }
}

async fn gates_close_and_open_every_scope(api: Harness) {
    ads(&api).await;
    worker(&api, 10).await;
    let id = sync(&api, &api.acme, "a/7", 1).await;
    for (scope, code) in [
        ("/v1/queues/default", "gated.queue"),
        ("/v1/queues/default/tenants/acme", "gated.tenant"),
        ("/v1/queues/default/kinds/ads.sync", "gated.kind"),
        ("/v1/queues/default/keys/acme/a%2F7", "gated.key"),
    ] {
        let pause = json!({ "reason": "too dear", "until": "2027-01-15T09:00:00Z" });
        let paused = api.post(&api.operator, &format!("{scope}/pause"), pause).await.expect(200).body;
        let gate = if code == "gated.queue" { &paused["pause"] } else { &paused["gate"] };
        assert_eq!((&gate["by"], &gate["reason"]), (&json!("test"), &json!("too dear")), "{paused}");
        let told = why(&api, &api.operator, &id).await;
        assert_eq!(codes(&told), [code]);
        let reason = &told["reasons"][0];
        assert_eq!((&reason["by"], &reason["until"]), (&json!(["test"]), &json!("2027-01-15T09:00:00.000Z")));
        assert_eq!(reason["change"], json!({ "method": "POST", "path": format!("{scope}/resume"), "body": {} }));
        assert_eq!(lease(&api, 1).await, 0, "{scope} is closed");
        let opened = api.post(&api.operator, &format!("{scope}/resume"), Value::Null).await.expect(200).body;
        assert!(opened["gate"].is_null() && opened["pause"].is_null(), "{opened}");
        assert_eq!(codes(&why(&api, &api.operator, &id).await), Vec::<&str>::new());
    }
    assert_eq!(lease(&api, 1).await, 1);
}

async fn a_tenant_reads_its_own_rules(api: Harness) {
    let limits = json!({ "budget": { "units": 10, "period": "hour", "hard": 5 } });
    put(&api, "/v1/queues/default/tenants/acme/limits", None, limits).await.expect(200);
    let own = api.get(&api.acme, "/v1/queues/default/tenants/acme/limits").await.expect(200).body;
    assert_eq!((&own["budget"]["hard"], &own["budget_state"]["left"]), (&json!(5), &json!(10)));
    api.get(&api.acme, "/v1/queues/default/keys/acme/-/limits").await.expect(200);
    api.get(&api.other, "/v1/queues/default/tenants/acme/limits").await.problem(422, "request.invalid");
}

async fn lanes_are_listed_with_what_holds_them(api: Harness) {
    ads(&api).await;
    for (key, account) in [(&api.acme, "one"), (&api.acme, "one"), (&api.acme, "two"), (&api.other, "one")] {
        sync(&api, key, account, 1).await;
    }
    put(&api, "/v1/queues/default/tenants/acme/limits", None, json!({ "weight": 3 })).await.expect(200);
    put(&api, "/v1/queues/default/keys/acme/one/limits", None, json!({ "max_running": 1 })).await.expect(200);
    api.post(&api.operator, "/v1/queues/default/keys/acme/two/pause", json!({ "reason": "429" })).await.expect(200);
    let lanes = api.get(&api.operator, "/v1/queues/default/lanes").await.expect(200).body["lanes"].take();
    let lanes = lanes.as_array().expect("lanes");
    let at = |tenant: &str, key: &str| lanes.iter().find(|lane| lane["tenant"] == tenant && lane["key"] == key).expect("the lane");
    let one = at("acme", "one");
    assert_eq!((&one["kind"], &one["ready"], &one["running"]), (&json!("ads.sync"), &json!(2), &json!(0)));
    assert_eq!((&one["limits"], &one["share"]), (&json!({ "max_running": 1 }), &json!(0.75)));
    let gate = &at("acme", "two")["gate"];
    assert_eq!((&gate["by"], &gate["reason"], &gate["cause"]), (&json!("test"), &json!("429"), &json!("person")));
    assert_eq!((lanes.len(), &at("other", "one")["share"]), (3, &json!(0.25)));

    let own = api.get(&api.other, "/v1/queues/default/lanes").await.expect(200).body;
    assert_eq!(own["lanes"].as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(
        api.get(&api.operator, "/v1/queues/default/lanes?limit=2").await.expect(200).body["lanes"].as_array().map(Vec::len),
        Some(2)
    );
    for query in ["limit=0", "limit=1001", "tenant=acme"] {
        api.get(&api.operator, &format!("/v1/queues/default/lanes?{query}")).await.problem(422, "request.invalid");
    }
    api.get(&api.operator, "/v1/queues/none-such/lanes").await.problem(404, "request.not_found");
}

async fn resources_are_made_paused_and_removed(api: Harness) {
    let path = "/v1/resources/ads";
    for (method, path) in [("DELETE", "/v1/resources/ads"), ("POST", "/v1/resources/ads/pause"), ("POST", "/v1/resources/ads/resume")] {
        api.call(&api.operator, method, path, json!({})).await.problem(404, "request.not_found");
    }
    let made = put(&api, path, None, json!({ "points": { "count": 1000, "period_ms": 60_000 }, "max_running": 4 })).await.expect(200);
    assert_eq!((tag(&made).as_str(), &made.body["points"]["count"], made.body.get("rate")), ("\"1\"", &json!(1000), None));
    put(&api, path, Some("\"1\""), json!({ "rate": { "count": 5, "period_ms": 1000, "burst": 2 } })).await.expect(200);
    put(&api, path, Some("\"1\""), json!({})).await.problem(412, "rules.revision_mismatch");
    put(&api, path, Some("*"), json!({ "max_running": 1 })).await.expect(200);
    let paused = api.post(&api.operator, "/v1/resources/ads/pause", json!({ "reason": "quota" })).await.expect(200).body;
    assert_eq!((&paused["gate"]["by"], &paused["gate"]["reason"]), (&json!("test"), &json!("quota")));
    let listed = api.get(&api.operator, "/v1/resources").await.expect(200).body;
    assert_eq!((&listed["resources"][0]["name"], &listed["resources"][0]["revision"]), (&json!("ads"), &json!(3)));

    ads(&api).await;
    worker(&api, 10).await;
    let id = sync(&api, &api.acme, "a", 1).await;
    let told = why(&api, &api.operator, &id).await;
    assert_eq!((codes(&told), &told["reasons"][0]["change"]["path"]), (vec!["gated.resource"], &json!("/v1/resources/ads/resume")));
    api.post(&api.operator, "/v1/resources/ads/resume", Value::Null).await.expect(200);
    api.call(&api.operator, "DELETE", path, Value::Null).await.expect(204);
    api.get(&api.operator, path).await.problem(404, "request.not_found");
}

/// Makes the call that a reason names.
async fn follow(api: &Harness, told: &Value, code: &str) {
    let reason = told["reasons"].as_array().into_iter().flatten().find(|reason| reason["code"] == code);
    let change = &reason.unwrap_or_else(|| panic!("{code} is not told: {told}"))["change"];
    let (method, path) = (change["method"].as_str().expect("a method"), change["path"].as_str().expect("a path"));
    api.call(&api.operator, method, path, change["body"].clone()).await.expect(200);
}

async fn every_reason_has_the_call_that_removes_it(api: Harness) {
    ads(&api).await;
    worker(&api, 100).await;
    let queue = "/v1/queues/default";
    for (path, limits, code) in [
        ("/limits", json!({ "max_running": 1, "rate": { "count": 1000, "period_ms": 1, "burst": 1000 } }), "limit.queue"),
        ("/tenants/acme/limits", json!({ "max_running": 1, "weight": 2.0 }), "limit.tenant"),
        ("/tenants/acme/limits", json!({ "max_share": 0.001 }), "limit.tenant"),
        ("/tenants/acme/limits", json!({ "budget": { "units": 3, "period": "day", "hard": true } }), "budget"),
        ("/tenants/acme/limits", json!({ "budget": { "units": 9, "period": "day", "hard": 2, "soft": 8.0 } }), "budget"),
        ("/kinds/ads.sync/limits", json!({ "max_running": 1 }), "limit.kind"),
        ("/keys/acme/a/limits", json!({ "max_running": 1 }), "limit.key"),
        ("/keys/acme/a/limits", json!({ "rate": { "count": 1, "period_ms": 3_600_000 } }), "rate.key"),
        ("/limits", json!({ "rate": { "count": 1, "period_ms": 3_600_000 } }), "rate.queue"),
        ("/scale", json!({ "slots": 1 }), "limit.queue"),
    ] {
        let path = format!("{queue}{path}");
        put(&api, &path, None, limits.clone()).await.expect(200);
        sync(&api, &api.acme, "a", 3).await;
        assert_eq!(lease(&api, 1).await, 1, "{limits}");
        let second = sync(&api, &api.acme, "a", 3).await;
        assert_eq!(lease(&api, 1).await, 0, "{limits}");
        let told = why(&api, &api.operator, &second).await;
        assert_eq!(codes(&told), [code], "{limits}: {told}");
        follow(&api, &told, code).await;
        assert_eq!(codes(&why(&api, &api.operator, &second).await), Vec::<&str>::new(), "{limits}");
        assert_eq!(lease(&api, 1).await, 1, "what was told removes what was told: {limits}");
        let after = api.get(&api.operator, &path.replace("/scale", "/limits")).await.body;
        let kept = limits.as_object().into_iter().flatten().find(|(field, _)| matches!(field.as_str(), "weight"));
        assert!(kept.is_none_or(|(field, value)| after[field] == *value), "what is not in the way stays: {after}");
        api.run("default", |_| Outcome::Complete { output: None }).await;
        clean(&api, &path).await;
    }
    let later = api.echo(&api.operator, json!({ "delay_ms": 60_000 })).await;
    follow(&api, &why(&api, &api.operator, &later).await, "not_due").await;
    assert_eq!(api.job(&later).await.state, longshore_queue::State::Ready);
}

/// Ends what runs, by letting the leases go, and takes the rules away.
async fn clean(api: &Harness, path: &str) {
    api.broker.extend(&Name::literal("default"), "worker-1", &[], u64::MAX, Duration::from_secs(1)).await.expect("given back");
    for job in api.get(&api.operator, "/v1/jobs?queue=default&state=ready").await.body["items"].as_array().into_iter().flatten() {
        let id = job["id"].as_str().expect("an id");
        api.post(&api.operator, &format!("/v1/jobs/{id}/cancel"), Value::Null).await.expect(200);
    }
    match path.strip_suffix("/scale") {
        Some(_) => drop(put(api, path, None, json!({ "slots": null })).await.expect(200)),
        None => drop(api.call(&api.operator, "DELETE", path, Value::Null).await.expect(204)),
    }
}

async fn a_tenant_is_told_only_what_it_may_see_and_do(api: Harness) {
    ads(&api).await;
    worker(&api, 10).await;
    put(&api, "/v1/queues/default/limits", None, json!({ "max_running": 1 })).await.expect(200);
    let foreign = sync(&api, &api.other, "a", 1).await;
    assert_eq!(lease(&api, 1).await, 1);
    let id = sync(&api, &api.acme, "a", 1).await;
    let told = why(&api, &api.acme, &id).await;
    assert_eq!(codes(&told), ["limit.queue"]);
    assert!(!told.to_string().contains(&foreign), "{told}");
    assert_eq!((told["reasons"][0].get("by"), told["reasons"][0].get("change")), (None, None), "{told}");
    assert!(told["reasons"][0]["detail"].as_str().is_some_and(|text| text.contains("not yours to see")), "{told}");
    let told = why(&api, &api.operator, &id).await;
    assert_eq!(told["reasons"][0]["by"], json!([foreign]));
    api.get(&api.other, &format!("/v1/jobs/{id}/why")).await.problem(404, "jobs.not_found");

    let later = api.echo(&api.acme, json!({ "delay_ms": 60_000 })).await;
    let told = why(&api, &api.acme, &later).await;
    assert_eq!(told["reasons"][0]["change"], json!({ "method": "POST", "path": format!("/v1/jobs/{later}/retry"), "body": {} }));
    assert_eq!((&told["state"], &told["reasons"][0]["until"]), (&json!("scheduled"), &json!("2027-01-15T08:01:00.000Z")));
}

async fn an_ended_job_says_why(api: Harness) {
    let done = api.echo(&api.acme, json!({})).await;
    api.run("default", |_| Outcome::Complete { output: None }).await;
    assert_eq!(codes(&why(&api, &api.acme, &done).await), ["ended.completed"]);
    let cancelled = api.echo(&api.acme, json!({})).await;
    api.post(&api.acme, &format!("/v1/jobs/{cancelled}/cancel"), Value::Null).await.expect(200);
    assert_eq!(codes(&why(&api, &api.acme, &cancelled).await), ["ended.cancelled"]);
    let dead = api.echo(&api.acme, json!({})).await;
    let error = longshore_queue::ErrorInfo { code: "http.status".into(), message: "404 Not Found\nbody".into(), fingerprint: "f".into() };
    api.run("default", |_| Outcome::Dead { error: error.clone(), reason: longshore_queue::Reason::Fatal }).await;
    let told = why(&api, &api.acme, &dead).await;
    assert_eq!((codes(&told), &told["state"], &told["ahead"]), (vec!["ended.fatal"], &json!("dead"), &json!(0)));
    assert!(told["reasons"][0]["detail"].as_str().is_some_and(|text| text.ends_with("http.status: 404 Not Found")), "{told}");
    assert_eq!(told["reasons"][0]["change"]["path"], format!("/v1/jobs/{dead}/retry"));
    let running = api.echo(&api.acme, json!({})).await;
    assert_eq!(lease(&api, 1).await, 1);
    let told = why(&api, &api.acme, &running).await;
    assert_eq!((&told["state"], &told["reasons"]), (&json!("running"), &json!([])));
}

async fn slots_follow_a_backlog_until_somebody_says_otherwise(api: Harness) {
    let scale = |body: Value| api.call(&api.operator, "PUT", "/v1/queues/default/scale", body);
    let auto = json!({ "min": 1, "max": 5, "clear_in_ms": 1000, "step": 2, "cool_down_ms": 60_000 });
    let view = scale(json!({ "auto": auto })).await.expect(200).body;
    assert_eq!((&view["auto"], &view["slots"]), (&auto, &Value::Null));
    for _ in 0..50 {
        api.echo(&api.acme, json!({})).await;
    }
    let facts = api.get(&api.operator, "/v1/scaling/default").await.expect(200).body;
    assert_eq!((&facts["backlog"], &facts["wanted"]), (&json!(50), &json!(2)), "one step");
    assert_eq!(api.get(&api.operator, "/v1/scaling/default?max=1").await.expect(200).body["wanted"], 1);
    let view = scale(json!({ "slots": 3 })).await.expect(200).body;
    assert_eq!((&view["auto"], &view["slots"]), (&Value::Null, &json!(3)), "by hand from now on");
    scale(json!({ "auto": auto })).await.expect(200);
    let view = scale(json!({ "auto": null })).await.expect(200).body;
    assert_eq!((&view["auto"], &view["slots"]), (&Value::Null, &json!(3)), "it stands where it was");
}
