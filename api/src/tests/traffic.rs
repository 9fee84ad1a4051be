//! What counts as a request that is being answered.

use super::{
    ear::Ear,
    harness::{Harness, request},
};
use crate::routes::wired;
use axum::body::Body;
use futures::{poll, stream};
use std::convert::Infallible;
use tower::ServiceExt;

#[tokio::test]
async fn a_request_counts_until_it_is_answered_or_given_up_and_a_stream_does_not() {
    let mut harness = Harness::new().await;
    let (router, api) = wired(harness.state.clone());
    harness.router = router.clone();
    assert!(!api.hub.traffic.is_busy());

    let never = Body::from_stream(stream::pending::<Result<&[u8], Infallible>>());
    let mut call = Box::pin(router.oneshot(request(&harness.operator, "POST", "/v1/jobs").body(never).expect("a request")));
    assert!(poll!(&mut call).is_pending());
    assert!(api.hub.traffic.is_busy());
    drop(call);
    assert!(!api.hub.traffic.is_busy(), "whoever asked has gone");

    harness.make_queue("q").await;
    let ear = Ear::open(&harness, &harness.operator, "/v1/events?queue=q").await;
    assert!(!api.hub.traffic.is_busy(), "a stream that has begun holds nobody up");
    drop(ear);
    assert!(!api.hub.traffic.is_busy());
}
