//! A broker, a ticking queue and workers in this process, and a kind that tells when it ran: fast enough for thousands of jobs in a
//! debug build.

use crate::{
    harness::{self, redis::Redis, redis_broker},
    scenarios::until,
};
use longshore_base::{Clock, Name, Scope, SystemClock, SystemRandom};
use longshore_jobs::{Catalog, Context, Failure, Kind};
use longshore_queue::{
    Backoff, Broker, Job, JobId, Limits, NewJob, Policy, RuleChange, RuleScope, ScopeState, SqliteBroker, SqliteOptions, State, json,
};
use longshore_worker::{Options, Queues, Worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

/// One run of a handler, by the machine's monotonic clock.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: JobId,
    pub(super) tenant: String,
    pub(super) account: String,
    pub(super) began: Duration,
    /// None: it runs, or did not end well.
    pub(super) ended: Option<Duration>,
}

/// What the handlers of one test have done, and how the outside world answers them.
#[derive(Default)]
pub(super) struct Log {
    runs: Mutex<Vec<Run>>,
    script: Mutex<Option<Script>>,
}
type Script = Arc<dyn Fn(&Context, &str) -> Result<(), Failure> + Send + Sync>;

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    fn of(test: &str) -> Arc<Self> {
        static LOGS: LazyLock<Mutex<HashMap<String, Arc<Log>>>> = LazyLock::new(Mutex::default);
        lock(&LOGS).entry(test.to_owned()).or_default().clone()
    }
    /// Every run so far, in the order of their begin.
    pub(super) fn runs(&self) -> Vec<Run> {
        lock(&self.runs).clone()
    }
    /// How many runs there are that look like this.
    pub(super) fn count(&self, looks: impl Fn(&Run) -> bool) -> usize {
        lock(&self.runs).iter().filter(|run| looks(run)).count()
    }
    /// What handlers ask of the outside world before they work: given an account, how it answers.
    pub(super) fn answers(&self, script: impl Fn(&Context, &str) -> Result<(), Failure> + Send + Sync + 'static) {
        *lock(&self.script) = Some(Arc::new(script));
    }
}

/// What a job is to do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    test: String,
    account: String,
    ms: u64,
}

async fn work(args: Args, cx: &Context) -> Result<(), Failure> {
    let (log, clock) = (Log::of(&args.test), cx.clock());
    let run = {
        let mut runs = lock(&log.runs);
        let (tenant, account) = (cx.tenant().to_string(), args.account.clone());
        runs.push(Run { id: cx.id(), tenant, account, began: clock.elapsed(), ended: None });
        runs.len() - 1
    };
    let script = lock(&log.script).clone();
    script.map_or(Ok(()), |script| script(cx, &args.account))?;
    if args.ms > 0 {
        clock.sleep(Duration::from_millis(args.ms)).await;
    }
    lock(&log.runs)[run].ended = Some(clock.elapsed());
    Ok(())
}

macro_rules! kinds {
    ($($kind:ident = $name:literal;)*) => {$(
        struct $kind;
        impl Kind for $kind {
            const NAME: &'static str = $name;
            const LANE_BY: &'static [&'static str] = &["/account"];
            type Args = Args;
            type Output = ();
            async fn run(args: Args, cx: &Context) -> Result<(), Failure> {
                work(args, cx).await
            }
        }
    )*};
}
kinds! { Work = "it.work"; Lengthy = "it.lengthy"; }

/// Jobs to be enqueued.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jobs<'a> {
    pub(super) tenant: &'a str,
    pub(super) account: &'a str,
    pub(super) kind: &'static str,
    pub(super) ms: u64,
    pub(super) n: usize,
}

impl<'a> Jobs<'a> {
    /// `n` jobs of a tenant that take so many milliseconds.
    pub(super) fn of(tenant: &'a str, n: usize, ms: u64) -> Self {
        Self { tenant, account: "", kind: "it.work", ms, n }
    }
    /// The same for one of its accounts.
    pub(super) fn on(self, account: &'a str) -> Self {
        Self { account, ..self }
    }
    /// The same as jobs of a kind of their own.
    pub(super) fn lengthy(self) -> Self {
        Self { kind: "it.lengthy", ..self }
    }
}

/// See the file's first lines.
#[derive(Debug)]
pub(super) struct House {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) clock: Arc<SystemClock>,
    pub(super) queue: Name,
    pub(super) log: Arc<Log>,
    test: String,
    random: Arc<SystemRandom>,
    ticking: JoinHandle<()>,
    server: Option<Redis>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

impl House {
    pub(super) async fn on_sqlite(test: &str) -> Self {
        let (clock, random) = (SystemClock::new(), SystemRandom::new());
        let file = harness::folder_in_memory("lanes").join("queue.db");
        let broker = SqliteBroker::open(SqliteOptions::new(file, clock.clone(), random.clone())).expect("a fresh file opens");
        Self::with(format!("sqlite {test}"), broker, None, clock, random).await
    }
    pub(super) async fn on_redis(test: &str) -> Self {
        let server = Redis::start(&[]).await;
        let broker = redis_broker::connect(&server.url()).await;
        Self::with(format!("redis {test}"), broker, Some(server), SystemClock::new(), SystemRandom::new()).await
    }

