//! What is too much, in process.

use super::harness::{Harness, request};
use crate::Limits;
use axum::body::{Body, Bytes};
use futures::stream;
use std::{convert::Infallible, time::Duration};

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let api = Harness::with(Limits { body_bytes_max: 1000, ..Limits::default() }).await;
    let told = request(&api.operator, "POST", "/v1/jobs").header("content-length", "1001").body(Body::from(vec![b' '; 1001]));
    api.send(told.expect("a request")).await.problem(413, "request.too_large");
    let chunks = stream::iter((0..20).map(|_| Ok::<_, Infallible>(Bytes::from(vec![b' '; 100]))));
    let untold = request(&api.operator, "POST", "/v1/jobs").body(Body::from_stream(chunks));
    api.send(untold.expect("a request")).await.problem(413, "request.too_large");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let api = Harness::with(Limits { body_time: Duration::from_millis(20), ..Limits::default() }).await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let request = request(&api.operator, "POST", "/v1/jobs").body(never).expect("a request");
    api.send(request).await.problem(408, "request.timeout");
}

#[tokio::test]
async fn a_batch_is_bounded_by_its_limit() {
    let api = Harness::with(Limits { batch_max: 2, ..Limits::default() }).await;
    let jobs = serde_json::json!({ "jobs": [1, 2, 3] });
    assert_eq!(api.post(&api.operator, "/v1/jobs/batch", jobs).await.problem(422, "request.invalid").pointers(), ["/jobs"]);
}
