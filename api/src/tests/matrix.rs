//! Every route × every caller.

use super::harness::{Harness, request};
use axum::{body::Body, http::header};
use serde_json::{Value, json};

/// Routes of an operator alone.
const OPERATORS: [(&str, &str); 35] = [
    ("POST", "/v1/queues/{queue}/pause"),
    ("POST", "/v1/queues/{queue}/resume"),
    ("PUT", "/v1/queues/{queue}/scale"),
    ("GET", "/v1/scaling/{queue}"),
    ("GET", "/v1/queues/{queue}/limits"),
    ("PUT", "/v1/queues/{queue}/limits"),
    ("DELETE", "/v1/queues/{queue}/limits"),
    ("PUT", "/v1/queues/{queue}/tenants/{tenant}/limits"),
    ("DELETE", "/v1/queues/{queue}/tenants/{tenant}/limits"),
    ("POST", "/v1/queues/{queue}/tenants/{tenant}/pause"),
    ("POST", "/v1/queues/{queue}/tenants/{tenant}/resume"),
    ("GET", "/v1/queues/{queue}/kinds/{kind}/limits"),
    ("PUT", "/v1/queues/{queue}/kinds/{kind}/limits"),
    ("DELETE", "/v1/queues/{queue}/kinds/{kind}/limits"),
    ("POST", "/v1/queues/{queue}/kinds/{kind}/pause"),
    ("POST", "/v1/queues/{queue}/kinds/{kind}/resume"),
    ("PUT", "/v1/queues/{queue}/keys/{tenant}/{key}/limits"),
    ("DELETE", "/v1/queues/{queue}/keys/{tenant}/{key}/limits"),
    ("POST", "/v1/queues/{queue}/keys/{tenant}/{key}/pause"),
    ("POST", "/v1/queues/{queue}/keys/{tenant}/{key}/resume"),
    ("GET", "/v1/resources"),
    ("GET", "/v1/resources/{name}"),
    ("PUT", "/v1/resources/{name}"),
    ("DELETE", "/v1/resources/{name}"),
    ("POST", "/v1/resources/{name}/pause"),
    ("POST", "/v1/resources/{name}/resume"),
    ("PUT", "/v1/kinds/{name}"),
    ("GET", "/v1/workers"),
    ("POST", "/v1/workers/{id}/quiet"),
    ("POST", "/v1/workers/{id}/resume"),
    ("POST", "/v1/workers/{id}/drain"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/{id}"),
    ("GET", "/metrics"),
];

/// Every route that needs a key, from the document.
pub(super) async fn closed(api: &Harness) -> Vec<(String, String)> {
    let document = api.get("", "/openapi.json").await.expect(200).body;
    let paths = document["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, item)| item.as_object().expect("operations").iter().map(move |(verb, op)| (verb, path, op)));
    each.filter(|(_, _, op)| op["security"].is_array()).map(|(verb, path, _)| (verb.to_uppercase(), path.clone())).collect()
}

fn filled(path: &str, id: &str) -> String {
    let path = path.replace("{id}", id).replace("{queue}", "default").replace("{name}", "demo.echo");
    path.replace("{tenant}", "acme").replace("{kind}", "demo.echo").replace("{key}", "-").replace("{fingerprint}", "f")
}

#[tokio::test]
async fn without_a_valid_key_every_route_is_401_before_anything_else() {
    let api = Harness::new().await;
    let job = api.echo(&api.acme, json!({})).await;
    let routes = closed(&api).await;
    assert!(routes.len() >= 24, "{routes:?}");
    let mut changed = api.operator.clone();
    changed.replace_range(40..44, if &changed[40..44] == "0000" { "1111" } else { "0000" });
    let basic = format!("Basic {}", api.operator);
    let not_there = longshore_store::KeyText::generate(1, &*longshore_base::SeededRandom::new(99));
    let bearer = |key: &str| format!("Bearer {key}");
    let bad = [
        "",
        "Bearer",
        "Bearer ",
        "garbage",
        &basic,
        &bearer("lsk_x"),
        &bearer(&changed),
        &bearer(not_there.reveal()),
        &bearer(&api.revoked),
    ];
    for (method, path) in
        routes.iter().map(|(m, p)| (m.as_str(), p.as_str())).chain([("GET", "/v1/nothing"), ("BREW", "/v1/jobs"), ("GET", "/else")])
    {
        for value in bad {
            let mut request = request("", method, &filled(path, &job));
            if !value.is_empty() {
                request = request.header(header::AUTHORIZATION, value);
            }
            let answer = api.send(request.body(Body::from("{not json")).expect("a request")).await;
            let answer = answer.problem(401, "auth.unauthorized");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer", "{method} {path} {value}");
        }
    }
}

#[tokio::test]
async fn a_tenants_key_is_refused_what_is_an_operators() {
    let api = Harness::new().await;
    for (method, path) in OPERATORS {
        let answer = api.call(&api.acme, method, &filled(path, "x"), json!({ "nonsense": true })).await;
        answer.problem(403, "auth.forbidden");
        let answer = api.call(&api.operator, method, &filled(path, "x"), Value::Null).await;
        assert_ne!(answer.status, 403, "{method} {path}");
    }
    for (method, path) in closed(&api).await {
        if !OPERATORS.contains(&(&method, &path)) {
            let answer = api.call(&api.acme, &method, &filled(&path, "x"), Value::Null).await;
            assert_ne!(answer.status, 403, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn another_tenants_job_does_not_exist() {
    let api = Harness::new().await;
    let job = api.echo(&api.acme, json!({})).await;
    let routes: Vec<_> = closed(&api).await.into_iter().filter(|(_, path)| path.starts_with("/v1/jobs/{id}")).collect();
    assert_eq!(routes.len(), 7, "{routes:?}");
    for (method, path) in routes {
        let body = if method == "PATCH" { Body::from(r#"{"priority": 1}"#) } else { Body::empty() };
        let request = |key: &str, body| request(key, &method, &filled(&path, &job)).header("if-match", "1").body(body).expect("a request");
        api.send(request(&api.other, body)).await.problem(404, "jobs.not_found");
    }
    for unknown in ["00000000-0000-7000-8000-000000000000", "no-id", "%2e%2e", "%ff"] {
        api.get(&api.acme, &format!("/v1/jobs/{unknown}")).await.problem(404, "jobs.not_found");
    }
    assert_eq!(api.job(&job).await.state, longshore_queue::State::Ready, "nobody changed it");
    api.get(&api.acme, &format!("/v1/jobs/{job}")).await.expect(200);
    api.get(&api.operator, &format!("/v1/jobs/{job}")).await.expect(200);
}

#[tokio::test]
async fn a_tenants_key_sees_and_names_only_its_own() {
    let api = Harness::new().await;
    api.make_queue("shared").await;
    api.make_queue("others-alone").await;
    api.echo(&api.acme, json!({ "queue": "shared" })).await;
    api.echo(&api.other, json!({ "queue": "shared" })).await;
    api.echo(&api.other, json!({ "queue": "others-alone" })).await;

    let own = api.get(&api.acme, "/v1/jobs").await.expect(200).body;
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(own["items"][0]["tenant"], "acme");
    let all = api.get(&api.operator, "/v1/jobs").await.expect(200).body;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(3));

    let queues = api.get(&api.acme, "/v1/queues").await.expect(200).body;
    assert_eq!((&queues["queues"][0]["name"], &queues["queues"][0]["ready"]), (&json!("shared"), &json!(1)));
    assert_eq!(queues["queues"].as_array().map(Vec::len), Some(1), "{queues}");
    api.get(&api.acme, "/v1/queues/others-alone").await.problem(404, "request.not_found");
    assert_eq!(api.get(&api.operator, "/v1/queues/shared").await.expect(200).body["ready"], 2);

    let job = json!({ "kind": "demo.echo", "args": {}, "tenant": "other" });
    assert_eq!(api.post(&api.acme, "/v1/jobs", job.clone()).await.problem(422, "request.invalid").pointers(), ["/tenant"]);
    assert_eq!(api.get(&api.acme, "/v1/jobs?tenant=other").await.problem(422, "request.invalid").pointers(), ["/tenant"]);
    let id = api.post(&api.operator, "/v1/jobs", job).await.expect(202).id();
    assert_eq!(api.job(&id).await.tenant.as_str(), "other");
    let id = api.echo(&api.operator, json!({})).await;
    assert_eq!(api.job(&id).await.tenant.as_str(), "default");
    api.echo(&api.acme, json!({ "tenant": "acme" })).await;
}

#[tokio::test]
async fn a_revoked_key_ends_here_at_once_and_elsewhere_soon() {
    let api = Harness::new().await;
    let made = api.post(&api.operator, "/v1/keys", json!({ "name": "ci", "role": "tenant", "tenant": "acme" })).await.expect(201);
    let key = made.body["key"].as_str().expect("a key").to_owned();
    let elsewhere = crate::router(api.state.clone());
    let ask = |router: axum::Router| {
        let request = request(&key, "GET", "/v1/jobs").body(Body::empty()).expect("a request");
        async move { tower::ServiceExt::oneshot(router, request).await.expect("an answer").status().as_u16() }
    };
    assert_eq!((ask(api.router.clone()).await, ask(elsewhere.clone()).await), (200, 200));
    api.call(&api.operator, "DELETE", &format!("/v1/keys/{}", made.id()), Value::Null).await.expect(204);
    assert_eq!(ask(api.router.clone()).await, 401);
    api.clock.advance(std::time::Duration::from_millis(4900));
    assert_eq!(ask(elsewhere).await, 401);
}
