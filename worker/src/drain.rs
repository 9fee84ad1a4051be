//! The end of a worker, in three words: quiet, drain, release. Nothing here waits for a handler that does not want to end.

use crate::{
    attempt::{self, COURTESY},
    floor::Floor,
    running::Stop,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::task::TaskTracker;

/// How long attempts that are dropped may take to say so, before they are settled without it.
const DROPPED_WITHIN: Duration = Duration::from_millis(300);
/// How long the last acks may take when the broker does not answer. What is not delivered by then is reaped as a crash.
const LAST_ACKS: Duration = Duration::from_secs(5);

/// How a worker ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Attempts that were given back although they had started: each is one interruption.
    pub released: usize,
    /// Handlers that did not stop, and still run somewhere in this process.
    pub abandoned: usize,
    /// Leases whose end could not be delivered; they run out and count as crashes.
    pub undelivered: usize,
}

/// Waits for the drain to begin, and sees it through: quiet, finish for as long as the grace lasts, release the rest.
pub(crate) async fn run(floor: Arc<Floor>, loops: TaskTracker) -> Drained {
    let _ = floor.state.subscribe().wait_for(|state| *state == longshore_queue::WorkerState::Draining).await;
    tokio::select! {
        () = finish(&floor, &loops) => {}
        () = floor.clock.sleep(floor.grace()) => {}
        () = floor.hurry.cancelled() => {}
    }
    floor.hurry.cancel();
    loops.wait().await;
    let released = release(&floor).await;
    tokio::select! {
        () = floor.until(|floor| floor.held() == 0) => {}
        () = floor.clock.sleep(LAST_ACKS) => {}
    }
    give_back_unseen(&floor).await;
    let ended = Drained { released, abandoned: floor.stuck.load(Ordering::Acquire), undelivered: floor.held() };
    tracing::info!(worker = %floor.id, released, abandoned = ended.abandoned, undelivered = ended.undelivered, "worker has drained");
    ended
}

/// Leasing has ended, and every attempt.
async fn finish(floor: &Floor, loops: &TaskTracker) {
    loops.wait().await;
    floor.until(|floor| floor.busy() == 0).await;
}

/// Stops every attempt that is left and gives its job back. Tells how many of them had started.
async fn release(floor: &Floor) -> usize {
    let now = floor.clock.elapsed();
    let left: Vec<_> = floor.queues().iter().flat_map(|queue| queue.snapshot().0).filter(|job| !job.is_settled()).collect();
    let started = AtomicUsize::new(0);
    for job in &left {
        if job.tell_to_stop(Stop::Released, now) && job.started().is_some() {
            started.fetch_add(1, Ordering::Relaxed);
        }
    }
    tokio::select! {
        () = floor.until(|floor| floor.busy() == 0) => {}
        () = floor.clock.sleep(COURTESY + DROPPED_WITHIN) => {}
    }
    for job in left.iter().filter(|job| !job.is_settled()) {
        attempt::abandon(job, floor);
    }
    started.into_inner()
}

/// A lease call that was never answered may have leased something: an extend that lists nothing of it gives it back.
async fn give_back_unseen(floor: &Floor) {
    for queue in floor.queues() {
        let (jobs, settled) = queue.snapshot();
        let last = queue.last_call();
        if settled == last {
            continue;
        }
        let held: Vec<_> = jobs.iter().map(|job| crate::queue::as_held(job)).collect();
        let call = floor.broker.extend(&queue.name, &floor.id, &held, last, floor.options.lease());
        match tokio::time::timeout(Duration::from_secs(1), call).await {
            Ok(Ok(_)) => {}
            other => tracing::warn!(worker = %floor.id, queue = %queue.name, ?other, "an unanswered lease call could not be given back"),
        }
    }
}
