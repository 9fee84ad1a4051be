//! Leasing: one loop per queue. It leases only what can start now, and a queue that has nothing costs one wait and no polling.
//! A broker outage never ends a loop.

use crate::{
    acks, attempt,
    floor::Floor,
    options::Queues,
    patience::{Patience, jittered},
    permits::Grant,
    queue::Queue,
    running::{Running, Stop},
};
use longshore_base::Name;
use longshore_queue::{BrokerError, LeaseReply, LeaseRequest, OPERATIONS, WorkerState};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// The contract's bound on one lease call.
const LEASE_MOST: usize = 500;
/// How long a loop waits for more slots to become free, where attempts are shorter than that.
const GATHERING: Duration = Duration::from_millis(1);
/// So often in a row, as long as some become free.
const GATHERINGS_MOST: usize = 4;
/// How long a loop trusts in signals before it looks again; a lost signal costs this much at worst.
const SIGNALS_TRUSTED: Duration = Duration::from_secs(8);
/// How often a worker that serves all queues looks for new ones unless it is told of one.
const DISCOVERY: Duration = Duration::from_secs(5);
/// Queues that are made one right after the other are found together.
const FOUND_APART: Duration = Duration::from_millis(5);

/// Serves the queues that the options name, until the floor is stopped.
pub(crate) async fn run(floor: Arc<Floor>, loops: TaskTracker) {
    match &floor.options.queues {
        Queues::Named(names) => {
            names.iter().for_each(|name| serve(&floor, &loops, name));
            if carries_operations(&floor) {
                serve(&floor, &loops, &Name::literal(OPERATIONS));
            }
            floor.found.notify_one();
        }
        Queues::All => discover(&floor, &loops).await,
    }
}

/// Whether this worker can run operations: it serves their queue whatever queues it was told, so that one that somebody begins finds a worker.
fn carries_operations(floor: &Floor) -> bool {
    floor.catalog.records().iter().any(|record| record.internal && record.queue.as_str() == OPERATIONS)
}

async fn discover(floor: &Arc<Floor>, loops: &TaskTracker) {
    let mut patience = Patience::new();
    while !floor.is_draining() {
        let names = tokio::select! {
            names = floor.broker.queues() => names,
            () = draining(floor) => return,
        };
        match names {
            Ok(names) => {
                patience.rest();
                names.iter().for_each(|name| serve(floor, loops, name));
                floor.found.notify_one();
                tokio::select! {
                    () = floor.broker.wait_queues(names.len(), jittered(DISCOVERY, &*floor.random)) => {}
                    () = draining(floor) => return,
                }
                pause(floor, FOUND_APART).await;
            }
            Err(error) => {
                tracing::warn!(worker = %floor.id, %error, "the queues cannot be listed");
                tokio::select! {
                    () = patience.wait(&*floor.clock, &*floor.random) => {}
                    () = draining(floor) => {}
                }
            }
        }
    }
}

fn serve(floor: &Arc<Floor>, loops: &TaskTracker, name: &Name) {
    let mut acks = None;
    let queue = floor.serve(name, || {
        let (sender, receiver) = mpsc::unbounded_channel();
        acks = Some(receiver);
        Queue::new(name.clone(), floor.permits.join(), sender)
    });
    if let (Some(queue), Some(receiver)) = (queue, acks) {
        tokio::spawn(acks::run(floor.clone(), queue.clone(), receiver));
        loops.spawn(Leaser { floor: floor.clone(), queue, open: None }.run());
    }
}

/// One queue's loop.
struct Leaser {
    floor: Arc<Floor>,
    queue: Arc<Queue>,
    /// A call whose reply is not known, and when it was first sent. It is repeated under its number until it is answered, so that
    /// what it may have leased is not lost.
    open: Option<(LeaseRequest, Duration)>,
}

impl Leaser {
    async fn run(mut self) {
        let floor = self.floor.clone();
        let (mut patience, mut spurious, mut full) = (Patience::new(), Spurious::default(), false);
        while self.may_lease().await {
            let mut grant = tokio::select! {
                grant = floor.permits.acquire(self.queue.seat, LEASE_MOST) => grant,
                () = left_active(&floor) => continue,
            };
            if full {
                self.gather(&mut grant).await;
            }
            match self.lease(grant.n).await {
                Ok((reply, asked)) => {
                    patience.rest();
                    full = reply.leases.len() >= grant.n;
                    let next_due = reply.next_due;
                    floor.permits.hungry(self.queue.seat, full);
                    if reply.leases.is_empty() {
                        drop(grant);
                        self.wait(next_due, &mut spurious).await;
                    } else {
                        spurious = Spurious::default();
                        self.start(reply, asked, grant);
                    }
                }
                Err(error) => {
                    drop(grant);
                    full = false;
                    floor.permits.hungry(self.queue.seat, false);
                    self.queue.meter.failed_calls.increment(1);
                    tracing::warn!(worker = %floor.id, queue = %self.queue.name, %error, "leasing failed; it will be tried again");
                    tokio::select! {
                        () = patience.wait(&*floor.clock, &*floor.random) => {}
                        () = draining(&floor) => {}
                    }
                }
            }
        }
        floor.permits.hungry(self.queue.seat, false);
    }

