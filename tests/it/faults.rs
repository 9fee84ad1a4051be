//! Faults of Redis and of the way to it: lost scripts, lost replies, a full memory, a wrong set-up, a killed server, moving slots.
//! Every test but the last breaks a server of its own.

use crate::harness::{
    eventually, fresh_moving, mover,
    proxy::{Fault, Proxy},
    redis::Redis,
    redis_broker::connect,
};
use longshore_base::{Name, SystemClock, SystemRandom};
use longshore_queue::{
    Ack, Alert, Broker, BrokerError, Change, Counters, FEED_BYTES_MAX, FEED_MAX, Filter, Home, JobId, LeaseRequest, Letter, NewJob, Parent,
    Reason, RedisBroker, RedisOptions, Scope, State, Unique, UniqueMode,
    conformance::{Case, LONG, args, complete, for_signal, only},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How often a reply is cut, for each kind of call.
const CUTS: u64 = 1_000;
/// As scripts write down that a unique key is held for a while (record.lua).
const THROTTLE: u8 = 4;

/// A queue on a server of one test.
struct Queue {
    broker: Arc<dyn Broker>,
    name: Name,
    home: Home,
    calls: AtomicU64,
}

impl Queue {
    async fn on(broker: Arc<dyn Broker>) -> Self {
        let name = Name::literal("faults");
        let home = broker.home(&name).await.expect("a home");
        Self { broker, name, home, calls: AtomicU64::new(0) }
    }

    fn job(&self, args: longshore_queue::Json) -> NewJob {
        let id = JobId::new(longshore_base::Clock::now(&*SystemClock::new()), self.home, &*SystemRandom::new());
        NewJob::new(id, self.name.clone(), Name::literal("k"), Name::literal("t"), args)
    }

    fn request(&self, worker: &str, n: usize) -> LeaseRequest {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        LeaseRequest { queue: self.name.clone(), worker: worker.into(), call, n, kinds: [Name::literal("k")].into(), lease: LONG }
    }

    async fn enqueue(&self, job: NewJob) -> Result<longshore_queue::Enqueued, BrokerError> {
        only(self.broker.enqueue(vec![job]).await?)
    }

    async fn ack(&self, lease: &longshore_queue::Lease) -> Result<longshore_queue::Acked, BrokerError> {
        let ack = Ack { id: lease.job.id, token: lease.token, ran: Duration::ZERO, used: None, outcome: complete() };
        only(self.broker.ack(&self.name, "w", vec![ack]).await?)
    }

    async fn count(&self, state: State) -> u64 {
        let stats = self.broker.stats(&Scope::All, &self.name).await.expect("stats");
        match state {
            State::Ready => stats.ready,
            State::Running => stats.running,
            State::Completed => stats.completed,
            _ => stats.dead + stats.cancelled + stats.retrying + stats.scheduled + stats.waiting,
        }
    }

    /// Bytes that every request about this queue contains, and no other.
    fn mark(&self) -> Vec<u8> {
        format!("{{{}/0}}", self.name).into_bytes()
    }
}

/// Repeats a call as long as its failure says that this is safe, as the API and the workers do.
async fn repeated<T>(mut call: impl AsyncFnMut() -> Result<T, BrokerError>) -> (T, u32) {
    for failures in 0..200 {
        match call().await {
            Ok(answer) => return (answer, failures),
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    panic!("200 failures in a row");
}

async fn behind_a_proxy() -> (Redis, Proxy, Queue) {
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let proxy = Proxy::before(redis.port).await;
    let queue = Queue::on(connect(&format!("redis://127.0.0.1:{}/0", proxy.port)).await).await;
    // Once without a fault: a script that the server does not know yet does nothing when it is called.
    queue.enqueue(queue.job(args("x"))).await.expect("a new job");
    let lease = only(queue.broker.lease(&queue.request("w", 1)).await.expect("a reply").leases);
    queue.ack(&lease).await.expect("accepted");
    (redis, proxy, queue)
}

#[tokio::test]
async fn q4_repeating_an_enqueue_whose_reply_was_cut_makes_no_second_job() {
    let (_redis, proxy, queue) = behind_a_proxy().await;
    for _ in 0..CUTS {
        let job = queue.job(args("x"));
        proxy.set(Fault::CutReply(queue.mark()));
        let (enqueued, failures) = repeated(async || queue.enqueue(job.clone()).await).await;
        assert_eq!((enqueued.id, enqueued.duplicate), (job.id, true), "after {failures} failures");
    }
    assert_eq!(proxy.counters().cut.load(Ordering::Relaxed), CUTS);
    assert_eq!(queue.count(State::Ready).await, CUTS);
}

#[tokio::test]
async fn q4_repeating_a_lease_whose_reply_was_cut_leaves_no_orphan() {
    let (_redis, proxy, queue) = behind_a_proxy().await;
    for _ in 0..CUTS {
        queue.enqueue(queue.job(args("x"))).await.expect("a new job");
    }
    let mut seen = BTreeSet::new();
    for _ in 0..CUTS {
        let request = queue.request("w", 1);
        proxy.set(Fault::CutReply(queue.mark()));
        let (reply, failures) = repeated(async || queue.broker.lease(&request).await).await;
        let lease = only(reply.leases);
        assert!(seen.insert(lease.job.id), "{} came twice", lease.job.id);
        assert_eq!(failures, 1, "one reply was cut");
        assert_eq!(lease.job.counters.runs, 1);
        queue.ack(&lease).await.expect("accepted");
    }
    assert_eq!(proxy.counters().cut.load(Ordering::Relaxed), CUTS);
    assert_eq!((queue.count(State::Running).await, queue.count(State::Completed).await), (0, CUTS + 1));
}

#[tokio::test]
async fn q4_repeating_an_ack_whose_reply_was_cut_is_one_completion() {
    let (_redis, proxy, queue) = behind_a_proxy().await;
    for _ in 0..CUTS {
        queue.enqueue(queue.job(args("x"))).await.expect("a new job");
        let lease = only(queue.broker.lease(&queue.request("w", 1)).await.expect("a reply").leases);
        proxy.set(Fault::CutReply(queue.mark()));
        let (acked, failures) = repeated(async || queue.ack(&lease).await).await;
        assert_eq!((failures, acked.repeated, acked.state), (1, true, State::Completed));
    }
    assert_eq!(proxy.counters().cut.load(Ordering::Relaxed), CUTS);
    assert_eq!((queue.count(State::Running).await, queue.count(State::Completed).await), (0, CUTS + 1));
    let filter = Filter { queue: Some(queue.name.clone()), ..Filter::default() };
    let jobs = queue.broker.list(&Scope::All, &filter, 100, None).await.expect("a page").items;
    assert!(jobs.iter().all(|job| job.counters.attempts == 1 && job.counters.runs == 1));
}

#[tokio::test]
async fn q4_repeating_is_told_apart_nothing_sent_or_outcome_unknown() {
    let (_redis, proxy, queue) = behind_a_proxy().await;
    proxy.set(Fault::Refuse);
    eventually("nothing is sent any more", Duration::from_secs(30), async || {
        matches!(queue.enqueue(queue.job(args("x"))).await, Err(BrokerError::Unavailable(_)))
    })
    .await;
    proxy.set(Fault::None);
    let (enqueued, _) = repeated(async || queue.enqueue(queue.job(args("x"))).await).await;
    assert!(!enqueued.duplicate);
    proxy.set(Fault::HalfOpen);
    let job = queue.job(args("x"));
    let told = queue.enqueue(job.clone()).await;
    assert!(matches!(told, Err(BrokerError::OutcomeUnknown(_))), "{told:?}");
    proxy.set(Fault::None);
    let (enqueued, _) = repeated(async || queue.enqueue(job.clone()).await).await;
    assert!(enqueued.duplicate, "the request had reached the server");
}

#[tokio::test]
async fn q7_scripts_are_loaded_again_when_the_server_has_lost_them() {
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let stop = AtomicBool::new(false);
    let mut direct = redis.connect().await;
    let flush = async {
        let mut flushes = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let _: String = ::redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut direct).await.expect("flushed");
            flushes += 1;
            tokio::task::yield_now().await;
        }
        flushes
    };
    let load = async {
        for _ in 0..500 {
            queue.enqueue(queue.job(args("x"))).await.expect("a new job");
            let lease = only(queue.broker.lease(&queue.request("w", 1)).await.expect("a reply").leases);
            queue.ack(&lease).await.expect("accepted");
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (flushes, ()) = tokio::join!(flush, load);
    assert!(flushes > 100, "{flushes} flushes");
    assert_eq!(queue.count(State::Completed).await, 500);
}

/// Calls that came together are answered one by one: what a script cannot make sense of in one of them is nobody else's fault.
#[tokio::test]
async fn a_damaged_unique_key_fails_its_own_enqueue_alone() {
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let mut direct = redis.connect().await;
    let (held, cut_short) = (format!("ls:{{{}/0}}:uniq", queue.name), [[7; 14].as_slice(), &[THROTTLE]].concat());
    let broken = ::redis::cmd("HSET").arg(held).arg("t/k/hot").arg(cut_short).query_async::<u64>(&mut direct).await;
    assert_eq!(broken.expect("HSET"), 1);
    let hot = || Some(Unique { key: "hot".to_owned(), mode: UniqueMode::Throttle { window: LONG } });
    let jobs = (0..30).map(|n| NewJob { unique: if n == 17 { hot() } else { None }, ..queue.job(args("x")) });
    let answers = futures::future::join_all(jobs.map(|job| queue.enqueue(job))).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(n == 17, matches!(answer, Err(BrokerError::Refused(_))), "{n}: {answer:?}");
    }
    assert_eq!(queue.count(State::Ready).await, 29);
}

/// However many enqueues wait for a server that hangs, all have failed when the first would have.
#[tokio::test]
async fn enqueues_behind_one_that_hangs_do_not_hang_one_after_another() {
    let (_redis, proxy, queue) = behind_a_proxy().await;
    proxy.set(Fault::HalfOpen);
    let unique = || Some(Unique { key: "hot".to_owned(), mode: UniqueMode::Keep });
    let jobs = (0..40).map(|_| NewJob { unique: unique(), ..queue.job(args("x")) });
    let all = futures::future::join_all(jobs.map(|job| queue.enqueue(job)));
    let answers = tokio::time::timeout(Duration::from_secs(20), all).await.expect("all are answered");
    for answer in &answers {
        assert!(answer.as_ref().is_err_and(BrokerError::is_transient), "{answer:?}");
    }
}

/// What cannot be told, such as a job that moves to a server without room, holds nobody up who stands behind it.
#[tokio::test]
async fn q4_waiting_is_told_past_an_entry_that_cannot_be() {
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let outbox = format!("ls:{{{}/0}}:outbox", queue.name);
    let mut direct = redis.connect().await;
    let broken = ::redis::cmd("HSET").arg(outbox).arg("broken").arg("\x03").query_async::<u64>(&mut direct).await;
    assert_eq!(broken.expect("HSET"), 1);
    let parent = NewJob { wait: Some(for_signal("go")), kind: Name::literal("parent"), ..queue.job(args("x")) };
    let link = Parent { id: parent.id, key: "child".into() };
    queue.enqueue(parent).await.expect("a parent");
    queue.enqueue(NewJob { id: link.child_id(queue.home), parent: Some(link.clone()), ..queue.job(args("x")) }).await.expect("a child");
    let lease = only(queue.broker.lease(&queue.request("w", 1)).await.expect("a reply").leases);
    queue.ack(&lease).await.expect("accepted");
    eventually("the parent is told", Duration::from_secs(10), async || {
        queue.broker.tick(&queue.name, LONG).await.expect("a report");
        let children = queue.broker.inbox(link.id).await.expect("an inbox").children;
        children.iter().any(|child| child.outcome.is_some())
    })
    .await;
}

/// What attempts tell may be large. A feed takes no more of the server than it may, and nobody waits for what one answer does not hold.
#[tokio::test]
async fn q7_feed_is_bounded_by_bytes_on_redis() {
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let feed = async |after: Option<&str>| queue.broker.feed(&queue.name, after, FEED_MAX).await.expect("a feed");
    let mut place = feed(None).await.next;
    for n in 0..40 {
        let alert = Alert { code: format!("n.{n}"), tenant: None, detail: "x".repeat(1 << 20) };
        queue.broker.announce(&queue.name, alert).await.expect("told");
    }
    let (mut heard, mut missed) = (0, 0);
    loop {
        let more = feed(Some(&place)).await;
        (heard, missed, place) = (heard + more.entries.len(), missed + usize::from(more.missed), more.next);
        let wait = queue.broker.wait_feed(&queue.name, LONG);
        if tokio::time::timeout(Duration::from_secs(2), wait).await.is_err() {
            break;
        }
    }
    assert!(feed(Some(&place)).await.entries.is_empty(), "whoever waits has heard everything");
    assert!(missed == 1 && (10..40).contains(&heard), "{heard} were heard");
    let (key, mut direct) = (format!("ls:{{{}/0}}:feed", queue.name), redis.connect().await);
    let size = ::redis::cmd("MEMORY").arg("USAGE").arg(key).query_async::<usize>(&mut direct).await.expect("its size");
    assert!(size <= FEED_BYTES_MAX, "{size} bytes");
}

/// Letters of more tenants than one script looks at are listed all the same.
#[tokio::test]
async fn q5_letters_are_listed_of_however_many_tenants() {
    const TENANTS: usize = 1_100;
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let letter = |n: usize| Letter {
        job: NewJob { tenant: Name::new(format!("t{n}")).expect("a name"), ..queue.job(args("x")) },
        counters: Counters::default(),
        reason: Reason::Fatal,
        history: Vec::new(),
        started_at: None,
        ended_at: 1_700_000_000_000,
    };
    let buried = queue.broker.bury((0..TENANTS).map(letter).collect()).await.expect("an answer");
    let buried: BTreeSet<_> = buried.into_iter().map(|one| one.expect("it is taken").id).collect();
    let filter = Filter { queue: Some(queue.name.clone()), state: Some(State::Dead), ..Filter::default() };
    let (mut listed, mut cursor) = (BTreeSet::new(), None::<String>);
    for _ in 0..TENANTS {
        let page = queue.broker.list(&Scope::All, &filter, 300, cursor.as_deref()).await.expect("a page");
        listed.extend(page.items.into_iter().map(|job| job.id));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((listed.len(), listed == buried), (TENANTS, true));
}

#[tokio::test]
async fn q7_at_start_an_eviction_policy_is_refused() {
    let redis = Redis::start(&["--maxmemory-policy", "allkeys-lru", "--maxmemory", "64mb"]).await;
    let refused = RedisBroker::connect(RedisOptions::new(redis.url(), SystemClock::new(), SystemRandom::new())).await;
    let Err(BrokerError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("maxmemory-policy") && why.contains("allkeys-lru") && why.contains("noeviction"), "{why}");
}

#[tokio::test]
async fn q7_at_start_a_server_without_aof_is_told() {
    let redis = Redis::start(&["--appendonly", "no"]).await;
    let opened = RedisBroker::connect(RedisOptions::new(redis.url(), SystemClock::new(), SystemRandom::new())).await;
    match opened {
        Err(BrokerError::Refused(why)) => assert!(why.contains("appendonly"), "{why}"),
        Err(other) => panic!("{other:?}"),
        Ok(broker) => {
            let faults = broker.health().await.expect("health").faults;
            assert!(faults.iter().any(|fault| fault.key.contains("appendonly")), "{faults:?}");
        }
    }
}

/// Above the high-water mark, and then with no memory at all: nothing is enqueued, everything that runs can end.
async fn fills_up(high_water: f64) {
    let redis = Redis::start(&["--appendfsync", "no", "--maxmemory", "24mb"]).await;
    let options = RedisOptions { high_water, ..RedisOptions::new(redis.url(), SystemClock::new(), SystemRandom::new()) };
    let queue = Queue::on(RedisBroker::connect(options).await.expect("a broker")).await;
    let body = args(&"x".repeat(20_000));
    // Somebody listens: what cannot be told refuses nothing.
    let begin = queue.broker.feed(&queue.name, None, 1).await.expect("a feed").next;
    for _ in 0..50 {
        queue.enqueue(queue.job(args("x"))).await.expect("there is room");
    }
    let leases = queue.broker.lease(&queue.request("w", 50)).await.expect("a reply").leases;
    assert_eq!(leases.len(), 50);
    let mut full = None;
    for _ in 0..5_000 {
        if let Err(error) = queue.enqueue(queue.job(body.clone())).await {
            full = Some(error);
            break;
        }
    }
    let Some(BrokerError::Full { retry_after, detail }) = full else { panic!("{full:?}") };
    assert!(!retry_after.is_zero() && !detail.is_empty());
    let job = queue.job(body.clone());
    assert!(matches!(queue.enqueue(job.clone()).await, Err(BrokerError::Full { .. })));
    let refused = only(queue.broker.get(&Scope::All, &[job.id]).await.expect("an answer"));
    assert!(refused.is_none(), "a refused job is not there");
    for lease in &leases {
        let held = [longshore_queue::Held { id: lease.job.id, token: lease.token }];
        let told = queue.broker.extend(&queue.name, "w", &held, 0, LONG).await.expect("extends go on");
        assert!(told.lost.is_empty());
        assert_eq!(queue.ack(lease).await.expect("acks go on").state, State::Completed);
    }
    let told = queue.broker.feed(&queue.name, Some(&begin), FEED_MAX).await.expect("who listens is answered");
    assert!(!told.missed && told.entries.iter().any(|entry| matches!(entry.what, Change::State { state: State::Running, run: 1 })));
    let waiting = queue.count(State::Ready).await;
    let filter = Filter { queue: Some(queue.name.clone()), state: Some(State::Ready), ..Filter::default() };
    let page = queue.broker.list(&Scope::All, &filter, 400, None).await.expect("a page").items;
    assert!(!page.is_empty() && waiting >= page.len() as u64);
    let ids: Vec<_> = page.iter().map(|job| job.id).collect();
    for told in queue.broker.cancel(&Scope::All, &ids).await.expect("an answer") {
        assert_eq!(told.expect("cancelled"), State::Cancelled);
    }
    assert!(queue.broker.purge(&Scope::All, &ids).await.expect("an answer").into_iter().all(|gone| gone));
    eventually("there is room again", Duration::from_secs(30), async || queue.enqueue(queue.job(args("x"))).await.is_ok()).await;
}

#[tokio::test]
async fn q7_at_start_and_then_a_nearly_full_server_takes_acks_and_no_jobs() {
    fills_up(0.8).await;
}

#[tokio::test]
async fn q7_scripts_that_end_jobs_run_without_memory() {
    fills_up(10.0).await;
}

#[tokio::test]
async fn q4_at_least_once_over_a_killed_server() {
    let mut redis = Redis::start(&["--appendfsync", "everysec"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let (mut acknowledged, mut last_token) = (Vec::new(), 0);
    for _ in 0..3 {
        for _ in 0..100 {
            let (enqueued, _) = repeated(async || queue.enqueue(queue.job(args("x"))).await).await;
            acknowledged.push(enqueued.id);
        }
        let request = queue.request("w", 10);
        let (reply, _) = repeated(async || queue.broker.lease(&request).await).await;
        for lease in &reply.leases {
            assert!(lease.token.0 > last_token, "tokens grow over a restart");
            last_token = lease.token.0;
        }
        for lease in reply.leases.iter().take(5) {
            repeated(async || queue.ack(lease).await).await;
        }
        redis.kill_and_restart().await;
        for lease in reply.leases.iter().skip(5) {
            let (acked, _) = repeated(async || queue.ack(lease).await).await;
            assert_eq!(acked.state, State::Completed, "the lease outlives the server");
        }
    }
    let (jobs, _) = repeated(async || queue.broker.get(&Scope::All, &acknowledged).await).await;
    assert!(jobs.iter().all(Option::is_some), "a kill loses nothing that was acknowledged");
    assert_eq!((queue.count(State::Completed).await, queue.count(State::Ready).await), (30, 270));
}

#[tokio::test]
async fn q7_layout_a_waiting_job_is_small() {
    let redis = Redis::start(&["--appendfsync", "no"]).await;
    let queue = Queue::on(connect(&redis.url()).await).await;
    let mut direct = redis.connect().await;
    let mut used = async || {
        let info: String = ::redis::cmd("INFO").arg("memory").query_async(&mut direct).await.expect("INFO");
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")).expect("a figure");
        line.trim().parse::<u64>().expect("a number")
    };
    let before = used().await;
    let body = args(&"x".repeat(122));
    assert_eq!(body.get().len(), 130);
    for _ in 0..40 {
        let jobs = (0..500).map(|_| queue.job(body.clone())).collect();
        for enqueued in queue.broker.enqueue(jobs).await.expect("an answer") {
            assert!(!enqueued.expect("a new job").duplicate);
        }
    }
    let bytes = (used().await - before) / 20_000;
    println!("a waiting job of 130 bytes of args takes {bytes} bytes");
    assert!(bytes <= 430, "{bytes} bytes");
}

#[tokio::test]
async fn q7_cluster_safe_no_job_is_lost_or_run_twice_while_slots_move() {
    let case = Case::open("q7_cluster_safe_under_load", fresh_moving().await).await;
    let moves = mover::moves();
    let (workers, done) = (4_usize, AtomicU64::new(0));
    let jobs = 600_usize;
    let load = async |worker: usize| {
        let name = format!("w{worker}");
        for _ in 0..jobs / workers {
            case.put(case.job()).await;
            let request = case.request(&name, 2, LONG);
            for lease in case.ask(&request).await.leases {
                case.ack(&lease, complete()).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    futures::future::join_all((0..workers).map(load)).await;
    while let Some(lease) = case.lease(1).await.pop() {
        case.ack(&lease, complete()).await;
        done.fetch_add(1, Ordering::Relaxed);
    }
    let all = case.all().await;
    assert_eq!((all.len(), done.load(Ordering::Relaxed)), (jobs, jobs as u64));
    assert!(all.iter().all(|job| job.state == State::Completed && job.counters.runs == 1));
    case.assert_counts_are_true().await;
    let moved = mover::moves() - moves;
    println!("{moved} moves of slots under {jobs} jobs");
    assert!(moved >= 10, "only {moved} moves");
}
