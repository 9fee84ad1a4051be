//! Metrics, with labels from closed sets: queues and kinds that this worker has leased, and the outcomes below.
//! Handles are made once per (queue, kind), so that a job costs a few atomic adds.

use longshore_base::{Name, label};
use longshore_queue::Outcome;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::{fmt, time::Duration};

const OUTCOMES: [&str; 8] = ["completed", "retry", "dead", "snoozed", "gated", "released", "waiting", "cancelled"];

const fn index(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Complete { .. } => 0,
        Outcome::Retry { .. } => 1,
        Outcome::Dead { .. } => 2,
        Outcome::Snooze { .. } => 3,
        Outcome::Gate { .. } => 4,
        Outcome::Release { .. } => 5,
        Outcome::Wait(_) => 6,
        Outcome::Cancel => 7,
    }
}

/// The outcome's label.
pub(crate) const fn word(outcome: &Outcome) -> &'static str {
    OUTCOMES[index(outcome)]
}

/// What is counted of one kind in one queue.
pub(crate) struct KindMeter {
    started: Counter,
    ended: [Counter; OUTCOMES.len()],
    ran: [Histogram; OUTCOMES.len()],
}

impl KindMeter {
    pub(crate) fn new(queue: &Name, kind: &Name) -> Self {
        let (queue, kind) = (label::queue(queue), label::kind(kind));
        Self {
            started: counter!("longshore_jobs_started_total", "queue" => queue.clone(), "kind" => kind.clone()),
            ended: OUTCOMES
                .map(|o| counter!("longshore_jobs_ended_total", "queue" => queue.clone(), "kind" => kind.clone(), "outcome" => o)),
            ran: OUTCOMES.map(
                |o| histogram!("longshore_attempt_duration_seconds", "queue" => queue.clone(), "kind" => kind.clone(), "outcome" => o),
            ),
        }
    }
    pub(crate) fn started(&self) {
        self.started.increment(1);
    }
    pub(crate) fn ended(&self, outcome: &Outcome, ran: Duration) {
        self.ended[index(outcome)].increment(1);
        self.ran[index(outcome)].record(ran);
    }
}

/// What is counted of one queue.
pub(crate) struct QueueMeter {
    /// Jobs a lease call brought, empty replies left out.
    pub(crate) lease_batch: Histogram,
    /// Acks in a call.
    pub(crate) ack_batch: Histogram,
    /// Leases that this worker found lost: told by extend, by an ack, or by its own clock.
    pub(crate) leases_lost: Counter,
    /// Attempts that did not end when they were stopped, and were settled without them.
    pub(crate) abandoned: Counter,
    /// Broker calls that failed.
    pub(crate) failed_calls: Counter,
    /// Attempts that run now.
    pub(crate) running: Gauge,
}

impl QueueMeter {
    pub(crate) fn new(queue: &Name) -> Self {
        let queue = label::queue(queue);
        Self {
            lease_batch: histogram!("longshore_lease_batch_jobs", "queue" => queue.clone()),
            ack_batch: histogram!("longshore_ack_batch_jobs", "queue" => queue.clone()),
            leases_lost: counter!("longshore_worker_leases_lost_total", "queue" => queue.clone()),
            abandoned: counter!("longshore_attempts_abandoned_total", "queue" => queue.clone()),
            failed_calls: counter!("longshore_worker_failed_calls_total", "queue" => queue.clone()),
            running: gauge!("longshore_worker_running", "queue" => queue),
        }
    }
}

impl fmt::Debug for KindMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindMeter").finish_non_exhaustive()
    }
}
impl fmt::Debug for QueueMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMeter").finish_non_exhaustive()
    }
}
