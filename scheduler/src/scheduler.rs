//! Runs every chore for every queue, staggered, and lets none of them end the process.

use crate::{Advance, Chore, ChoreError, Done, Follow, History, Letters, Options, Recur, Retain, SweepFiles, alarm::Alarms};
use futures::FutureExt;
use longshore_base::{Clock, Name, Random};
use longshore_jobs::Checker;
use longshore_queue::Broker;
use metrics::counter;
use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often new queues are looked for.
const DISCOVERY: Duration = Duration::from_secs(1);
/// A failing chore is tried again after a growing time, at most this.
const LONGEST: Duration = Duration::from_secs(5);
/// A piece that takes longer is given up and tried again.
const PIECE: Duration = Duration::from_secs(30);
/// How long a stop waits for pieces under way.
const STOP: Duration = Duration::from_secs(2);

/// A running scheduler. Clones steer the same one.
#[derive(Debug, Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Inner {
    broker: Arc<dyn Broker>,
    chores: Vec<Arc<dyn Chore>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// No new pieces.
    stopped: CancellationToken,
    /// Drop those under way: each may be repeated, so none is half done.
    abandoned: CancellationToken,
    queues: AtomicUsize,
    /// Milliseconds of the monotonic clock, plus one; 0: never.
    last_done: AtomicU64,
}

/// A scheduler in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The queues it looks after.
    pub queues: usize,
    /// How long ago a chore last succeeded, or the list of queues was read; None: never yet.
    pub last_done: Option<Duration>,
}

impl Scheduler {
    /// Starts the chores that every installation needs, in the current tokio runtime. `checker`: for the jobs of schedules' ticks.
    #[must_use]
    pub fn start(
        options: Options,
        broker: Arc<dyn Broker>,
        history: Arc<dyn History>,
        checker: Arc<Checker>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let alarms = Arc::new(Alarms::new(clock.clone()));
        let advance = Advance::new(broker.clone(), options.tick(), options.lease(), alarms.clone());
        let files = SweepFiles::new(broker.clone(), history.clone(), checker.blobs().clone(), clock.clone(), &*random, options);
        let recur = Recur::new(broker.clone(), checker, alarms.clone());
        let retain = Retain::new(broker.clone(), history.clone(), options);
        let letters = Letters::new(broker.clone(), history, clock.clone(), &*random, options);
        let follow = Follow::new(broker.clone(), clock.clone(), alarms);
        let chores: Vec<Arc<dyn Chore>> =
            vec![Arc::new(advance), Arc::new(recur), Arc::new(retain), Arc::new(letters), Arc::new(follow), Arc::new(files)];
        Self::with_chores(chores, broker, clock, random)
    }

    /// Starts these chores.
    #[must_use]
    pub fn with_chores(chores: Vec<Arc<dyn Chore>>, broker: Arc<dyn Broker>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let inner = Inner {
            broker,
            chores,
            clock,
            random,
            stopped: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            queues: AtomicUsize::new(0),
            last_done: AtomicU64::new(0),
        };
        let scheduler = Self { inner: Arc::new(inner), tasks: TaskTracker::new() };
        scheduler.tasks.spawn(discover(scheduler.inner.clone(), scheduler.tasks.clone()));
        scheduler.tasks.close();
        scheduler
    }

    /// Ends after the pieces that are under way, or as soon as they have taken too long.
    pub async fn stop(&self) {
        self.inner.stopped.cancel();
        tokio::select! {
            () = self.tasks.wait() => return,
            () = self.inner.clock.sleep(STOP) => self.inner.abandoned.cancel(),
        }
        self.tasks.wait().await;
    }

    /// The scheduler in numbers, without I/O.
    #[must_use]
    pub fn status(&self) -> Status {
        let last = self.inner.last_done.load(Ordering::Relaxed);
        let now = self.inner.clock.elapsed();
        Status {
            queues: self.inner.queues.load(Ordering::Relaxed),
            last_done: (last > 0).then(|| now.saturating_sub(Duration::from_millis(last - 1))),
        }
    }
}

/// Starts the chores of each queue that there is, and of those that come.
async fn discover(inner: Arc<Inner>, tasks: TaskTracker) {
    let mut known = BTreeSet::new();
    let mut failures = 0;
    while !inner.stopped.is_cancelled() {
        let wait = match inner.piece(inner.broker.queues()).await {
            Ok(names) => {
                failures = 0;
                inner.done();
                for name in names {
                    if known.insert(name.clone()) {
                        inner.chores.iter().for_each(|chore| _ = tasks.spawn(repeat(inner.clone(), chore.clone(), name.clone())));
                    }
                }
                inner.queues.store(known.len(), Ordering::Relaxed);
                DISCOVERY
            }
            Err(error) => inner.failed("discover", None, &error, &mut failures),
        };
        inner.rest(wait).await;
    }
}

/// One chore of one queue, for ever.
async fn repeat(inner: Arc<Inner>, chore: Arc<dyn Chore>, queue: Name) {
    let mut failures = 0;
    // Queues and schedulers that started together should not work together.
    inner.pause(&*chore, &queue, inner.random.unit()).await;
    while !inner.stopped.is_cancelled() {
        match inner.piece(chore.run(&queue)).await {
            Ok(done) => {
                failures = 0;
                inner.done();
                counter!("longshore_chores_total", "chore" => chore.name(), "outcome" => "done").increment(1);
                if done == Done::More {
                    tokio::task::yield_now().await;
                    continue;
                }
                inner.pause(&*chore, &queue, 1.0).await;
            }
            Err(error) => inner.rest(inner.failed(chore.name(), Some(&queue), &error, &mut failures)).await,
        }
    }
}

impl Inner {
    /// One piece of work: bounded in time, and a panic is a failure like any other.
    async fn piece<T, E: Into<ChoreError>>(&self, piece: impl Future<Output = Result<T, E>>) -> Result<T, ChoreError> {
        tokio::select! {
            result = AssertUnwindSafe(piece).catch_unwind() => result.map_or(Err(ChoreError::Panicked), |result| result.map_err(Into::into)),
            () = self.clock.sleep(PIECE) => Err(ChoreError::Late(PIECE)),
            () = self.abandoned.cancelled() => Err(ChoreError::Late(STOP)),
        }
    }
    fn done(&self) {
        self.last_done.store(self.clock.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }
    /// Counts and tells a failure, and answers how long to wait before the next try.
    fn failed(&self, chore: &'static str, queue: Option<&Name>, error: &ChoreError, failures: &mut u32) -> Duration {
        counter!("longshore_chores_total", "chore" => chore, "outcome" => "failed").increment(1);
        tracing::warn!(chore, queue = queue.map(Name::as_str), failures = *failures, %error, "a chore failed; it will be tried again");
        let wait = Duration::from_millis(100 << (*failures).min(6)).min(LONGEST);
        *failures = failures.saturating_add(1);
        wait
    }
    /// Waits until a chore's next run: `part` of its pace, or for its call.
    async fn pause(&self, chore: &dyn Chore, queue: &Name, part: f64) {
        match chore.every() {
            Some(every) => self.rest(every.mul_f64(part)).await,
            None => tokio::select! {
                () = chore.due(queue) => {}
                () = self.stopped.cancelled() => {}
            },
        }
    }
    /// Waits this long, a tenth more or less, or until the scheduler stops.
    async fn rest(&self, wait: Duration) {
        let wait = wait.mul_f64(0.9 + 0.2 * self.random.unit());
        tokio::select! {
            () = self.clock.sleep(wait) => {}
            () = self.stopped.cancelled() => {}
        }
    }
}
