//! One case's queue, and short words for what every case does.

use super::Fixture;
use crate::{
    Ack, Acked, Broker, BrokerError, Enqueued, ErrorInfo, Filter, Home, Job, JobId, Json, Lease, LeaseReply, LeaseRequest, NewJob, Outcome,
    Reason, Scope, State, TickReport,
};
use longshore_base::{Millis, Name, Random, SystemRandom};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The kind of a case's jobs unless it says otherwise.
pub const KIND: &str = "test.kind";
/// A second kind.
pub const OTHER: &str = "test.other";
/// A lease or a delay that runs out soon.
pub const SHORT: Duration = Duration::from_millis(250);
/// One that does not.
pub const LONG: Duration = Duration::from_secs(3600);
/// What ticks are told; half of it is far above any pause between two calls of a case.
const TICK_LEASE: Duration = Duration::from_secs(20);
/// How often, and after which time, [`Case::until`] looks again.
const LOOKS: u32 = 1_000;
const STEP: Duration = Duration::from_millis(20);

/// Cases share servers, so no two may have the same queue.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// One case with a queue of its own.
pub struct Case {
    /// What the broker's tests provide.
    pub fixture: Arc<dyn Fixture>,
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// The case's queue.
    pub queue: Name,
    /// Its number.
    pub home: Home,
    name: String,
    random: Arc<SystemRandom>,
    opened_at: Millis,
    calls: AtomicU64,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// An attempt that ends well.
#[must_use]
pub fn complete() -> Outcome {
    Outcome::Complete { output: None }
}

/// An attempt that fails and is to be repeated.
#[must_use]
pub fn retry(after: Duration) -> Outcome {
    Outcome::Retry { after, error: error("oops") }
}

/// An attempt that fails for good.
#[must_use]
pub fn dead() -> Outcome {
    Outcome::Dead { reason: Reason::Fatal, error: error("fatal") }
}

/// An error of the group `fingerprint`.
#[must_use]
pub fn error(fingerprint: &str) -> ErrorInfo {
    ErrorInfo { code: "handler.failed".into(), message: format!("the handler says {fingerprint}"), fingerprint: fingerprint.into() }
}

impl Case {
    /// Opens a queue that nobody has used.
    pub async fn open(name: &str, fixture: Arc<dyn Fixture>) -> Self {
        let broker = fixture.broker();
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let queue = Name::new(format!("{}-{number}", &name[..name.len().min(100)])).expect("a test's name is a name");
        let home = broker.home(&queue).await.expect("a home");
        fixture.opened(&queue).await;
        let opened_at = fixture.now().await;
        Self { fixture, broker, queue, home, name: name.into(), random: SystemRandom::new(), opened_at, calls: AtomicU64::new(0) }
    }

    /// The same case on a broker that is durable, for kinds that are not repeatable.
    pub async fn durable(&self) -> Self {
        Self::open(&self.name, self.fixture.durable().await).await
    }

    /// The same case on another queue of the same broker.
    pub async fn beside(&self) -> Self {
        Self::open(&self.name, self.fixture.clone()).await
    }

    /// A name that this case alone uses.
    #[must_use]
    pub fn own(&self, word: &str) -> Name {
        Name::new(format!("{word}.{}", self.home.0)).expect("a name")
    }

    /// A fresh id of the case's queue.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::new(self.opened_at, self.home, &*self.random)
    }

    /// A job with a fresh id.
    #[must_use]
    pub fn job(&self) -> NewJob {
        NewJob::new(self.id(), self.queue.clone(), Name::literal(KIND), Name::literal("one"), args(&self.random.bits().to_string()))
    }

    /// Enqueues.
    pub async fn enqueue(&self, job: NewJob) -> Enqueued {
        self.try_enqueue(job).await.expect("the job is taken")
    }

    /// Enqueues, or not.
    pub async fn try_enqueue(&self, job: NewJob) -> Result<Enqueued, BrokerError> {
        only(self.broker.enqueue(vec![job]).await?)
    }

    /// Enqueues a job that must be new.
    pub async fn put(&self, job: NewJob) -> JobId {
        let (asked, enqueued) = (job.id, self.enqueue(job).await);
        assert_eq!((enqueued.id, enqueued.duplicate), (asked, false), "a new job");
        asked
    }

