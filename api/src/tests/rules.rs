//! Limits, gates, resources and scaling: what is refused, and who may ask.

use super::harness::{Harness, request};
use axum::body::Body;
use longshore_queue::Broker;
use serde_json::{Value, json};

const SCOPES: [&str; 4] =
    ["/v1/queues/q", "/v1/queues/q/tenants/acme", "/v1/queues/q/kinds/demo.echo", "/v1/queues/q/keys/acme/account%2F7"];

fn budget(more: Value) -> Value {
    let mut budget = json!({ "units": 100, "period": "day", "hard": true });
    for (field, value) in more.as_object().into_iter().flatten() {
        budget[field] = value.clone();
    }
    json!({ "budget": budget })
}

#[tokio::test]
async fn every_fault_of_a_limit_has_its_pointer() {
    let api = Harness::new().await;
    let anywhere: Vec<(Value, &[&str])> = vec![
        (json!([]), &[""]),
        (json!({ "max_running": 0 }), &["/max_running"]),
        (json!({ "max_running": -1 }), &["/max_running"]),
        (json!({ "max_running": 1.5 }), &["/max_running"]),
        (json!({ "max_running": null }), &["/max_running"]),
        (json!({ "max_running": "5" }), &["/max_running"]),
        (json!({ "rate": 5 }), &["/rate"]),
        (json!({ "rate": {} }), &["/rate/count", "/rate/period_ms"]),
        (json!({ "rate": { "count": 0, "period_ms": 0, "burst": 0 } }), &["/rate/burst", "/rate/count", "/rate/period_ms"]),
        (json!({ "rate": { "count": 1, "period_ms": 1, "per": "s" } }), &["/rate/per"]),
        (json!({ "max_running": 0, "colour": "red" }), &["/colour", "/max_running"]),
    ];
    for scope in SCOPES {
        for (body, pointers) in &anywhere {
            let answer = api.call(&api.operator, "PUT", &format!("{scope}/limits"), body.clone()).await.problem(422, "request.invalid");
            assert_eq!(answer.pointers(), *pointers, "{scope} {body}: {}", answer.text);
        }
    }
    let tenants: Vec<(Value, &[&str])> = vec![
        (json!({ "weight": 0 }), &["/weight"]),
        (json!({ "weight": -1 }), &["/weight"]),
        (json!({ "weight": 0.0009 }), &["/weight"]),
        (json!({ "weight": 1000.5 }), &["/weight"]),
        (json!({ "max_share": 0 }), &["/max_share"]),
        (json!({ "max_share": 1.01 }), &["/max_share"]),
        (json!({ "budget": {} }), &["/budget/hard", "/budget/period", "/budget/units"]),
        (budget(json!({ "units": 0 })), &["/budget/units"]),
        (budget(json!({ "period": "week" })), &["/budget/period"]),
        (budget(json!({ "hard": 0 })), &["/budget/hard"]),
        (budget(json!({ "hard": 101 })), &["/budget/hard"]),
        (budget(json!({ "hard": "yes" })), &["/budget/hard"]),
        (budget(json!({ "soft": 0 })), &["/budget/soft"]),
        (budget(json!({ "soft": -0.5 })), &["/budget/soft"]),
        (budget(json!({ "soft": 101 })), &["/budget/soft"]),
        (budget(json!({ "soft": 1.5 })), &["/budget/soft"]),
        (budget(json!({ "hard": 101, "soft": 101 })), &["/budget/hard", "/budget/soft"]),
    ];
    for (body, pointers) in tenants {
        let answer = api.call(&api.operator, "PUT", &format!("{}/limits", SCOPES[1]), body.clone()).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers, "{body}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_is_a_tenants_is_refused_elsewhere_with_where_it_belongs() {
    let api = Harness::new().await;
    let body = json!({ "weight": 2, "max_share": 0.5, "budget": { "units": 1, "period": "hour", "hard": false } });
    for scope in [SCOPES[0], SCOPES[2], SCOPES[3]] {
        let answer = api.call(&api.operator, "PUT", &format!("{scope}/limits"), body.clone()).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), ["/budget", "/max_share", "/weight"], "{scope}");
        for fault in answer.body["errors"].as_array().expect("faults") {
            assert_eq!(fault["allowed"], "/v1/queues/q/tenants/{tenant}/limits");
        }
    }
}

