//! The document and the router are the same table, and the same as the contract's.

use super::harness::{Harness, fine, kind};
use serde_json::{Value, json};

/// What CONTRACT.md names, as far as this version has it.
const ROUTES: &[&str] = &[
    "DELETE /v1/keys/{id}",
    "DELETE /v1/queues/{queue}/keys/{tenant}/{key}/limits",
    "DELETE /v1/queues/{queue}/kinds/{kind}/limits",
    "DELETE /v1/queues/{queue}/limits",
    "DELETE /v1/queues/{queue}/tenants/{tenant}/limits",
    "DELETE /v1/resources/{name}",
    "DELETE /v1/schedules/{name}",
    "GET /",
    "GET /docs",
    "GET /errors/{code}",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v1/dead-letters",
    "GET /v1/dead-letters/export",
    "GET /v1/dead-letters/groups",
    "GET /v1/dead-letters/{id}",
    "GET /v1/events",
    "GET /v1/jobs",
    "GET /v1/jobs/{id}",
    "GET /v1/jobs/{id}/events",
    "GET /v1/jobs/{id}/logs",
    "GET /v1/jobs/{id}/why",
    "GET /v1/keys",
    "GET /v1/kinds",
    "GET /v1/kinds/{name}",
    "GET /v1/operations/{id}",
    "GET /v1/queues",
    "GET /v1/queues/{queue}",
    "GET /v1/queues/{queue}/keys/{tenant}/{key}/limits",
    "GET /v1/queues/{queue}/kinds/{kind}/limits",
    "GET /v1/queues/{queue}/lanes",
    "GET /v1/queues/{queue}/limits",
    "GET /v1/queues/{queue}/tenants/{tenant}/limits",
    "GET /v1/resources",
    "GET /v1/resources/{name}",
    "GET /v1/scaling/{queue}",
    "GET /v1/schedules",
    "GET /v1/schedules/{name}",
    "GET /v1/schedules/{name}/next",
    "GET /v1/schedules/{name}/ticks",
    "GET /v1/workers",
    "PATCH /v1/dead-letters/groups/{fingerprint}",
    "PATCH /v1/dead-letters/{id}",
    "PATCH /v1/jobs/{id}",
    "POST /v1/dead-letters/import",
    "POST /v1/dead-letters/purge",
    "POST /v1/dead-letters/replay",
    "POST /v1/dead-letters/undo",
    "POST /v1/jobs",
    "POST /v1/jobs/batch",
    "POST /v1/jobs/bulk",
    "POST /v1/jobs/{id}/cancel",
    "POST /v1/jobs/{id}/retry",
    "POST /v1/keys",
    "POST /v1/operations/{id}/cancel",
    "POST /v1/queues/{queue}/keys/{tenant}/{key}/pause",
    "POST /v1/queues/{queue}/keys/{tenant}/{key}/resume",
    "POST /v1/queues/{queue}/kinds/{kind}/pause",
    "POST /v1/queues/{queue}/kinds/{kind}/resume",
    "POST /v1/queues/{queue}/pause",
    "POST /v1/queues/{queue}/resume",
    "POST /v1/queues/{queue}/tenants/{tenant}/pause",
    "POST /v1/queues/{queue}/tenants/{tenant}/resume",
    "POST /v1/resources/{name}/pause",
    "POST /v1/resources/{name}/resume",
    "POST /v1/schedules/{name}/backfill",
    "POST /v1/schedules/{name}/pause",
    "POST /v1/schedules/{name}/resume",
    "POST /v1/schedules/{name}/run",
    "POST /v1/workers/{id}/drain",
    "POST /v1/workers/{id}/quiet",
    "POST /v1/workers/{id}/resume",
    "PUT /v1/kinds/{name}",
    "PUT /v1/queues/{queue}/keys/{tenant}/{key}/limits",
    "PUT /v1/queues/{queue}/kinds/{kind}/limits",
    "PUT /v1/queues/{queue}/limits",
    "PUT /v1/queues/{queue}/scale",
    "PUT /v1/queues/{queue}/tenants/{tenant}/limits",
    "PUT /v1/resources/{name}",
    "PUT /v1/schedules/{name}",
];

