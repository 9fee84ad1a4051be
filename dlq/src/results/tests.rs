//! The first result counts, whatever comes after it.

use super::{FirstResult, first_result};
use crate::testing::{House, LEASE, failed, name};
use longshore_queue::{Broker, JobId, Outcome, Reason, Scope};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);

async fn result(house: &House, id: JobId) -> FirstResult {
    house.letters().results(&[id]).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_completed_first_attempt_is_well() {
    let house = House::new();
    let id = house.put("q", "acme", json!({}), 3).await;
    assert_eq!(result(&house, id).await, FirstResult::Open);
    let lease = house.lease(id).await;
    assert_eq!(result(&house, id).await, FirstResult::Open, "it runs");
    house.end(&lease, Outcome::Snooze { after: SOON }).await;
    assert_eq!(result(&house, id).await, FirstResult::Open, "it sleeps");
    let lease = house.lease(id).await;
    house.end(&lease, Outcome::Complete { output: None }).await;
    assert_eq!(result(&house, id).await, FirstResult::Well);
}

#[tokio::test]
async fn a_failed_first_attempt_is_failing_even_if_the_next_one_completes() {
    let house = House::new();
    let id = house.put("q", "acme", json!({}), 3).await;
    let lease = house.lease(id).await;
    house.end(&lease, Outcome::Retry { after: SOON, error: failed("x") }).await;
    assert_eq!(result(&house, id).await, FirstResult::Failing);
    let lease = house.lease(id).await;
    house.end(&lease, Outcome::Complete { output: None }).await;
    assert_eq!(result(&house, id).await, FirstResult::Failing);
    let dead = house.put("q", "acme", json!({}), 3).await;
    let lease = house.lease(dead).await;
    house.end(&lease, Outcome::Dead { reason: Reason::Fatal, error: failed("x") }).await;
    assert_eq!(result(&house, dead).await, FirstResult::Failing);
    let mut job = house.job(dead).await;
    job.history.clear();
    assert_eq!(first_result(&job), FirstResult::Failing, "its state says so where its history does not");
}

#[tokio::test]
async fn a_lost_worker_is_failing_and_a_cancelled_job_has_no_result() {
    let house = House::new();
    let lost = house.put("q", "acme", json!({}), 3).await;
    house.lease(lost).await;
    for _ in 0..100 {
        // A longer silence would be a jump of the clock, which reaps nobody at once.
        house.clock.advance(LEASE / 5);
        house.broker.tick(&name("q"), LEASE).await.unwrap();
        if result(&house, lost).await != FirstResult::Open {
            break;
        }
    }
    assert_eq!(result(&house, lost).await, FirstResult::Failing);
    let cancelled = house.put("p", "acme", json!({}), 3).await;
    house.broker.cancel(&Scope::All, &[cancelled]).await.unwrap().remove(0).unwrap();
    assert_eq!(result(&house, cancelled).await, FirstResult::Never);
    assert_eq!(result(&house, house.id().await).await, FirstResult::Never, "it is gone");
}