#[tokio::test]
async fn scopes_are_named_by_paths() {
    let api = Harness::new().await;
    let long = "é".repeat(129);
    for (path, pointers) in [
        ("/v1/queues/a%20b/limits".to_owned(), vec!["/queue"]),
        ("/v1/queues/a%20b/tenants/b%20c/limits".into(), vec!["/queue", "/tenant"]),
        ("/v1/queues/q/kinds/%21/limits".into(), vec!["/kind"]),
        ("/v1/queues/q/keys/!/k/limits".into(), vec!["/tenant"]),
        (
            format!("/v1/queues/q/keys/acme/{long}/limits", long = long.bytes().map(|b| format!("%{b:02x}")).collect::<String>()),
            vec!["/key"],
        ),
        ("/v1/queues/q/keys/acme/%ff/limits".into(), vec!["/path"]),
        ("/v1/queues/q/keys/acme//limits".into(), vec!["/key"]),
        ("/v1/queues/q/limits?colour=red".into(), vec!["/colour"]),
        ("/v1/queues/q/clients/c/limits".into(), vec!["/scope"]),
        ("/v1/queues/q/planets/acme/k/limits".into(), vec!["/scope"]),
    ] {
        for (method, body) in [("GET", Value::Null), ("PUT", json!({})), ("DELETE", Value::Null)] {
            let answer = api.call(&api.operator, method, &path, body).await.problem(422, "request.invalid");
            assert_eq!(answer.pointers(), pointers, "{method} {path}");
        }
    }
    for path in ["/v1/queues/q/keys/acme/limits", "/v1/queues/q/rules"] {
        api.get(&api.operator, path).await.problem(404, "request.not_found");
    }
}

#[tokio::test]
async fn a_tenants_key_reads_its_own_rules_and_names_no_other_tenant() {
    let api = Harness::new().await;
    for path in ["/v1/queues/q/tenants/other/limits", "/v1/queues/q/keys/other/-/limits"] {
        assert_eq!(api.get(&api.acme, path).await.problem(422, "request.invalid").pointers(), ["/tenant"]);
    }
    for path in ["/v1/queues/q/limits", "/v1/queues/q/kinds/demo.echo/limits"] {
        api.get(&api.acme, path).await.problem(403, "auth.forbidden");
    }
    for scope in SCOPES {
        for (method, path) in [("PUT", "limits"), ("DELETE", "limits"), ("POST", "pause"), ("POST", "resume")] {
            api.call(&api.acme, method, &format!("{scope}/{path}"), json!({})).await.problem(403, "auth.forbidden");
        }
    }
}

#[tokio::test]
async fn a_gate_in_the_past_and_a_revision_that_is_none_are_refused() {
    let api = Harness::new().await;
    for path in SCOPES.into_iter().chain(["/v1/resources/ads"]) {
        for until in ["2027-01-15T07:59:59Z", "2027-01-15T08:00:00Z"] {
            let answer = api.post(&api.operator, &format!("{path}/pause"), json!({ "until": until })).await;
            assert_eq!(answer.problem(422, "request.invalid").pointers(), ["/until"], "{path}");
        }
        let faulty = json!({ "until": "soon", "reason": "r".repeat(257), "by": "me" });
        let answer = api.post(&api.operator, &format!("{path}/pause"), faulty).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), ["/by", "/reason", "/until"], "{path}");
        let limits = if path.starts_with("/v1/resources") { path.to_owned() } else { format!("{path}/limits") };
        for (method, tag) in [("PUT", "x"), ("PUT", "\"-1\""), ("PUT", "\"1"), ("DELETE", "W/\"1\""), ("DELETE", "")] {
            let sent = request(&api.operator, method, &limits).header("if-match", tag).body(Body::from("{}")).expect("a request");
            assert_eq!(api.send(sent).await.problem(422, "request.invalid").pointers(), ["/If-Match"], "{method} {limits} {tag}");
        }
        let twice = request(&api.operator, "DELETE", &limits).header("if-match", "1").header("if-match", "2");
        let answer = api.send(twice.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.problem(422, "request.invalid").pointers(), ["/If-Match"]);
    }
}