    /// A new one on the same kind of broker.
    pub(super) async fn again(&self, n: usize) -> Self {
        let test = format!("{} {n}", self.test);
        if self.server.is_some() { Self::on_redis(&test).await } else { Self::on_sqlite(&test).await }
    }

    async fn with(
        test: String,
        broker: Arc<dyn Broker>,
        server: Option<Redis>,
        clock: Arc<SystemClock>,
        random: Arc<SystemRandom>,
    ) -> Self {
        let queue = Name::literal("lanes");
        broker.home(&queue).await.expect("a queue");
        broker.put_kinds(catalog().records()).await.expect("kinds");
        let (ticked, name) = (broker.clone(), queue.clone());
        let ticking = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(100));
            loop {
                pace.tick().await;
                // A tick that fails is made up for by the next one.
                let _ = ticked.tick(&name, Duration::from_secs(15)).await;
            }
        });
        Self { log: Log::of(&test), test, broker, clock, queue, random, ticking, server }
    }

    /// A worker of this queue; it has reported before this returns, so that shares of its slots are counted.
    pub(super) async fn worker(&self, concurrency: usize) -> Worker {
        let options = Options { queues: Queues::Named(vec![self.queue.clone()]), concurrency, threads: Some(2), ..Options::default() };
        let worker =
            Worker::start(options, self.broker.clone(), catalog(), self.clock.clone(), self.random.clone()).expect("a worker starts");
        self.until("the worker reports", async || {
            let workers = self.broker.workers().await.ok()?;
            workers.iter().any(|report| report.id == worker.id() && !report.queues.is_empty()).then_some(())
        })
        .await;
        worker
    }

    pub(super) async fn enqueue(&self, jobs: Jobs<'_>) -> Vec<JobId> {
        let home = self.broker.home(&self.queue).await.expect("a queue");
        let (tenant, kind) = (Name::new(jobs.tenant).expect("a name"), Name::literal(jobs.kind));
        let args = Args { test: self.test.clone(), account: jobs.account.to_owned(), ms: jobs.ms };
        let args = json(&serde_json::to_value(args).expect("JSON"));
        let one = |_| {
            let id = JobId::new(self.clock.now(), home, &*self.random);
            let job = NewJob::new(id, self.queue.clone(), kind.clone(), tenant.clone(), args.clone());
            // Jobs that fail come back at once: what holds them back is the rule that the case is about.
            let policy = Policy { attempts_max: 1_000, backoff: Backoff { base_ms: 1, max_ms: 2 }, ..Policy::default() };
            NewJob { lane_key: jobs.account.to_owned(), policy, ..job }
        };
        let all: Vec<_> = (0..jobs.n).map(one).collect();
        let ids = all.iter().map(|job| job.id).collect();
        for part in all.chunks(500) {
            for answer in self.broker.enqueue(part.to_vec()).await.expect("enqueued") {
                answer.expect("accepted");
            }
        }
        ids
    }

    pub(super) async fn limit(&self, scope: RuleScope, limits: Limits) {
        self.rule(scope, RuleChange::Limits(limits)).await;
    }
    pub(super) async fn rule(&self, scope: RuleScope, change: RuleChange) {
        self.broker.rule(&self.queue, &scope, change, None).await.expect("a rule");
    }
    pub(super) async fn rules(&self, scope: &RuleScope) -> ScopeState {
        self.broker.rules(&self.queue, scope).await.expect("rules")
    }
    pub(super) async fn jobs(&self, ids: &[JobId]) -> Vec<Job> {
        let mut all = Vec::new();
        for part in ids.chunks(500) {
            all.extend(self.broker.get(&Scope::All, part).await.expect("jobs").into_iter().flatten());
        }
        all
    }
    /// Waits until so many jobs of the queue are completed.
    pub(super) async fn completed(&self, n: u64) {
        self.until(&format!("{n} jobs are completed"), async || {
            (self.broker.stats(&Scope::All, &self.queue).await.ok()?.completed >= n).then_some(())
        })
        .await;
    }
    /// Waits until `look` finds something, for a minute.
    pub(super) async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        until(&format!("{}: {what}", self.test), Duration::from_secs(60), look).await
    }
    /// Lets so much time pass.
    pub(super) async fn pass(&self, by: Duration) {
        self.clock.sleep(by).await;
    }
}

/// All of them ended well.
pub(super) fn all_completed(jobs: &[Job]) -> bool {
    jobs.iter().all(|job| job.state == State::Completed)
}

pub(super) fn tenant(name: &str) -> RuleScope {
    RuleScope::Tenant(Name::new(name).expect("a name"))
}
pub(super) fn account(tenant: &str, key: &str) -> RuleScope {
    RuleScope::Key { tenant: Name::new(tenant).expect("a name"), key: key.to_owned() }
}

fn catalog() -> Catalog {
    Catalog::empty().with::<Work>().with::<Lengthy>()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