    /// Enqueues `n` plain jobs.
    pub async fn add(&self, n: usize) -> Vec<JobId> {
        let jobs: Vec<_> = (0..n).map(|_| self.job()).collect();
        let ids = jobs.iter().map(|job| job.id).collect();
        for enqueued in self.broker.enqueue(jobs).await.expect("an answer") {
            assert!(!enqueued.expect("a new job").duplicate);
        }
        ids
    }

    /// A lease request with a new call number.
    #[must_use]
    pub fn request(&self, worker: &str, n: usize, lease: Duration) -> LeaseRequest {
        let kinds = [KIND, OTHER].map(Name::literal).into();
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        LeaseRequest { queue: self.queue.clone(), worker: worker.into(), call, n, kinds, lease }
    }

    /// The number of the newest lease call.
    #[must_use]
    pub fn last_call(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Leases as asked.
    pub async fn ask(&self, request: &LeaseRequest) -> LeaseReply {
        self.broker.lease(request).await.expect("a lease reply")
    }

    /// Leases up to `n` jobs for a long time.
    pub async fn lease(&self, n: usize) -> Vec<Lease> {
        self.lease_by("w1", n, LONG).await
    }

    /// Leases up to `n` jobs to `worker`.
    pub async fn lease_by(&self, worker: &str, n: usize, lease: Duration) -> Vec<Lease> {
        self.ask(&self.request(worker, n, lease)).await.leases
    }

    /// Leases the one job that can be leased.
    pub async fn one(&self) -> Lease {
        only(self.lease(1).await)
    }

    /// A job that runs.
    pub async fn running(&self) -> Lease {
        self.run(self.job()).await
    }

    /// Enqueues `job` and leases it.
    pub async fn run(&self, job: NewJob) -> Lease {
        let id = self.put(job).await;
        let lease = self.one().await;
        assert_eq!(lease.job.id, id, "the job that was enqueued");
        lease
    }

    /// Leases one job as soon as time allows.
    pub async fn one_soon(&self) -> Lease {
        let mut found = None;
        self.until("a job can be leased", async || {
            found = self.lease(1).await.pop();
            found.is_some()
        })
        .await;
        found.expect("checked")
    }

    /// Ends an attempt; answers the state.
    pub async fn ack(&self, lease: &Lease, outcome: Outcome) -> State {
        let acked = self.try_ack(lease, outcome).await.expect("the ack is accepted");
        assert!(!acked.repeated, "the first ack of this token");
        acked.state
    }

    /// Ends an attempt, or not.
    pub async fn try_ack(&self, lease: &Lease, outcome: Outcome) -> Result<Acked, BrokerError> {
        let worker = lease.job.worker.clone().unwrap_or_default();
        let ack = Ack { id: lease.job.id, token: lease.token, ran: Duration::from_millis(5), used: None, outcome };
        only(self.broker.ack(&self.queue, &worker, vec![ack]).await?)
    }

    /// A job that must be there.
    pub async fn get(&self, id: JobId) -> Job {
        only(self.broker.get(&Scope::All, &[id]).await.expect("an answer")).unwrap_or_else(|| panic!("{id} is not there"))
    }

    /// Where a job stands.
    pub async fn state(&self, id: JobId) -> State {
        self.get(id).await.state
    }

    /// Cancels one job.
    pub async fn cancel(&self, id: JobId) -> Result<State, BrokerError> {
        only(self.broker.cancel(&Scope::All, &[id]).await?)
    }

    /// Moves the queue's time.
    pub async fn tick(&self) -> TickReport {
        self.broker.tick(&self.queue, TICK_LEASE).await.expect("a tick report")
    }

    /// Now, by the broker's clock.
    pub async fn now(&self) -> Millis {
        self.fixture.now().await
    }

    /// Lets time pass.
    pub async fn pass(&self, by: Duration) {
        self.fixture.pass(by).await;
    }

    /// Ticks and lets time pass until the condition holds.
    ///
    /// # Panics
    /// When it never does.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        for _ in 0..LOOKS {
            if holds().await {
                return;
            }
            self.pass(STEP).await;
            self.tick().await;
        }
        panic!("it never came that {what}");
    }

    /// Waits until the job is in that state.
    pub async fn until_state(&self, id: JobId, state: State) -> Job {
        self.until(&format!("{id} is {state}"), async || self.state(id).await == state).await;
        self.get(id).await
    }

    /// A call that must be refused and leave everything as it was; answers the error.
    pub async fn refused<T: Debug>(&self, call: impl Future<Output = Result<T, BrokerError>>) -> BrokerError {
        let before = self.fixture.snapshot(&self.queue).await;
        let error = call.await.expect_err("this call must be refused");
        let after = self.fixture.snapshot(&self.queue).await;
        assert_eq!(before, after, "a refused call ({error}) has changed something");
        error
    }

    /// A call that must be accepted and leave everything as it was.
    pub async fn unchanged<T>(&self, call: impl Future<Output = T>) -> T {
        let before = self.fixture.snapshot(&self.queue).await;
        let answer = call.await;
        assert_eq!(before, self.fixture.snapshot(&self.queue).await, "this call must not change anything");
        answer
    }

    /// A fresh job in that state; the lease if it runs. Needs a kind of its own, so that other jobs of the case are not touched.
    pub async fn in_state(&self, state: State) -> (JobId, Option<Lease>) {
        let kind = self.own(state.as_str());
        let due = if state == State::Scheduled { crate::Due::In(LONG) } else { crate::Due::Now };
        let id = self.put(NewJob { kind: kind.clone(), due, ..self.job() }).await;
        if matches!(state, State::Scheduled | State::Ready) {
            return (id, None);
        }
        let request = LeaseRequest { kinds: [kind].into(), ..self.request("w1", 1, LONG) };
        let lease = only(self.ask(&request).await.leases);
        let outcome = match state {
            State::Retrying => retry(LONG),
            State::Waiting => Outcome::Wait(for_signal("go")),
            State::Completed => complete(),
            State::Cancelled => Outcome::Cancel,
            State::Dead => dead(),
            _ => return (id, Some(lease)),
        };
        assert_eq!(self.ack(&lease, outcome).await, state);
        (id, None)
    }

    /// Every job of the queue, page by page.
    pub async fn all(&self) -> Vec<Job> {
        let filter = Filter { queue: Some(self.queue.clone()), ..Filter::default() };
        let (mut jobs, mut cursor) = (BTreeMap::new(), None);
        for _ in 0..10_000 {
            let page = self.broker.list(&Scope::All, &filter, 100, cursor.as_deref()).await.expect("a page");
            jobs.extend(page.items.into_iter().map(|job| (job.id, job)));
            cursor = page.cursor;
            if cursor.is_none() {
                return jobs.into_values().collect();
            }
        }
        panic!("the list of {} has no end", self.queue);
    }

    /// The queue's counts equal what its jobs say.
    pub async fn assert_counts_are_true(&self) {
        let stats = self.broker.stats(&Scope::All, &self.queue).await.expect("stats");
        let jobs = self.all().await;
        let truth = State::ALL.map(|state| jobs.iter().filter(|job| job.state == state && !job.replayed).count() as u64);
        let told =
            [stats.scheduled, stats.ready, stats.running, stats.retrying, stats.waiting, stats.completed, stats.cancelled, stats.dead];
        assert_eq!(told, truth, "the counts of {:?} against the jobs", State::ALL);
    }
}

/// A wait for a signal of that name, without an end.
#[must_use]
pub fn for_signal(name: &str) -> crate::Wait {
    crate::Wait {
        on: crate::WaitOn::Signal(name.into()),
        timeout: None,
        on_timeout: crate::WaitPolicy::Wake,
        on_child_failed: crate::WaitPolicy::Wake,
    }
}

/// `{"n": text}`.
#[must_use]
pub fn args(text: &str) -> Json {
    crate::json(&serde_json::json!({ "n": text }))
}

/// The one item of a batch's answer.
#[must_use]
pub fn only<T>(items: Vec<T>) -> T {
    let count = items.len();
    items.into_iter().next().filter(|_| count == 1).unwrap_or_else(|| panic!("one was expected, {count} came"))
}