    /// Waits until leasing makes sense; false: the worker drains.
    async fn may_lease(&mut self) -> bool {
        let floor = &self.floor.clone();
        let mut state = floor.state.subscribe();
        loop {
            let now = *state.borrow_and_update();
            match now {
                WorkerState::Draining => return false,
                // Jobs that an unanswered call leased before are here to stay.
                WorkerState::Quiet if self.open.is_some() => match self.lease(1).await {
                    Ok((reply, asked)) => self.start(reply, asked, floor.permits.nothing(self.queue.seat)),
                    Err(_) => pause(floor, Duration::from_millis(500)).await,
                },
                WorkerState::Quiet => {
                    let _ = state.changed().await;
                }
                // Handlers that block and ignore their stop have taken every thread: a leased job could not start.
                WorkerState::Active if floor.stuck.load(Ordering::Acquire) >= floor.threads => {
                    floor.watchdog.asking(floor.clock.elapsed());
                    pause(floor, Duration::from_millis(100)).await;
                }
                // Acks cannot be delivered as fast as jobs end.
                WorkerState::Active if self.queue.held_count() >= floor.held_most() => {
                    tokio::select! {
                        () = self.queue.settled.notified() => {}
                        _ = state.changed() => {}
                    }
                }
                WorkerState::Active => return true,
            }
        }
    }

    /// Attempts that end as fast as they start free their slots one by one, and a call costs much the same for one job as for many. So
    /// while there is more to do, a moment's patience pays: most of the slots that the last call filled are free again by then. A queue
    /// that had nothing more is asked at once.
    async fn gather(&self, grant: &mut Grant) {
        let floor = &self.floor;
        let most = floor.permits.total().min(LEASE_MOST);
        for _ in 0..GATHERINGS_MOST {
            let (had, missing) = (grant.n, most.saturating_sub(grant.n));
            if missing == 0 || !self.queue.is_brief() {
                return;
            }
            tokio::select! {
                more = floor.permits.acquire_at_least(self.queue.seat, missing, missing) => grant.absorb(more),
                () = floor.clock.sleep(GATHERING) => grant.stretch(missing),
            }
            if grant.n == had {
                return;
            }
        }
    }

    /// One call, or the repetition of the one that was not answered. Also tells when it was first sent: leases count from there.
    async fn lease(&mut self, n: usize) -> Result<(LeaseReply, Duration), BrokerError> {
        let floor = &self.floor;
        let (mut request, asked) = self.open.take().unwrap_or_else(|| (self.queue.next_lease(floor), floor.clock.elapsed()));
        request.n = n;
        floor.watchdog.asking(asked);
        let answer = tokio::select! {
            answer = tokio::time::timeout(floor.options.lease(), floor.broker.lease(&request)) => {
                answer.unwrap_or_else(|_| Err(BrokerError::OutcomeUnknown("no answer within the length of a lease".to_owned())))
            }
            () = floor.hurry.cancelled() => Err(BrokerError::OutcomeUnknown("the worker stops".to_owned())),
        };
        match answer {
            Ok(reply) => {
                floor.watchdog.leased(floor.clock.elapsed());
                Ok((reply, asked))
            }
            Err(error) => {
                self.open = Some((request, asked));
                Err(error)
            }
        }
    }

    /// Hands leased jobs to the runtime, in order. What finds no slot, because its call was repeated with fewer free, is given back.
    fn start(&self, reply: LeaseReply, asked: Duration, mut grant: Grant) {
        let floor = &self.floor;
        let n = reply.leases.len();
        self.queue.meter.lease_batch.record(n as f64);
        grant.stretch(n.saturating_sub(grant.n));
        let lasts = floor.options.lease();
        let job = |lease| Running::new(lease, &self.queue, grant.take(), asked..asked + lasts);
        let jobs: Vec<_> = reply.leases.into_iter().map(job).collect();
        floor.arrived(n);
        self.queue.running.fetch_add(n, Ordering::AcqRel);
        self.queue.meter.running.increment(n as f64);
        if self.queue.hold(&jobs) {
            self.queue.extend_at.store((asked + floor.options.heartbeat()).as_millis() as u64, Ordering::Release);
        }
        let stopping = floor.is_draining();
        for job in jobs {
            if stopping || !job.has_slot {
                job.tell_to_stop(Stop::Released, asked);
                attempt::settle(&job, Stop::Released.attempted(false), floor);
            } else if let Err(unsent) = floor.starts.send(job) {
                attempt::settle(&unsent.0, Stop::Released.attempted(false), floor);
            }
        }
    }

    /// Waits for a signal or for the next due time.
    async fn wait(&self, next_due: Option<Duration>, spurious: &mut Spurious) {
        let floor = &self.floor;
        let most = jittered(SIGNALS_TRUSTED, &*floor.random);
        let wait = next_due.map_or(most, |due| due.min(most)).max(Duration::from_millis(1));
        let began = floor.clock.elapsed();
        tokio::select! {
            () = floor.broker.wait(&self.queue.name, wait) => {}
            () = left_active(floor) => return,
        }
        if let Some(rest) = spurious.rest(floor.clock.elapsed().saturating_sub(began)) {
            pause(floor, rest).await;
        }
    }
}

/// Signals that lead to nothing, one right after the other: a capped queue, or many workers for few jobs. They may not make a loop
/// spin.
#[derive(Default)]
struct Spurious(u32);

impl Spurious {
    /// How long to rest after a wait of this length that followed an empty lease.
    fn rest(&mut self, waited: Duration) -> Option<Duration> {
        if waited > Duration::from_millis(20) {
            self.0 = 0;
            return None;
        }
        self.0 += 1;
        (self.0 > 2).then(|| Duration::from_millis(1 << self.0.min(8)))
    }
}

/// Completes after `wait`, or as soon as the worker drains.
async fn pause(floor: &Floor, wait: Duration) {
    tokio::select! {
        () = floor.clock.sleep(wait) => {}
        () = draining(floor) => {}
    }
}

async fn left_active(floor: &Floor) {
    let _ = floor.state.subscribe().wait_for(|state| *state != WorkerState::Active).await;
}

async fn draining(floor: &Floor) {
    let _ = floor.state.subscribe().wait_for(|state| *state == WorkerState::Draining).await;
}
