//! The chores on the model broker, and the scheduler on chores that misbehave.

use crate::{Advance, Chore, ChoreError, Done, Follow, History, HistoryError, Options, Scheduler, alarm::Alarms};
use async_trait::async_trait;
use longshore_base::{Clock, ManualClock, Name, Scope, SeededRandom, SystemClock};
use longshore_jobs::Checker;
use longshore_queue::{
    Ack, Auto, Broker, Due, Job, JobId, LeaseRequest, NewJob, Outcome, RuleChange, RuleScope, State, json, model::ModelBroker,
};
use longshore_store::{Store, StoreOptions};
use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

#[derive(Debug, Default)]
struct Memory {
    broken: AtomicBool,
    kept: Mutex<Vec<JobId>>,
}

#[async_trait]
impl History for Memory {
    async fn keep(&self, jobs: &[Job]) -> Result<(), HistoryError> {
        if self.broken.load(SeqCst) {
            return Err(HistoryError("broken by the test".into()));
        }
        self.kept.lock().unwrap().extend(jobs.iter().map(|job| job.id));
        Ok(())
    }
    async fn find(&self, _: JobId) -> Result<Option<Job>, HistoryError> {
        Ok(None)
    }
    async fn deployment(&self, proposed: &str) -> Result<String, HistoryError> {
        Ok(proposed.to_owned())
    }
}

struct Stage {
    broker: Arc<ModelBroker>,
    checker: Arc<Checker>,
    time: ManualClock,
    clock: Arc<SystemClock>,
    random: Arc<SeededRandom>,
    queue: Name,
}

const FAST: Options =
    Options { tick_ms: 5, lease_ms: 15_000, retention_ms: 5, files_ms: 5, keep_ms: 60_000, keep_count: 3, dead_keep_ms: 0, dead_alert: 0 };

