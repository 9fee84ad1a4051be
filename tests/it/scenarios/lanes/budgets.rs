//! Budgets over a restart and a crash, as an operator sees them.

use crate::scenarios::Engine;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// `hard` and `soft` thresholds hold over `kill -9`: what was reserved then is charged, and what was settled before stays so.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_holds_over_a_crash_and_a_restart() {
    let short = [("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")];
    let mut engine = Engine::up(&short).await;
    limit(&engine, 10).await;
    engine.enqueue(jobs(6, 1)).await;
    engine.queue_until("default", "six completed", SOON, |q| q["completed"] == 6).await;
    // Three that run when the process is killed: their units stay taken, and their next runs take theirs again.
    engine.enqueue(jobs(3, 60_000)).await;
    engine.queue_until("default", "three run", SOON, |q| q["running"] == 3).await;
    engine.front().kill();
    engine.start_front("up", &[]).await;
    // 6 settled, 3 charged for the crash: one unit is left, so one starts, and the tenant is closed.
    engine.queue_until("default", "one of the three runs again", SOON, |q| q["running"] == 1 && q["retrying"] == 0).await;
    engine.enqueue(jobs(4, 1)).await;
    let free = engine.enqueue(vec![json!({"kind": "demo.sleep", "args": {"ms": 1}, "tenant": "other"})]).await;
    engine.until(&free[0], "completed", SOON).await;
    let queue = engine.queue("default").await;
    assert_eq!((&queue["running"], &queue["ready"], &queue["completed"]), (&json!(1), &json!(6), &json!(7)), "{queue}");
    let lines = engine.get("/v1/queues/default/tenants/agency/limits").await;
    assert_eq!(lines["budget"]["units"], 10, "{lines}");

    limit(&engine, 1_000).await;
    engine.queue_until("default", "the others start", SOON, |q| q["running"] == 3 && q["completed"] == 11).await;
}

async fn limit(engine: &Engine, units: u64) {
    let body = json!({"budget": {"units": units, "period": "month", "hard": true, "soft": 0.5}});
    engine.call("PUT", "/v1/queues/default/tenants/agency/limits", Some(body)).await;
}

fn jobs(n: usize, ms: u64) -> Vec<Value> {
    (0..n).map(|_| json!({"kind": "demo.sleep", "tenant": "agency", "args": {"ms": ms}})).collect()
}