#[tokio::test]
async fn every_fault_of_a_quota_has_its_pointer() {
    let api = Harness::new().await;
    for (body, pointers) in [
        (json!({ "points": { "count": 0, "period_ms": 999 } }), vec!["/points/count", "/points/period_ms"]),
        (json!({ "points": {} }), vec!["/points/count", "/points/period_ms"]),
        (json!({ "rate": { "count": 1, "period_ms": 0 } }), vec!["/rate/period_ms"]),
        (json!({ "max_running": 0 }), vec!["/max_running"]),
        (json!({ "weight": 1, "budget": {} }), vec!["/budget", "/weight"]),
    ] {
        let answer = api.call(&api.operator, "PUT", "/v1/resources/ads", body.clone()).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    assert_eq!(api.get(&api.operator, "/v1/resources/a%20b").await.problem(422, "request.invalid").pointers(), ["/name"]);
    api.get(&api.operator, "/v1/resources/none-such").await.problem(404, "request.not_found");
    let any = request(&api.operator, "PUT", "/v1/resources/none-such").header("if-match", "*").body(Body::from("{}")).expect("a request");
    api.send(any).await.problem(412, "rules.revision_mismatch");
}

#[tokio::test]
async fn kinds_point_to_what_a_job_uses() {
    let api = Harness::new().await;
    let put = |body: Value| api.call(&api.operator, "PUT", "/v1/kinds/ads.sync", body);
    let record = |more: Value| {
        let mut body = json!({ "version": 1, "args_schema": { "type": "object" } });
        more.as_object().into_iter().flatten().for_each(|(field, value)| body[field] = value.clone());
        body
    };
    for (more, pointers) in [
        (json!({ "cost": "rows" }), vec!["/cost"]),
        (json!({ "resources": ["a b", "/~2", "fine", "/fine"] }), vec!["/resources/0", "/resources/1"]),
        (json!({ "resources": vec!["r"; 9] }), vec!["/resources"]),
        (json!({ "resources": [5] }), vec!["/resources/0"]),
    ] {
        let answer = put(record(more.clone())).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers, "{more}");
    }
    put(record(json!({ "cost": "/rows", "resources": ["model", "/account"] }))).await.expect(200);
    let post = |args: Value| api.post(&api.acme, "/v1/jobs", json!({ "kind": "ads.sync", "args": args }));
    let id = post(json!({ "rows": 2.5, "account": "a-7" })).await.expect(202).id();
    let job = api.get(&api.acme, &format!("/v1/jobs/{id}")).await.expect(200).body;
    assert_eq!((&job["cost"], &job["resources"]), (&json!(3), &json!(["a-7", "model"])));
    for (args, pointers) in [
        (json!({}), vec!["/args/account"]),
        (json!({ "account": "a b", "rows": -1 }), vec!["/args/account", "/args/rows"]),
        (json!({ "account": 7 }), vec!["/args/account"]),
    ] {
        assert_eq!(post(args.clone()).await.problem(422, "request.invalid").pointers(), pointers, "{args}");
    }
}

#[tokio::test]
async fn an_autoscaler_reads_a_plain_number() {
    let api = Harness::new().await;
    for _ in 0..30 {
        api.echo(&api.operator, json!({ "queue": "q" })).await;
    }
    let read = async |query: &str| api.get(&api.operator, &format!("/v1/scaling/q{query}")).await.expect(200).body;
    let facts = read("?clear_in_ms=10000").await;
    assert_eq!((&facts["backlog"], &facts["running"]), (&json!(30), &json!(0)));
    // Thirty jobs of an unknown duration, which counts as a second.
    assert_eq!(facts.pointer("/wanted").and_then(Value::as_u64), Some(3));
    assert!(facts["rate_per_s"].is_number() && facts.get("clear_in_ms").is_some());
    assert_eq!(read("?clear_in_ms=1000&max=7").await["wanted"], 7);
    assert_eq!(read("?clear_in_ms=1000000&min=4").await["wanted"], 4);
    assert_eq!(read("").await["wanted"], 1, "in a minute");
    let none = api.get(&api.operator, "/v1/scaling/not-yet").await.expect(200).body;
    assert_eq!((&none["backlog"], &none["wanted"]), (&json!(0), &json!(0)), "asked before the first job");
    let queues = api.broker.queues().await.expect("queues");
    assert!(queues.iter().all(|queue| queue.as_str() != "not-yet"), "asking makes no queue: {queues:?}");
    for (query, pointers) in [("clear_in_ms=0", vec!["/clear_in_ms"]), ("min=5&max=4", vec!["/min"]), ("max=0&x=1", vec!["/max", "/x"])] {
        let answer = api.get(&api.operator, &format!("/v1/scaling/q?{query}")).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers);
    }
}
