//! Unique keys: a key in (queue, tenant, kind), and what a second job with it comes to.

use super::{Case, LONG, OTHER, SHORT, args, complete, dead, for_signal, retry};
use crate::{Due, NewJob, Outcome, State, Unique, UniqueMode};
use longshore_base::Name;
use std::time::Duration;

fn unique(c: &Case, mode: UniqueMode) -> NewJob {
    NewJob { unique: Some(Unique { key: "key / ü".into(), mode }), ..c.job() }
}

/// The second job comes to the first, and nothing changes.
async fn meets(c: &Case, mode: UniqueMode, first: crate::JobId) {
    let enqueued = c.unchanged(c.enqueue(unique(c, mode))).await;
    assert_eq!((enqueued.id, enqueued.state, enqueued.duplicate), (first, c.state(first).await, true));
}

/// *keep*: the first is answered in every live state, until it ends.
pub async fn q5_unique_keep_holds_until_the_end(c: &Case) {
    let first = c.put(NewJob { due: Due::In(LONG), ..unique(c, UniqueMode::Keep) }).await;
    meets(c, UniqueMode::Keep, first).await;
    c.broker.retry_now(&crate::Scope::All, first).await.expect("ready");
    meets(c, UniqueMode::Keep, first).await;
    let lease = c.one().await;
    meets(c, UniqueMode::Keep, first).await;
    c.ack(&lease, retry(Duration::ZERO)).await;
    meets(c, UniqueMode::Keep, first).await;
    let lease = c.one_soon().await;
    c.ack(&lease, complete()).await;
    c.put(unique(c, UniqueMode::Keep)).await;
}

/// Every end frees the key.
pub async fn q5_unique_keep_is_freed_by_every_end(c: &Case) {
    for outcome in [complete(), dead(), Outcome::Cancel] {
        let lease = c.run(unique(c, UniqueMode::Keep)).await;
        c.ack(&lease, outcome).await;
    }
    let id = c.put(unique(c, UniqueMode::Keep)).await;
    c.cancel(id).await.expect("cancelled");
    let id = c.put(NewJob { expires_at: Some(c.now().await + 50), ..unique(c, UniqueMode::Keep) }).await;
    c.until_state(id, State::Cancelled).await;
    let lease = c.run(unique(c, UniqueMode::Keep)).await;
    c.ack(&lease, retry(LONG)).await;
    c.broker.give_up(&crate::Scope::All, lease.job.id).await.expect("given up");
    let id = c.put(NewJob { wait: Some(for_signal("go")), ..unique(c, UniqueMode::Keep) }).await;
    meets(c, UniqueMode::Keep, id).await;
}

/// The key belongs to one queue, tenant and kind.
pub async fn q5_unique_key_is_of_queue_tenant_and_kind(c: &Case) {
    let job = || unique(c, UniqueMode::Keep);
    c.put(job()).await;
    c.put(NewJob { tenant: Name::literal("two"), ..job() }).await;
    c.put(NewJob { kind: Name::literal(OTHER), ..job() }).await;
    c.put(NewJob { unique: Some(Unique { key: "another".into(), mode: UniqueMode::Keep }), ..c.job() }).await;
    let other = c.beside().await;
    other.put(unique(&other, UniqueMode::Keep)).await;
}

/// Two with one key in a batch make one job.
pub async fn q5_unique_inside_one_batch(c: &Case) {
    let jobs = vec![unique(c, UniqueMode::Keep), unique(c, UniqueMode::Keep)];
    let first = jobs[0].id;
    let answers = c.broker.enqueue(jobs).await.expect("an answer");
    let told: Vec<_> = answers.into_iter().map(|a| a.expect("taken")).map(|a| (a.id, a.duplicate)).collect();
    assert_eq!(told, [(first, false), (first, true)]);
}

/// The id is looked at before the unique key.
pub async fn q3_enqueue_looks_at_the_id_first(c: &Case) {
    let plain = c.job();
    c.put(plain.clone()).await;
    c.put(unique(c, UniqueMode::Keep)).await;
    let enqueued = c.unchanged(c.enqueue(NewJob { id: plain.id, ..unique(c, UniqueMode::Keep) })).await;
    assert_eq!((enqueued.id, enqueued.duplicate), (plain.id, true));
}

/// *keep until started*: a second may wait while the first runs, a third meets the second.
pub async fn q5_unique_keep_until_started_holds_until_the_start(c: &Case) {
    let mode = UniqueMode::KeepUntilStarted;
    let first = c.put(unique(c, mode)).await;
    meets(c, mode, first).await;
    let lease = c.one().await;
    let second = c.put(unique(c, mode)).await;
    meets(c, mode, second).await;
    c.ack(&lease, complete()).await;
    meets(c, mode, second).await;
}

