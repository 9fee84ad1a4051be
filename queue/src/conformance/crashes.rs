//! Lost leases: the policy that was frozen into the job decides.

use super::{Case, LONG, SHORT, complete, only, retry};
use crate::{BrokerError, EventKind, Lease, NewJob, Outcome, Policy, Reason, State};
use std::time::Duration;

/// Leases one job for a short time and waits until it was reaped.
pub(super) async fn crash(c: &Case) -> Lease {
    let mut found = None;
    c.until("a job can be leased", async || {
        found = c.lease_by("w1", 1, SHORT).await.pop();
        found.is_some()
    })
    .await;
    let lease = found.expect("checked");
    c.until("the lease is reaped", async || c.state(lease.job.id).await != State::Running).await;
    lease
}

/// Below crashes_max the job is tried again within a second; its attempts are not touched.
pub async fn q3_lease_lost_crashes_below_max_goes_retrying(c: &Case) {
    let id = c.put(c.job()).await;
    let lease = crash(c).await;
    let job = c.get(id).await;
    assert!(matches!(job.state, State::Retrying | State::Ready), "{}", job.state);
    assert_eq!((job.counters.crashes, job.counters.crashes_in_row, job.counters.attempts), (1, 1, 0));
    let event = job.history.last().expect("a line");
    assert_eq!((event.what, event.worker.as_deref()), (EventKind::Crashed, Some("w1")));
    if let Some(due) = job.due_at {
        assert!(due <= event.at + 1_000, "the first retry after a crash comes within a second, not after {} ms", due - event.at);
    }
    let again = c.one_soon().await;
    assert!(again.token > lease.token);
    c.ack(&again, complete()).await;
}

/// As many crashes in a row as allowed make the job Dead.
pub async fn q3_lease_lost_crashes_max_times_is_dead(c: &Case) {
    let id = c.put(NewJob { policy: Policy { crashes_max: 3, ..Policy::default() }, ..c.job() }).await;
    for _ in 0..3 {
        crash(c).await;
    }
    let job = c.get(id).await;
    assert_eq!((job.state, job.reason), (State::Dead, Some(Reason::Crashed)));
    assert_eq!((job.counters.crashes, job.counters.attempts, job.counters.runs), (3, 0, 3));
}

/// An attempt that returns clears the row of crashes, not their total.
pub async fn q4_three_counters_an_attempt_that_returns_clears_the_row(c: &Case) {
    let id = c.put(NewJob { policy: Policy { crashes_max: 2, ..Policy::default() }, ..c.job() }).await;
    for total in 1..=3 {
        crash(c).await;
        let counters = c.get(id).await.counters;
        assert_eq!((counters.crashes, counters.crashes_in_row), (total, 1));
        let lease = c.one_soon().await;
        c.ack(&lease, retry(Duration::ZERO)).await;
        assert_eq!(c.get(id).await.counters.crashes_in_row, 0);
    }
}

/// After the reap the old worker's writes are refused, also before anybody else has the job.
pub async fn q3_lease_lost_late_ack_is_refused(c: &Case) {
    c.put(c.job()).await;
    let lease = crash(c).await;
    for outcome in [complete(), retry(SHORT), Outcome::Release { started: true }, Outcome::Cancel] {
        assert!(matches!(c.refused(c.try_ack(&lease, outcome)).await, BrokerError::LeaseLost));
    }
    let again = c.one_soon().await;
    assert!(matches!(c.refused(c.try_ack(&lease, complete())).await, BrokerError::LeaseLost));
    c.ack(&again, complete()).await;
    assert!(matches!(c.refused(c.try_ack(&lease, complete())).await, BrokerError::LeaseLost));
}

/// A lost lease of a kind that must not run twice: nobody knows, so it is Dead.
pub async fn q3_lease_lost_of_an_unrepeatable_kind_is_dead(c: &Case) {
    let c = &c.durable().await;
    let id = c.put(unrepeatable(c)).await;
    crash(c).await;
    let job = c.get(id).await;
    assert_eq!((job.state, job.reason, job.counters.crashes), (State::Dead, Some(Reason::OutcomeUnknown), 1));
}

/// The same for a release after the start; before it the job simply goes back.
pub async fn q3_not_repeatable_release_after_start_is_dead(c: &Case) {
    let c = &c.durable().await;
    let lease = c.run(unrepeatable(c)).await;
    assert_eq!(c.ack(&lease, Outcome::Release { started: false }).await, State::Ready);
    let lease = c.one().await;
    assert_eq!(c.ack(&lease, Outcome::Release { started: true }).await, State::Dead);
    assert_eq!(c.get(lease.job.id).await.reason, Some(Reason::OutcomeUnknown));
}

/// A timeout or a panic of such a kind is told by its worker, and wins over a cancel request.
pub async fn q3_not_repeatable_timeout_is_dead_even_if_cancelled(c: &Case) {
    let c = &c.durable().await;
    let lease = c.run(unrepeatable(c)).await;
    c.cancel(lease.job.id).await.expect("asked");
    let outcome = Outcome::Dead { reason: Reason::OutcomeUnknown, error: super::error("timeout") };
    assert_eq!(c.ack(&lease, outcome).await, State::Dead);
    assert_eq!(c.get(lease.job.id).await.reason, Some(Reason::OutcomeUnknown));
}

/// A cancel request does not make an unknown outcome known.
pub async fn q3_not_repeatable_lost_lease_is_dead_even_if_cancelled(c: &Case) {
    let c = &c.durable().await;
    let id = c.put(unrepeatable(c)).await;
    let lease = only(c.lease_by("w1", 1, SHORT).await);
    c.cancel(lease.job.id).await.expect("asked");
    c.until("it is reaped", async || c.state(id).await != State::Running).await;
    let job = c.get(id).await;
    assert_eq!((job.state, job.reason), (State::Dead, Some(Reason::OutcomeUnknown)));
}

/// At most one suspect runs in a worker at a time, so that a poison job does not drag its neighbours along.
pub async fn q4_three_counters_one_suspect_in_a_worker(c: &Case) {
    let policy = Policy { crashes_max: 2, ..Policy::default() };
    for _ in 0..3 {
        c.put(NewJob { policy: policy.clone(), ..c.job() }).await;
    }
    let doomed = c.lease_by("w1", 3, SHORT).await;
    assert_eq!(doomed.len(), 3);
    for lease in &doomed {
        c.until("it is ready again", async || c.state(lease.job.id).await == State::Ready).await;
    }
    let healthy = c.add(2).await;
    let leases = c.lease_by("w1", 10, LONG).await;
    let suspects: Vec<_> = leases.iter().filter(|l| !healthy.contains(&l.job.id)).collect();
    assert_eq!((leases.len(), suspects.len()), (3, 1), "both healthy jobs and one suspect");
    assert!(c.lease_by("w1", 10, LONG).await.is_empty(), "a second suspect waits");
    let other = c.lease_by("w2", 10, LONG).await;
    assert_eq!(other.len(), 1, "another worker takes one");
    c.ack(suspects[0], complete()).await;
    assert_eq!(c.lease_by("w1", 10, LONG).await.len(), 1, "the last one after the first has ended");
}

pub(super) fn unrepeatable(c: &Case) -> NewJob {
    NewJob { policy: Policy { repeatable: false, ..Policy::default() }, ..c.job() }
}