impl Stage {
    fn new() -> Self {
        let time = ManualClock::at(1_800_000_000_000);
        let broker = Arc::new(ModelBroker::new(time.clone()));
        let checker = Arc::new(Checker::new(broker.clone(), Arc::new(time.clone())));
        Self { broker, checker, time, clock: SystemClock::new(), random: SeededRandom::new(3), queue: Name::literal("q") }
    }
    fn start(&self, history: Arc<dyn History>) -> Scheduler {
        Scheduler::start(FAST, self.broker.clone(), history, self.checker.clone(), self.clock.clone(), self.random.clone())
    }
    async fn enqueue(&self, due: Due) -> JobId {
        let home = self.broker.home(&self.queue).await.unwrap();
        let id = JobId::new(self.time.now(), home, &*self.random);
        let args = json(&serde_json::json!({}));
        let job = NewJob { due, ..NewJob::new(id, self.queue.clone(), Name::literal("k"), Name::literal("default"), args) };
        self.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap();
        id
    }
    async fn complete(&self, n: usize) -> Vec<JobId> {
        for _ in 0..n {
            self.enqueue(Due::Now).await;
        }
        let request = LeaseRequest {
            queue: self.queue.clone(),
            worker: format!("w{}", self.random_word()),
            call: 1,
            n,
            kinds: Arc::from([Name::literal("k")]),
            lease: Duration::from_secs(15),
        };
        let leases = self.broker.lease(&request).await.unwrap().leases;
        let ack = |lease: &longshore_queue::Lease| Ack {
            id: lease.job.id,
            token: lease.token,
            ran: Duration::ZERO,
            used: None,
            outcome: Outcome::Complete { output: None },
        };
        self.broker.ack(&self.queue, &request.worker, leases.iter().map(ack).collect()).await.unwrap();
        leases.iter().map(|lease| lease.job.id).collect()
    }
    fn random_word(&self) -> u64 {
        longshore_base::Random::bits(&*self.random)
    }
    async fn state(&self, id: JobId) -> Option<State> {
        self.broker.get(&Scope::All, &[id]).await.unwrap().remove(0).map(|job| job.state)
    }
    async fn eventually<F: Future<Output = bool>>(&self, what: &str, holds: impl Fn() -> F) {
        let end = self.clock.elapsed() + Duration::from_secs(10);
        while !holds().await {
            assert!(self.clock.elapsed() < end, "{what}, within ten seconds");
            self.clock.sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn due_jobs_become_ready_also_in_a_queue_that_comes_later() {
    let stage = Stage::new();
    let (one, two) = (stage.start(Arc::new(Memory::default())), stage.start(Arc::new(Memory::default())));
    let id = stage.enqueue(Due::In(Duration::from_secs(60))).await;
    stage.eventually("both found the queue", async || one.status().queues == 1 && two.status().queues == 1).await;
    assert_eq!(stage.state(id).await, Some(State::Scheduled));
    stage.time.advance(Duration::from_secs(61));
    stage.eventually("it is ready", async || stage.state(id).await == Some(State::Ready)).await;
    assert!(one.status().last_done.is_some());
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn ended_jobs_leave_only_after_the_history_has_them() {
    let stage = Stage::new();
    let ids = stage.complete(5).await;
    let memory = Arc::new(Memory::default());
    memory.broken.store(true, SeqCst);
    let scheduler = stage.start(memory.clone());
    stage.eventually("it looks after the queue", async || scheduler.status().queues == 1).await;
    let began = stage.clock.elapsed();
    stage.eventually("a while has passed", async || stage.clock.elapsed() > began + Duration::from_millis(200)).await;
    for id in &ids {
        assert_eq!(stage.state(*id).await, Some(State::Completed), "nothing may leave while the history is broken");
    }
    memory.broken.store(false, SeqCst);
    stage.eventually("the two oldest left by number", async || stage.state(ids[1]).await.is_none()).await;
    assert_eq!(stage.state(ids[2]).await, Some(State::Completed), "three are kept");
    stage.time.advance(Duration::from_secs(61));
    stage.eventually("the rest left by time", async || stage.state(ids[4]).await.is_none()).await;
    let mut kept = memory.kept.lock().unwrap().clone();
    kept.dedup();
    assert_eq!(kept, ids);
    scheduler.stop().await;
}

#[tokio::test]
async fn what_left_its_queue_is_found_in_the_store() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url, &StoreOptions { migrate: true, ..StoreOptions::default() }).await.unwrap();
    let ids = stage.complete(4).await;
    let scheduler = stage.start(Arc::new(store.clone()));
    stage.eventually("the oldest left", async || stage.state(ids[0]).await.is_none()).await;
    let text = store.history(&Scope::All, &ids[0].to_string()).await.unwrap().expect("it is in the history");
    let job: Job = serde_json::from_str(&text).unwrap();
    assert_eq!((job.id, job.state, job.counters.attempts), (ids[0], State::Completed, 1));
    scheduler.stop().await;
}

#[tokio::test]
async fn slots_follow_a_backlog_under_two_schedulers() {
    let stage = Stage::new();
    for _ in 0..100 {
        stage.enqueue(Due::Now).await;
    }
    let auto = Auto { min: 1, max: 8, clear_in_ms: 1_000, step: Some(3), cool_down_ms: Some(10_000) };
    let set = async |change| drop(stage.broker.rule(&stage.queue, &RuleScope::Queue, change, None).await.unwrap());
    let slots = async || stage.broker.stats(&Scope::All, &stage.queue).await.unwrap().slots;
    let alarms = Arc::new(Alarms::new(stage.clock.clone()));
    let ticks = Advance::new(stage.broker.clone(), FAST.tick(), FAST.lease(), alarms.clone());
    let chores = [(); 2].map(|()| Follow::new(stage.broker.clone(), Arc::new(stage.time.clone()), alarms.clone()));
    let round = async || {
        assert_eq!(ticks.run(&stage.queue).await.unwrap(), Done::Idle);
        for chore in &chores {
            assert_eq!(chore.run(&stage.queue).await.unwrap(), Done::Idle);
        }
        stage.time.advance(Duration::from_secs(2));
        slots().await
    };
    assert_eq!(round().await, None, "nobody asked for it");
    set(RuleChange::Auto(Some(auto))).await;
    let grown = [round().await, round().await, round().await, round().await];
    assert_eq!(grown, [3, 6, 8, 8].map(Some), "one step in a round, up to the bound");
    let jobs = stage.broker.list(&Scope::All, &longshore_queue::Filter::default(), 1_000, None).await.unwrap().items;
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    stage.broker.cancel(&Scope::All, &ids).await.unwrap();
    assert_eq!(round().await, Some(8), "it cools down");
    stage.time.advance(Duration::from_secs(10));
    assert_eq!([round().await, round().await], [5, 5].map(Some), "and down, a step at a time");
    set(RuleChange::Auto(None)).await;
    stage.time.advance(Duration::from_secs(60));
    assert_eq!(round().await, Some(5), "it stands when nobody asks any more");
}

#[derive(Debug, Default)]
struct Clumsy {
    runs: AtomicUsize,
}

#[async_trait]
impl Chore for Clumsy {
    fn name(&self) -> &'static str {
        "clumsy"
    }
    fn every(&self) -> Option<Duration> {
        Some(Duration::from_millis(5))
    }
    async fn run(&self, _: &Name) -> Result<Done, ChoreError> {
        match self.runs.fetch_add(1, SeqCst) {
            0 => Err(HistoryError("the first run fails".into()).into()),
            1 => panic!("the second run panics"),
            n if n < 10 => Ok(Done::More),
            _ => Ok(Done::Idle),
        }
    }
}

#[tokio::test]
async fn a_chore_that_fails_or_panics_is_tried_again() {
    let stage = Stage::new();
    stage.enqueue(Due::Now).await;
    let clumsy = Arc::new(Clumsy::default());
    let scheduler = Scheduler::with_chores(vec![clumsy.clone()], stage.broker.clone(), stage.clock.clone(), stage.random.clone());
    stage.eventually("it goes on", async || clumsy.runs.load(SeqCst) > 12).await;
    scheduler.stop().await;
    let runs = clumsy.runs.load(SeqCst);
    tokio::task::yield_now().await;
    assert_eq!(clumsy.runs.load(SeqCst), runs, "nothing runs after the stop");
}
