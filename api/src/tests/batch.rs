//! Batches: per item, in order.

use super::{
    flaky::Cut,
    harness::{Harness, on_both},
};
use serde_json::{Value, json};

on_both!(each_item_has_its_own_result, the_envelope_of_a_batch_is_checked, a_batch_that_nobody_took_is_503,);

fn echo(n: usize) -> Value {
    json!({ "kind": "demo.echo", "args": { "n": n } })
}

async fn each_item_has_its_own_result(api: Harness) {
    let jobs = json!([echo(0), { "kind": "none.such", "args": {} }, 5, { "kind": "demo.sleep", "args": {} }, echo(4), { "kind": "demo.echo", "args": {}, "tenant": "other" }]);
    let answer = api.post(&api.acme, "/v1/jobs/batch", json!({ "jobs": jobs })).await.expect(202);
    let results = answer.body["results"].as_array().expect("results");
    assert_eq!(results.len(), 6);
    let code = |n: usize| results[n]["error"]["code"].as_str();
    assert_eq!(
        [code(1), code(2), code(3), code(5)],
        [Some("jobs.kind_unknown"), Some("request.invalid"), Some("jobs.args_invalid"), Some("request.invalid")]
    );
    assert_eq!(results[3]["error"]["errors"][0]["pointer"], "/args/ms");
    assert_eq!(answer.body["durability"], "durable");
    for n in [0, 4] {
        assert_eq!((&results[n]["state"], &results[n]["duplicate"]), (&json!("ready"), &json!(false)));
        let job = api.job(results[n]["id"].as_str().expect("an id")).await;
        assert_eq!(job.args.get(), format!("{{\"n\":{n}}}"), "in the order of the request");
    }
}

async fn the_envelope_of_a_batch_is_checked(api: Harness) {
    for (body, pointers) in [
        (json!({}), vec!["/jobs"]),
        (json!({ "jobs": [] }), vec!["/jobs"]),
        (json!({ "jobs": {} }), vec!["/jobs"]),
        (json!({ "jobs": [echo(1)], "colour": 1 }), vec!["/colour"]),
        (json!([echo(1)]), vec![""]),
        (json!({ "jobs": vec![echo(1); 10_001] }), vec!["/jobs"]),
    ] {
        assert_eq!(api.post(&api.operator, "/v1/jobs/batch", body).await.problem(422, "request.invalid").pointers(), pointers);
    }
    let most = api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": vec![echo(1); 10_000] })).await.expect(202);
    assert_eq!(most.body["results"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(api.get(&api.operator, "/v1/queues").await.body["queues"][0]["ready"], 10_000);
}

async fn a_batch_that_nobody_took_is_503(api: Harness) {
    api.broker.cut([Cut::Full]);
    let answer = api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": [echo(0), echo(1)] })).await.problem(503, "queue.full");
    assert_eq!(answer.headers["retry-after"], "3");
}
