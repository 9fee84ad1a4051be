//! Limits that hold while workers are killed: one job at a time of an account, and an outside quota that several queues share.

use crate::{
    harness::{self, redis::Redis, redis_broker},
    scenarios::{Engine, Process, on_redis::workers, until},
};
use longshore_base::{Clock, Name, Random, Scope, SystemClock, SystemRandom};
use longshore_queue::{
    Broker, Job, JobId, Limits, NewJob, Points, Policy, Quota, RedisBroker, ResourceChange, RuleChange, RuleScope, State, json,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

const SHORT_LEASE: &[(&str, &str)] = &[("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")];
const ACCOUNTS: usize = 40;
const OFTEN: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread")]
async fn one_job_at_a_time_of_an_account_while_workers_are_killed() {
    one_at_a_time(4, 2_500).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "10,000 jobs on 8 workers"]
async fn one_job_at_a_time_of_an_account_on_8_workers_with_10_000_jobs() {
    one_at_a_time(8, 10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_kept_and_used_by_three_queues_while_workers_are_killed() {
    // What is lent is looked after a few times a second: of a short window that is a part that may be lost, of a minute it is not.
    shared_quota(10_000, 3, 90).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "1,000 points a minute over five minutes"]
async fn a_quota_of_1_000_a_minute_is_kept_and_used_while_workers_are_killed() {
    shared_quota(60_000, 5, 95).await;
}

async fn one_at_a_time(processes: usize, n: usize) {
    let fleet = Fleet::start(processes).await;
    let queue = Name::literal("accounts");
    for account in 0..ACCOUNTS {
        let scope = RuleScope::Key { tenant: tenant(account), key: key(account) };
        let limits = RuleChange::Limits(Limits { max_running: Some(1), ..Limits::default() });
        fleet.broker.rule(&queue, &scope, limits, None).await.expect("a rule");
    }
    let ids = fleet.enqueue(&queue, n, |n, job| job.tenant = tenant(n % ACCOUNTS)).await;
    let mut fleet = fleet;
    let deaths = fleet.kill_until(&queue, n as u64, Duration::from_secs(150)).await;
    assert!(deaths.len() >= 3, "workers were killed meanwhile: {}", deaths.len());

    let mut leases: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for job in fleet.jobs(&ids).await {
        assert_eq!((job.state, job.counters.attempts), (State::Completed, 1), "a crash spends no attempt: {job:?}");
        leases.entry(job.lane_key.clone()).or_default().extend(held(&job));
    }
    assert_eq!(leases.len(), ACCOUNTS);
    one_after_another("leases", leases);
    one_after_another("handlers", fleet.handlers(&deaths));
}

/// Nothing of an account begins before what began earlier has ended.
fn one_after_another(what: &str, by_account: BTreeMap<String, Vec<(i64, i64)>>) {
    for (account, mut times) in by_account {
        times.sort_unstable();
        for pair in times.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two {what} of {account} at once: {:?} and {:?}", pair[0], pair[1]);
        }
    }
}

/// `least`: so many of a hundred points are used while there is work.
async fn shared_quota(period_ms: u64, windows: i64, least: u64) {
    const POINTS: u64 = 1_000;
    let fleet = Fleet::start(4).await;
    let (name, period) = (Name::literal("provider"), i64::try_from(period_ms).expect("short"));
    let quota = Quota { points: Some(Points { count: POINTS, period_ms }), ..Quota::default() };
    fleet.broker.resource(&name, ResourceChange::Put(quota), None).await.expect("made");
    let mut ids = Vec::new();
    for queue in ["ads", "search", "social"] {
        let queue = Name::literal(queue);
        let made = fleet.enqueue(&queue, 1_200, |n, job| {
            (job.tenant, job.cost, job.resources) = (tenant(n % ACCOUNTS), 1 + (n % 5) as u32, vec![name.clone()]);
        });
        ids.extend(made.await);
    }
    let mut fleet = fleet;
    let began = fleet.clock.now();
    while fleet.clock.now() < began + period * (windows + 1) {
        fleet.kill_one(Duration::from_secs(2)).await;
    }
    let jobs = fleet.jobs(&ids).await;
    let mut taken: Vec<(i64, u64)> =
        jobs.iter().flat_map(|job| held(job).into_iter().map(|(from, _)| (from, u64::from(job.cost)))).collect();
    taken.sort_unstable();
    let within = |from: i64| taken.iter().filter(|(at, _)| (from..from + period).contains(at)).map(|(_, cost)| cost).sum::<u64>();
    let most = taken.iter().map(|(at, _)| within(*at)).max().unwrap_or_default();
    assert!(most <= POINTS, "{most} points in {period_ms} ms");
    assert!(jobs.iter().any(|job| job.state == State::Ready), "there was work all the time");
    let first = taken[0].0;
    let each: Vec<_> = (0..windows).map(|n| within(first + n * period)).collect();
    assert!(each.iter().all(|points| *points >= POINTS * least / 100), "points used of {POINTS} in each {period_ms} ms: {each:?}");
}

/// From when to when each lease of a job held, by the server's clock.
fn held(job: &Job) -> Vec<(i64, i64)> {
    let past = job.history.iter().filter_map(|event| Some((event.started_at?, event.at)));
    let mut all: Vec<_> = past.collect();
    if job.state == State::Running {
        all.extend(job.started_at.map(|at| (at, i64::MAX)));
    }
    all.sort_unstable();
    all.dedup_by_key(|(from, _)| *from);
    all
}

fn tenant(n: usize) -> Name {
    Name::new(format!("tenant-{n}")).expect("a name")
}
fn key(n: usize) -> String {
    format!("account-{n}")
}

/// Worker processes that are killed and replaced, on a Redis of their own.
struct Fleet {
    engine: Engine,
    broker: Arc<RedisBroker>,
    clock: Arc<SystemClock>,
    random: Arc<SystemRandom>,
    workers: Vec<Process>,
    log: PathBuf,
    _scheduler: Process,
    _redis: Redis,
}

impl Fleet {
    async fn start(processes: usize) -> Self {
        let redis = Redis::start(&[]).await;
        let engine = Engine::on(&redis.url(), SHORT_LEASE).await;
        let scheduler = engine.role("scheduler", &[]).await;
        let mut all = Vec::new();
        for _ in 0..processes {
            all.push(engine.role_of("it-kinds", "worker", &["--concurrency", "16"]).await);
        }
        workers(&engine, processes).await;
        Self {
            broker: redis_broker::connect(&redis.url()).await,
            clock: SystemClock::new(),
            random: SystemRandom::new(),
            workers: all,
            log: harness::folder("history").join("log"),
            engine,
            _scheduler: scheduler,
            _redis: redis,
        }
    }

    async fn enqueue(&self, queue: &Name, n: usize, change: impl Fn(usize, &mut NewJob)) -> Vec<JobId> {
        let home = self.broker.home(queue).await.expect("a queue");
        let one = |n: usize| {
            let id = JobId::new(self.clock.now(), home, &*self.random);
            let args = json(&json!({"account": key(n % ACCOUNTS), "ms": n % 4, "log": self.log.to_str().expect("UTF-8")}));
            let mut job = NewJob::new(id, queue.clone(), Name::literal("it.written"), Name::literal("default"), args);
            (job.lane_key, job.policy) = (key(n % ACCOUNTS), Policy { crashes_max: 200, ..Policy::default() });
            change(n, &mut job);
            job
        };
        let jobs: Vec<_> = (0..n).map(one).collect();
        let ids = jobs.iter().map(|job| job.id).collect();
        for part in jobs.chunks(500) {
            for answer in self.broker.enqueue(part.to_vec()).await.expect("enqueued") {
                answer.expect("accepted");
            }
        }
        ids
    }

    /// Kills one worker at random after a while and starts another. Answers who died, and when it was dead.
    async fn kill_one(&mut self, after: Duration) -> (u32, i64) {
        self.clock.sleep(after + Duration::from_millis(self.random.bits() % 600)).await;
        let at = (self.random.bits() % self.workers.len() as u64) as usize;
        let pid = self.workers[at].pid();
        self.workers[at].kill();
        let dead = self.clock.now();
        self.workers[at] = self.engine.role_of("it-kinds", "worker", &["--concurrency", "16"]).await;
        (pid, dead)
    }

    /// Kills workers until so many jobs of the queue are completed.
    async fn kill_until(&mut self, queue: &Name, completed: u64, at_most: Duration) -> HashMap<u32, i64> {
        let (mut deaths, end) = (HashMap::new(), self.clock.elapsed() + at_most);
        while self.broker.stats(&Scope::All, queue).await.expect("stats").completed < completed / 2 {
            assert!(self.clock.elapsed() < end, "half of the jobs are not completed within {at_most:?}");
            deaths.extend([self.kill_one(OFTEN).await]);
        }
        while deaths.len() < 3 {
            deaths.extend([self.kill_one(OFTEN).await]);
        }
        until("every job is completed", at_most, async || {
            (self.broker.stats(&Scope::All, queue).await.ok()?.completed >= completed).then_some(())
        })
        .await;
        deaths
    }

    async fn jobs(&self, ids: &[JobId]) -> Vec<Job> {
        let mut all = Vec::new();
        for part in ids.chunks(500) {
            all.extend(self.broker.get(&Scope::All, part).await.expect("jobs").into_iter().flatten());
        }
        all
    }

    /// From when to when handlers ran, by account; one that was killed ran until its process was dead.
    fn handlers(&self, deaths: &HashMap<u32, i64>) -> BTreeMap<String, Vec<(i64, i64)>> {
        let text = std::fs::read_to_string(&self.log).expect("handlers wrote");
        let (mut open, mut done) = (HashMap::new(), BTreeMap::<String, Vec<(i64, i64)>>::new());
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [what, at, job, account, pid] = words[..] else { panic!("{line}") };
            let (at, run) = (at.parse().expect("a time"), (job.to_owned(), pid.to_owned()));
            match what {
                "begin" => drop(open.insert(run, (at, account.to_owned()))),
                _ => {
                    let (from, account) = open.remove(&run).expect("it began");
                    done.entry(account).or_default().push((from, at));
                }
            }
        }
        for ((job, pid), (from, account)) in open {
            let died = deaths.get(&pid.parse().expect("a number")).unwrap_or_else(|| panic!("{job} has no end, and {pid} was not killed"));
            done.entry(account).or_default().push((from, *died));
        }
        done
    }
}
