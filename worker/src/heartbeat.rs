//! Keeps leases, and stops what must stop: one extend per queue per heartbeat, on a thread of its own, so that no handler and no
//! busy runtime can stand in its way. The same thread watches every attempt: its timeout, its lease, its cancellation.
//!
//! A cancel request comes back with extend. So that it is heard within a second, attempts that are not over after a moment are watched, and
//! news of one of them makes its queue extend at once.

use crate::{
    attempt::{self, COURTESY},
    floor::Floor,
    patience::jittered,
    queue::{Queue, as_held},
    running::{Running, Stop},
};
use longshore_base::Name;
use longshore_queue::{BrokerError, ExtendReply, Held, JobId};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

/// How often attempts are looked at while there are any.
const LOOK: Duration = Duration::from_millis(50);
/// An attempt that lasts this long is watched for a cancel request.
const WATCHED_AFTER: Duration = Duration::from_millis(250);
/// The broker is asked for news again this often.
const WATCH: Duration = Duration::from_secs(8);
/// Extends of one queue are at least this far apart, hints or not.
const APART: Duration = Duration::from_millis(100);
/// So many leases go into one call at most.
const EXTEND_MOST: usize = 1_000;
/// Beyond the courtesy, before an attempt that was told to stop is settled without it.
const OBSTINATE: Duration = Duration::from_millis(500);

/// Starts the thread. It ends when the floor is stopped.
///
/// # Errors
/// The operating system's, when it gives no thread.
pub(crate) fn start(floor: Arc<Floor>) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("longshore-heartbeat".to_owned()).spawn(move || {
        runtime.block_on(Heartbeat { floor, listening: HashMap::new() }.run());
        runtime.shutdown_background();
    })
}

struct Heartbeat {
    floor: Arc<Floor>,
    /// By queue: who listens for news of its attempts, while any is watched.
    listening: HashMap<Name, tokio::task::JoinHandle<()>>,
}

impl Heartbeat {
    async fn run(mut self) {
        let floor = self.floor.clone();
        loop {
            if floor.held() == 0 {
                tokio::select! {
                    () = floor.stopped.cancelled() => return,
                    () = floor.arrivals.notified() => {}
                }
            }
            tokio::select! {
                () = floor.stopped.cancelled() => return,
                () = floor.clock.sleep(LOOK) => {}
                () = floor.nudge.notified() => {}
            }
            for queue in floor.queues() {
                self.look_after(&queue);
            }
        }
    }

    fn look_after(&mut self, queue: &Arc<Queue>) {
        let (jobs, settled) = queue.snapshot();
        if jobs.is_empty() {
            return;
        }
        let now = self.floor.clock.elapsed();
        for job in jobs.iter().filter(|job| !job.is_settled()) {
            check(job, now, &self.floor);
            if now > job.arrived() + WATCHED_AFTER && !job.is_settled() && queue.watch(job) {
                // It may have been asked to stop before anybody listened.
                queue.extend_by(millis(now));
            }
        }
        self.listen(queue);
        let due = queue.extend_at.load(Ordering::Acquire) <= now.as_millis() as u64;
        if due && !queue.extending.swap(true, Ordering::AcqRel) {
            tokio::spawn(extend(self.floor.clone(), queue.clone(), jobs, settled));
        }
    }

    fn listen(&mut self, queue: &Arc<Queue>) {
        let listens = self.listening.get(&queue.name).is_some_and(|task| !task.is_finished());
        if !listens && !queue.watched.is_empty() {
            self.listening.insert(queue.name.clone(), tokio::spawn(listen(self.floor.clone(), queue.clone())));
        }
    }
}

/// Extends around all news of a queue's watched attempts, until none is left.
async fn listen(floor: Arc<Floor>, queue: Arc<Queue>) {
    while !queue.watched.is_empty() {
        // Asked again after a while, because the broker may stop telling.
        floor.broker.watch(&queue.name, &queue.watched, WATCH).await;
        if !queue.watched.take_news() {
            continue;
        }
        queue.extend_by(millis(floor.clock.elapsed()));
        floor.nudge.notify_one();
        floor.clock.sleep(APART).await;
        queue.extend_by(millis(floor.clock.elapsed()));
    }
}

