//! A broker that fails: repeated with the same ids until the deadline, and told as it is after it.

use super::{
    flaky::Cut,
    harness::{Answer, Harness},
};
use crate::Limits;
use serde_json::json;
use std::time::Duration;

/// The clock moves by itself, so that the waits between tries end.
pub(super) async fn post(api: &Harness, path: &str, body: serde_json::Value) -> Answer {
    let sent = api.post(&api.operator, path, body);
    tokio::pin!(sent);
    loop {
        tokio::select! {
            biased;
            answer = &mut sent => return answer,
            () = tokio::task::yield_now() => api.clock.advance(Duration::from_millis(10)),
        }
    }
}

fn echo() -> serde_json::Value {
    json!({ "kind": "demo.echo", "args": {} })
}

async fn count(api: &Harness) -> usize {
    api.get(&api.operator, "/v1/jobs?limit=1000").await.body["items"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_cut_reply_is_repeated_and_makes_one_job() {
    let api = Harness::new().await;
    for cuts in [vec![Cut::After], vec![Cut::Before, Cut::After, Cut::Moving, Cut::After], vec![Cut::Moving; 5]] {
        let before = count(&api).await;
        api.broker.cut(cuts);
        let answer = post(&api, "/v1/jobs", echo()).await.expect(202);
        assert_eq!(answer.body["duplicate"], false, "its own earlier try is no duplicate");
        assert_eq!(count(&api).await, before + 1);
    }
    let before = count(&api).await;
    api.broker.cut([Cut::After, Cut::After]);
    let answer = post(&api, "/v1/jobs/batch", json!({ "jobs": [echo(), echo(), echo()] })).await.expect(202);
    assert!(answer.body["results"].as_array().is_some_and(|all| all.iter().all(|item| item["duplicate"] == false)));
    assert_eq!(count(&api).await, before + 3);
}

#[tokio::test]
async fn nothing_sent_until_the_deadline_is_unavailable() {
    let api = Harness::with(Limits { deadline: Duration::from_secs(2), ..Limits::default() }).await;
    api.broker.cut(vec![Cut::Before; 1000]);
    for (path, body) in [("/v1/jobs", echo()), ("/v1/jobs/batch", json!({ "jobs": [echo(), echo()] }))] {
        let answer = post(&api, path, body).await.problem(503, "queue.unavailable");
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(answer.body["ids"].is_null());
        assert!(!answer.text.contains("secret-host"), "hosts stay in the log: {}", answer.text);
    }
    assert!((8..60).contains(&api.broker.calls()), "with growing waits: {} calls", api.broker.calls());
}

#[tokio::test]
async fn what_may_have_been_done_is_told_with_its_ids() {
    let api = Harness::with(Limits { deadline: Duration::from_secs(2), ..Limits::default() }).await;
    api.broker.cut([Cut::After].into_iter().chain(vec![Cut::Before; 1000]));
    let answer = post(&api, "/v1/jobs/batch", json!({ "jobs": [echo(), echo()] })).await.problem(503, "queue.outcome_unknown");
    let ids = answer.body["ids"].as_array().expect("ids").clone();
    assert_eq!(ids.len(), 2);
    for id in ids {
        let id = id.as_str().expect("text").parse().expect("an id");
        let found =
            longshore_queue::Broker::list(&*api.broker, &longshore_base::Scope::All, &Default::default(), 10, None).await.expect("jobs");
        assert!(found.items.iter().any(|job| job.id == id), "the ids are those of the jobs that were made");
    }
}

#[tokio::test]
async fn a_full_broker_is_told_at_once() {
    let api = Harness::new().await;
    api.broker.cut([Cut::Full]);
    let answer = api.post(&api.operator, "/v1/jobs", echo()).await.problem(503, "queue.full");
    assert_eq!(answer.body["detail"], "81 %", "whether it is the memory or the disk");
    assert_eq!(answer.headers["retry-after"], "3");
    assert_eq!(api.broker.calls(), 1);
}

#[tokio::test]
async fn an_edit_whose_answer_was_lost_is_not_repeated_into_a_refusal() {
    let api = Harness::new().await;
    let id = api.echo(&api.operator, json!({})).await;
    let revision = api.job(&id).await.revision.to_string();
    // The first call reads the job, the second is the edit.
    api.broker.cut([Cut::None, Cut::After]);
    let request = super::harness::request(&api.operator, "PATCH", &format!("/v1/jobs/{id}")).header("if-match", revision);
    let request = request.header("x-request-id", "edit").body(axum::body::Body::from(r#"{"priority": 1}"#));
    let answer = api.send(request.expect("a request")).await;
    let answer = answer.problem(503, "queue.outcome_unknown");
    assert_eq!(answer.body["ids"], json!([id]));
    assert_eq!(answer.body["request_id"], "edit");
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_served() {
    let api = Harness::new().await;
    let clock = std::sync::Arc::new(api.clock.clone());
    let state = crate::ApiState { own_metrics: Some(std::sync::Arc::new(|| panic!("a fault of ours"))), clock, ..api.state.clone() };
    let router = crate::router(state);
    let ask = |path: &str| {
        let request = super::harness::request(&api.operator, "GET", path).body(axum::body::Body::empty()).expect("a request");
        tower::ServiceExt::oneshot(router.clone(), request)
    };
    let answer = ask("/metrics").await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 500);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(ask("/v1/jobs").await.expect("an answer").status().as_u16(), 200);
}

#[tokio::test]
async fn a_store_that_is_gone_is_503() {
    let api = Harness::new().await;
    api.state.store.close().await;
    api.get(&api.operator, "/v1/jobs").await.problem(503, "store.unavailable");
}
