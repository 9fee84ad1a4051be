//! The demo kinds do what their names say.

use crate::{Catalog, Failure, testing::House};
use longshore_base::Clock;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn at_attempt(kind: &'static str, args: Value, attempt: u16) -> String {
    let house = House::standard().await;
    let mut lease = house.leased(kind, args).await;
    lease.job.counters.attempts = attempt - 1;
    match Catalog::standard().run(&house.context(lease)).await.unwrap() {
        Ok(output) => output.get().to_owned(),
        Err(Failure::Retry(cause)) => format!("retry {}: {}", cause.code, cause.message),
        Err(Failure::Fatal(cause)) => format!("fatal {}: {}", cause.code, cause.message),
        Err(other) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn echo_returns_its_args() {
    assert_eq!(at_attempt("demo.echo", json!({"a": [1, {"b": null}]}), 1).await, r#"{"a":[1,{"b":null}]}"#);
}

#[tokio::test]
async fn fail_fails_as_often_as_it_is_told() {
    assert_eq!(at_attempt("demo.fail", json!({"times": 2}), 2).await, "retry demo.failed: asked to fail");
    assert_eq!(at_attempt("demo.fail", json!({"times": 2}), 3).await, r#"{"attempt":3}"#);
    assert_eq!(at_attempt("demo.fail", json!({}), 1_000).await, "retry demo.failed: asked to fail");
    assert_eq!(at_attempt("demo.fail", json!({"fatal": true, "message": "no"}), 1).await, "fatal demo.failed: no");
}

#[tokio::test]
async fn sleep_ends_by_the_clock_or_by_a_cancel() {
    let house = House::standard().await;
    let catalog = Catalog::standard();
    let cx = house.running("demo.sleep", json!({"ms": 1_000})).await;
    let (end, ()) = tokio::join!(catalog.run(&cx), async {
        crate::testing::settle().await;
        house.clock.advance(Duration::from_secs(1));
    });
    assert_eq!(end.unwrap().unwrap().get(), r#"{"slept_ms":1000}"#);
    assert_eq!(house.clock.elapsed(), Duration::from_secs(1));

    let cancelled = CancellationToken::new();
    let cx = house.context_with(house.leased("demo.sleep", json!({"ms": 86_400_000})).await, cancelled.clone());
    let (end, ()) = tokio::join!(catalog.run(&cx), async { cancelled.cancel() });
    assert!(matches!(end, Some(Err(Failure::Cancelled))));
}