/// Stops an attempt whose time is over, and settles one that was told to stop long enough ago.
fn check(job: &Arc<Running>, now: Duration, floor: &Floor) {
    if let Some(since) = job.stopped() {
        if now > since + COURTESY + OBSTINATE {
            attempt::abandon(job, floor);
        }
        return;
    }
    let timeout = Duration::from_millis(job.lease.job.policy.timeout_ms);
    let margin = (floor.options.lease() / 10).min(Duration::from_secs(1));
    if now + margin >= job.lease_until() {
        lost(job, now, floor, "it could not be extended in time");
    } else if job.started().is_some_and(|start| now >= start + timeout) {
        job.tell_to_stop(Stop::TimedOut, now);
    } else if job.started().is_none() && now > job.arrived() + floor.options.lease() {
        // No thread was free for it all the time: let another worker try.
        job.tell_to_stop(Stop::Released, now);
    }
}

fn lost(job: &Running, now: Duration, floor: &Floor, how: &'static str) {
    if job.tell_to_stop(Stop::Lost, now) {
        job.queue.meter.leases_lost.increment(1);
        tracing::warn!(worker = %floor.id, queue = %job.queue.name, job = %job.lease.job.id, how, "the lease was lost; its attempt stops");
    }
}

/// One extend of everything that is held of a queue, and what its answer asks for.
async fn extend(floor: Arc<Floor>, queue: Arc<Queue>, jobs: Vec<Arc<Running>>, settled: u64) {
    let (asked, lease) = (floor.clock.elapsed(), floor.options.lease());
    let held: Vec<_> = jobs.iter().map(|job| as_held(job)).collect();
    queue.extend_at.store(millis(asked + jittered(floor.options.heartbeat(), &*floor.random)), Ordering::Release);
    match tokio::time::timeout(lease / 3, call(&floor, &queue, &held, settled)).await {
        Err(_) => failed(&floor, &queue, &BrokerError::OutcomeUnknown("no answer within a third of a lease".to_owned())),
        Ok(Err(error)) => failed(&floor, &queue, &error),
        Ok(Ok(reply)) => {
            let now = floor.clock.elapsed();
            let gone = named(&jobs, &reply.lost);
            gone.iter().for_each(|job| lost(job, now, &floor, "the broker says so"));
            named(&jobs, &reply.cancel).iter().for_each(|job| _ = job.tell_to_stop(Stop::Cancelled, now));
            let kept = jobs.iter().filter(|job| !reply.lost.contains(&job.lease.job.id));
            kept.for_each(|job| job.extended(asked + lease));
        }
    }
    floor.clock.sleep(APART).await;
    queue.extending.store(false, Ordering::Release);
}

/// Only a call that lists everything may say what is settled: what it does not list is given back.
async fn call(floor: &Floor, queue: &Queue, held: &[Held], settled: u64) -> Result<ExtendReply, BrokerError> {
    let lease = floor.options.lease();
    if held.len() <= EXTEND_MOST {
        return floor.broker.extend(&queue.name, &floor.id, held, settled, lease).await;
    }
    let mut all = ExtendReply::default();
    for part in held.chunks(EXTEND_MOST) {
        let reply = floor.broker.extend(&queue.name, &floor.id, part, 0, lease).await?;
        all.lost.extend(reply.lost);
        all.cancel.extend(reply.cancel);
    }
    Ok(all)
}

fn failed(floor: &Floor, queue: &Queue, error: &BrokerError) {
    queue.meter.failed_calls.increment(1);
    tracing::warn!(worker = %floor.id, queue = %queue.name, %error, "extending failed; it will be tried again");
    let soon = jittered((floor.options.heartbeat() / 5).min(Duration::from_millis(500)), &*floor.random);
    queue.extend_by(millis(floor.clock.elapsed() + soon));
}

/// The jobs that a reply speaks of. One that is held under two tokens, because it ended here and was leased again, is left out
/// until the older one's ack is answered: nobody knows which of them is meant.
fn named<'a>(jobs: &'a [Arc<Running>], ids: &[JobId]) -> Vec<&'a Arc<Running>> {
    let of = |id: &JobId| {
        let mut same = jobs.iter().filter(|job| job.lease.job.id == *id);
        same.next().filter(|_| same.next().is_none())
    };
    ids.iter().filter_map(of).collect()
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