/// *replace*: the first keeps its id and gets the newest args and due time; a Ready one may become Scheduled.
pub async fn q3_ready_replaced_gets_the_newest_args(c: &Case) {
    let mode = UniqueMode::Replace { wait_max: None };
    let first = c.put(unique(c, mode)).await;
    let enqueued = c.enqueue(NewJob { args: args("newest"), due: Due::In(LONG), ..unique(c, mode) }).await;
    assert_eq!((enqueued.id, enqueued.state, enqueued.duplicate), (first, State::Scheduled, true));
    let job = c.get(first).await;
    assert_eq!((job.state, job.args.get()), (State::Scheduled, args("newest").get()));
    assert!(c.lease(5).await.is_empty(), "it has left its lane");
    assert_eq!(c.all().await.len(), 1);
}

/// A Scheduled one may become Ready, or wait longer.
pub async fn q3_scheduled_replaced_moves_its_due_time(c: &Case) {
    let mode = UniqueMode::Replace { wait_max: None };
    let first = c.put(NewJob { due: Due::In(LONG), ..unique(c, mode) }).await;
    let before = c.get(first).await.due_at.expect("due");
    c.enqueue(NewJob { due: Due::In(LONG * 2), ..unique(c, mode) }).await;
    assert!(c.get(first).await.due_at.expect("due") >= before + 3_600_000);
    let enqueued = c.enqueue(NewJob { args: args("now"), ..unique(c, mode) }).await;
    assert_eq!((enqueued.id, enqueued.state), (first, State::Ready));
    assert_eq!(c.one().await.job.args.get(), args("now").get());
}

/// The due time is pushed at most `wait_max` past the creation.
pub async fn q5_unique_replace_waits_at_most_wait_max(c: &Case) {
    let mode = UniqueMode::Replace { wait_max: Some(Duration::from_secs(60)) };
    let first = c.put(NewJob { due: Due::In(Duration::from_secs(30)), ..unique(c, mode) }).await;
    c.enqueue(NewJob { due: Due::In(Duration::from_secs(600)), ..unique(c, mode) }).await;
    let job = c.get(first).await;
    assert_eq!(job.due_at, Some(job.created_at + 60_000));
}

/// A job that has started is not replaced: the key moves to the new job.
pub async fn q5_unique_replace_leaves_started_jobs_alone(c: &Case) {
    let mode = UniqueMode::Replace { wait_max: None };
    let lease = c.run(unique(c, mode)).await;
    let second = c.put(unique(c, mode)).await;
    let enqueued = c.enqueue(NewJob { args: args("third"), ..unique(c, mode) }).await;
    assert_eq!((enqueued.id, enqueued.duplicate), (second, true));
    assert_eq!(c.get(lease.job.id).await.args.get(), lease.job.args.get());
    c.ack(&lease, retry(LONG)).await;
    c.enqueue(NewJob { args: args("fourth"), ..unique(c, mode) }).await;
    assert_eq!(c.get(lease.job.id).await.args.get(), lease.job.args.get(), "not even while it rests");
    assert_eq!(c.get(second).await.args.get(), args("fourth").get());
}

/// The old holder's end does not free a key that has moved on.
pub async fn q5_unique_replace_key_stays_with_the_new_holder(c: &Case) {
    let mode = UniqueMode::Replace { wait_max: None };
    let lease = c.run(unique(c, mode)).await;
    let second = c.put(unique(c, mode)).await;
    c.ack(&lease, complete()).await;
    assert_eq!(c.enqueue(unique(c, mode)).await.id, second);
}

/// A merged id is remembered: repeating its enqueue makes no second job, not even after the first has ended.
pub async fn q5_unique_replace_remembers_merged_ids(c: &Case) {
    let mode = UniqueMode::Replace { wait_max: None };
    let first = c.put(unique(c, mode)).await;
    let second = NewJob { args: args("second"), ..unique(c, mode) };
    assert_eq!(c.enqueue(second.clone()).await.id, first);
    let enqueued = c.enqueue(second.clone()).await;
    assert_eq!((enqueued.id, enqueued.duplicate), (first, true));
    c.ack(&c.one().await, complete()).await;
    let enqueued = c.unchanged(c.enqueue(second)).await;
    assert_eq!((enqueued.id, enqueued.state, enqueued.duplicate), (first, State::Completed, true));
}

/// *throttle*: one per window, counted from the enqueue, ended or not.
pub async fn q5_unique_throttle_is_one_per_window(c: &Case) {
    let long = UniqueMode::Throttle { window: LONG };
    let lease = c.run(unique(c, long)).await;
    meets(c, long, lease.job.id).await;
    c.ack(&lease, complete()).await;
    meets(c, long, lease.job.id).await;
    let short = UniqueMode::Throttle { window: SHORT };
    let job = || NewJob { unique: Some(Unique { key: "short".into(), mode: short }), ..c.job() };
    let first = c.put(job()).await;
    c.pass(SHORT).await;
    let second = c.enqueue(job()).await;
    assert!(second.id != first && !second.duplicate, "the window is over, the first still waits");
}