#[tokio::test]
async fn the_document_is_the_router_is_the_contract() {
    let api = Harness::new().await;
    let document = api.get("", "/openapi.json").await.expect(200).body;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut told = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let real = path.replace("{id}", "x").replace("{queue}", "q").replace("{name}", "k").replace("{code}", "internal");
        let real = real.replace("{tenant}", "t").replace("{kind}", "k").replace("{key}", "-");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = api.call(&api.operator, method, &real, Value::Null).await;
            let known = answer.status != 405;
            assert_eq!(known, item.get(method.to_lowercase()).is_some(), "{method} {path}: {}", answer.text);
            if known {
                told.push(format!("{method} {path}"));
            } else {
                let answer = answer.problem(405, "request.method_not_allowed");
                assert!(answer.headers.contains_key("allow"), "{method} {path}");
            }
        }
    }
    told.sort();
    let mut wanted = ROUTES.to_vec();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    api.get(&api.operator, "/v1/nothing").await.problem(404, "request.not_found");
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let api = Harness::new().await;
    let mut record = kind("with:defs", true);
    record.args_schema = json!({ "$ref": "#/$defs/Tree", "$defs": { "Tree": { "type": "object", "required": ["next", "when"],
        "properties": { "next": { "type": "array", "items": { "$ref": "#/$defs/Tree" } }, "when": { "type": "string", "format": "date-time" } } } } });
    api.state.checker.register(vec![record]).await.expect("registered");
    let document = api.get("", "/openapi.json").await.expect(200).body;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 30, "{found:?}");
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let items = document["paths"].as_object().into_iter().flatten().filter_map(|(_, item)| item.as_object());
    let ids: Vec<_> = items.flat_map(|item| item.values()).map(|operation| operation["operationId"].as_str().expect("an id")).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "ids of operations are unique: {ids:?}");
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for name in schemas.keys() {
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{name} is no component's name");
    }
    for needed in ["Problem", "NewJob", "Job", "kind.demo.echo.args", "kind.http.request.args", "kind.with_defs.args"] {
        assert!(schemas.contains_key(needed), "{needed} is missing");
    }
    let examples = &document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"];
    assert_eq!(examples["with:defs"]["value"]["args"], json!({ "next": [], "when": "2030-01-01T00:00:00.000Z" }));
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_examples_are_requests_that_are_taken() {
    let api = Harness::new().await;
    let document = api.get("", "/openapi.json").await.expect(200).body;
    let examples = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
        .as_object()
        .expect("examples")
        .clone();
    assert!(examples.len() >= 4, "{examples:?}");
    for (name, example) in examples {
        let answer = api.post(&api.operator, "/v1/jobs", example["value"].clone()).await;
        assert_eq!(answer.status, 202, "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn pages_are_whole_and_load_nothing_from_elsewhere() {
    let api = Harness::new().await;
    for path in ["/docs", "/errors/jobs.args_invalid"] {
        let answer = api.get("", path).await.expect(200);
        assert!(answer.headers["content-security-policy"].to_str().is_ok_and(|policy| policy.starts_with("default-src 'none'")));
        assert!(!answer.text.contains("{{"), "{path} has a placeholder left");
        assert!(!answer.text.contains("http://") && !answer.text.contains("https://"), "{path} names another host");
    }
    assert_eq!(api.get("", "/").await.expect(200).body["docs"], "/docs");
    let html = super::harness::request("", "GET", "/").header("accept", "text/html").body(axum::body::Body::empty()).expect("a request");
    assert!(api.send(html).await.expect(200).text.starts_with("<!doctype html>"));
    for code in longshore_base::Code::ALL {
        api.get("", &format!("/errors/{code}")).await.expect(200);
    }
    api.get("", "/errors/none.such").await.problem(404, "request.not_found");
}

#[tokio::test]
async fn health_needs_no_key_and_says_what_is_wrong() {
    let api = Harness::new().await;
    assert!(fine(api.get("", "/healthz").await.status));
    assert!(fine(api.get("", "/readyz").await.status));
    api.broker.cut([super::flaky::Cut::Before]);
    let answer = api.get("", "/readyz").await.problem(503, "queue.unavailable");
    assert_eq!(answer.pointers(), ["/broker"]);
    assert!(!answer.text.contains("secret-host"), "{}", answer.text);
    api.state.store.close().await;
    assert_eq!(api.get("", "/readyz").await.problem(503, "store.unavailable").pointers(), ["/store"]);
    assert!(fine(api.get("", "/healthz").await.status), "alive all the same");
}

#[tokio::test]
async fn a_role_that_leases_is_ready_only_while_it_does() {
    let api = Harness::new().await;
    for (last, ready) in [(None, false), (Some(1), true), (Some(31), false)] {
        let last = last.map(std::time::Duration::from_secs);
        let router = crate::router(crate::ApiState { last_lease: Some(std::sync::Arc::new(move || last)), ..api.state.clone() });
        let request = super::harness::request("", "GET", "/readyz").body(axum::body::Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(router, request).await.expect("an answer");
        assert_eq!(fine(answer.status().as_u16()), ready, "{last:?}");
    }
}
