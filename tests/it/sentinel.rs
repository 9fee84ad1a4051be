//! Redis behind Sentinels: a new master without a restart, and what the old one took along.

use crate::{
    harness::{
        acl::{self, For},
        eventually,
        redis_broker::connect,
        sentinel::{self as servers, NAME, Passwords, Watched},
    },
    scenarios::{Engine, until, workers},
};
use ::redis::cmd;
use longshore_base::{Clock, Name, SystemClock, SystemRandom};
use longshore_queue::{
    Broker, BrokerError, JobId, LeaseRequest, NewJob, RedisBroker, RedisOptions, Scope,
    conformance::{LONG, args, only},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

const LONG_ENOUGH: Duration = Duration::from_secs(60);
const SHORT_LEASE: &[(&str, &str)] = &[("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")];

/// One queue of a broker.
struct Queue {
    broker: Arc<RedisBroker>,
    name: Name,
    calls: AtomicU64,
}

impl Queue {
    async fn on(url: &str) -> Self {
        Self { broker: connect(url).await, name: Name::literal("watched"), calls: AtomicU64::new(0) }
    }

    async fn enqueue(&self) -> Result<JobId, BrokerError> {
        let home = self.broker.home(&self.name).await?;
        let id = JobId::new(SystemClock::new().now(), home, &*SystemRandom::new());
        let job = NewJob::new(id, self.name.clone(), Name::literal("k"), Name::literal("t"), args("x"));
        Ok(only(self.broker.enqueue(vec![job]).await?)?.id)
    }

    async fn has(&self, id: JobId) -> bool {
        self.broker.get(&Scope::All, &[id]).await.is_ok_and(|jobs| jobs[0].is_some())
    }

    /// How many jobs one lease brings.
    async fn lease(&self) -> usize {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (queue, kinds) = (self.name.clone(), [Name::literal("k")].into());
        let request = LeaseRequest { queue, worker: "w".into(), call, n: 500, kinds, lease: LONG };
        self.broker.lease(&request).await.expect("a reply").leases.len()
    }

    /// Leases as a worker does: looks, and waits for a signal when there is nothing.
    async fn next(&self) {
        while self.lease().await == 0 {
            self.broker.wait(&self.name, LONG).await;
        }
    }
}

/// Enqueues until it is told to stop, through whatever the API answers meanwhile. Answers the ids that were acknowledged.
async fn keep_enqueueing(engine: &Engine, stop: &AtomicBool, acknowledged: &AtomicU64) -> Vec<String> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let jobs = vec![json!({"kind": "demo.sleep", "args": {"ms": 20}}); 10];
        let Ok((202, answer)) = engine.try_call("POST", "/v1/jobs/batch", Some(json!({ "jobs": jobs }))).await else { continue };
        let results = answer["results"].as_array().expect("results");
        ids.extend(results.iter().filter_map(|result| Some(result["id"].as_str()?.to_owned())).filter(|id| !id.is_empty()));
        acknowledged.store(u64::try_from(ids.len()).expect("few"), Ordering::Release);
    }
    ids
}

async fn worker_ids(engine: &Engine) -> BTreeSet<String> {
    let answer = engine.get("/v1/workers").await;
    answer["workers"].as_array().expect("workers").iter().map(|worker| worker["id"].as_str().expect("an id").to_owned()).collect()
}

/// The ids that are there, completed, and those that are not there.
async fn settled(engine: &Engine, ids: &[String]) -> (usize, Vec<String>) {
    let (mut completed, mut lost) = (0, Vec::new());
    for id in ids {
        match engine.try_call("GET", &format!("/v1/jobs/{id}"), None).await.expect("an answer") {
            (200, job) => {
                assert_eq!(job["state"], "completed", "{job}");
                completed += 1;
            }
            (404, _) => lost.push(id.clone()),
            other => panic!("{other:?}"),
        }
    }
    (completed, lost)
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_sentinel_api_workers_and_scheduler_go_on_with_a_new_master() {
    let watched = Watched::start(None).await;
    let engine = Engine::on(&watched.url(), SHORT_LEASE).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let _workers = [engine.role("worker", &["--concurrency", "20"]).await, engine.role("worker", &["--concurrency", "20"]).await];
    workers(&engine, 2).await;
    let before = worker_ids(&engine).await;
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let (ids, took) = tokio::join!(keep_enqueueing(&engine, &stop, &acknowledged), async {
        engine.queue_until("default", "under way", LONG_ENOUGH, |q| q["completed"].as_u64() > Some(300)).await;
        let clock = SystemClock::new();
        watched.master.kill();
        let at_kill = acknowledged.load(Ordering::Acquire);
        eventually("jobs are taken again", LONG_ENOUGH, async || acknowledged.load(Ordering::Acquire) > at_kill + 20).await;
        let took = clock.elapsed();
        eventually("and many of them", LONG_ENOUGH, async || acknowledged.load(Ordering::Acquire) > at_kill + 300).await;
        stop.store(true, Ordering::Release);
        took
    });
    watched.until_master_is(watched.replica.port).await;
    let at_rest = |q: &Value| ["ready", "running", "retrying", "scheduled"].iter().all(|state| q[*state] == 0);
    engine.queue_until("default", "everything has run", LONG_ENOUGH, at_rest).await;
    let (completed, lost) = settled(&engine, &ids).await;
    assert_eq!(worker_ids(&engine).await, before, "the same workers, without a restart");
    let told = until("the losses are counted", LONG_ENOUGH, async || {
        let told = engine.metric("longshore_broker_lost_jobs_total").await;
        (format!("{told:.0}") == lost.len().to_string()).then_some(told)
    })
    .await;
    println!(
        "failover: {} acknowledged, {completed} completed, {} lost, {told} told as lost, jobs taken again after {took:?}",
        ids.len(),
        lost.len()
    );
}

fn in_queue(queue: &str) -> Value {
    json!({"kind": "demo.echo", "args": {}, "queue": queue, "delay_ms": 3_600_000})
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_sentinel_what_the_new_master_had_not_is_counted() {
    let watched = Watched::start(None).await;
    let engine = Engine::on(&watched.url(), SHORT_LEASE).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let _worker = engine.role("worker", &["--concurrency", "20"]).await;
    workers(&engine, 1).await;
    let run = engine.enqueue(vec![json!({"kind": "demo.sleep", "args": {"ms": 3000}}); 20]).await;
    engine.queue_until("default", "20 run", LONG_ENOUGH, |q| q["running"] == 20).await;
    let mut replica = servers::connect(watched.replica.port, "").await;
    let mut master = servers::connect(watched.master.port, "").await;
    eventually("the replica has all that", LONG_ENOUGH, async || {
        let offset = |info: &str| info.lines().find_map(|line| line.strip_prefix("master_repl_offset:")?.trim().parse::<u64>().ok());
        let written = offset(&servers::info(&mut master, "replication").await).expect("an offset");
        eventually("the replica is there", LONG_ENOUGH, async || {
            offset(&servers::info(&mut replica, "replication").await) >= Some(written)
        })
        .await;
        true
    })
    .await;
    watched.part().await;
    engine.queue_until("default", "20 ended", LONG_ENOUGH, |q| q["completed"] == 20).await;
    let mut later = engine.enqueue(vec![json!({"kind": "demo.echo", "args": {}, "delay_ms": 3_600_000}); 150]).await;
    // A queue that only the old master knows.
    later.extend(engine.enqueue(vec![in_queue("late")]).await);
    watched.master.kill();
    watched.until_master_is(watched.replica.port).await;
    until("151 lost jobs and 20 undone ends are counted", LONG_ENOUGH, async || {
        let told = (engine.metric("longshore_broker_lost_jobs_total").await, engine.metric("longshore_broker_undone_ends_total").await);
        (told.0 > 150.5 && told.1 > 19.5).then(|| assert!(told.0 < 151.5 && told.1 < 20.5, "{told:?}"))
    })
    .await;
    let (_, lost) = settled(&engine, &later).await;
    assert_eq!(lost, later, "nothing of what came after the cut is there");
    engine.queue_until("default", "the 20 have run again", LONG_ENOUGH, |q| q["completed"] == 20).await;
    assert_eq!(settled(&engine, &run).await, (20, vec![]));
    // The number of the lost queue is given to another one, and the lost one gets its own again.
    let again = engine.enqueue(vec![in_queue("later"), in_queue("late")]).await;
    for (id, queue) in again.iter().zip(["later", "late"]) {
        assert_eq!(engine.job(id).await["queue"], queue);
    }
    let log = std::fs::read_to_string(engine.dir.join("api.log")).expect("the log");
    let line = log.lines().find(|line| line.contains("lost_jobs=151")).unwrap_or_else(|| panic!("no line tells it:\n{log}"));
    assert!(line.contains("ERROR") && later.iter().any(|id| line.contains(id.as_str())), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_sentinel_a_master_that_goes_on_answering_is_left() {
    let watched = Watched::start(None).await;
    let (queue, other) = (Queue::on(&watched.url()).await, Queue::on(&watched.url()).await);
    let before = queue.enqueue().await.expect("taken");
    // The old master knows nothing of it, stays a master, and keeps every connection.
    let mut replica = servers::connect(watched.replica.port, "").await;
    let mut master = servers::connect(watched.master.port, "").await;
    let keys: u64 = cmd("DBSIZE").query_async(&mut master).await.expect("DBSIZE");
    eventually("the job is on the replica", LONG_ENOUGH, async || {
        cmd("DBSIZE").query_async::<u64>(&mut replica).await.is_ok_and(|there| there == keys)
    })
    .await;
    let _: () = cmd("REPLICAOF").arg(&["NO", "ONE"]).query_async(&mut replica).await.expect("promoted");
    for at in 0..3 {
        let mut sentinel = watched.sentinel(at).await;
        let port = watched.replica.port.to_string();
        let _: () = cmd("SENTINEL").arg(&["REMOVE", NAME]).query_async(&mut sentinel).await.expect("removed");
        let _: () = cmd("SENTINEL").arg(&["MONITOR", NAME, "127.0.0.1", &port, "2"]).query_async(&mut sentinel).await.expect("watched");
    }
    let new = Queue::on(&format!("redis://127.0.0.1:{}/0", watched.replica.port)).await;
    for one in [&queue, &other] {
        eventually("jobs go to the new master", LONG_ENOUGH, async || match one.enqueue().await {
            Ok(id) => new.has(id).await,
            Err(error) => panic!("{error}"),
        })
        .await;
    }
    assert!(queue.has(before).await);
    // Who waits, waits there.
    while queue.lease().await > 0 {}
    for _ in 0..3 {
        let waiting = tokio::time::timeout(Duration::from_secs(20), queue.next());
        let (woken, taken) = tokio::join!(waiting, other_enqueues(&other));
        taken.expect("taken");
        woken.expect("woken by a job on the new master");
    }
}

/// A little later, so that the other one waits.
async fn other_enqueues(other: &Queue) -> Result<JobId, BrokerError> {
    let mut pace = tokio::time::interval(Duration::from_millis(300));
    pace.tick().await;
    pace.tick().await;
    other.enqueue().await
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_sentinel_a_failover_by_hand_refuses_nothing_for_good() {
    let watched = Watched::start(None).await;
    let queue = Queue::on(&watched.url()).await;
    let home = queue.enqueue().await.expect("taken").home();
    let mut sentinel = watched.sentinel(0).await;
    let _: () = cmd("SENTINEL").arg(&["FAILOVER", NAME]).query_async(&mut sentinel).await.expect("a failover begins");
    let over = AtomicBool::new(false);
    let ((), taken) = tokio::join!(
        async {
            watched.until_master_is(watched.replica.port).await;
            over.store(true, Ordering::Release);
        },
        async {
            let mut taken = 0;
            while !over.load(Ordering::Acquire) {
                match queue.enqueue().await {
                    Ok(_) => taken += 1,
                    // What was demoted says READONLY, or cuts the connection.
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            }
            taken
        }
    );
    assert!(taken > 0);
    let new = Queue::on(&format!("redis://127.0.0.1:{}/0", watched.replica.port)).await;
    // The Sentinels name it a moment before they tell the old one and we look.
    eventually("jobs go to the new master", LONG_ENOUGH, async || match queue.enqueue().await {
        Ok(id) => id.home() == home && new.has(id).await,
        Err(error) => {
            assert!(error.is_transient(), "{error}");
            false
        }
    })
    .await;
    // The old one is a replica now, and named directly it is refused.
    let demoted = format!("redis://127.0.0.1:{}/0", watched.master.port);
    // Whoever is connected to it is cut off when that happens.
    eventually("the old master follows", LONG_ENOUGH, async || {
        let Ok(mut old) = servers::try_connect(watched.master.port, "").await else { return false };
        servers::info(&mut old, "replication").await.contains("role:slave")
    })
    .await;
    let refused = RedisBroker::connect(RedisOptions::new(demoted, SystemClock::new(), SystemRandom::new())).await;
    let Err(BrokerError::Refused(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("role is replica") && why.contains("redis+sentinel://"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_sentinel_servers_and_sentinels_have_users_of_their_own() {
    let watched = Watched::start(Some(Passwords { server: "of-servers", sentinel: "of-sentinels" })).await;
    let options = |url: String| RedisOptions::new(url, SystemClock::new(), SystemRandom::new());
    let _ = Queue::on(&watched.url()).await.enqueue().await.expect("taken");
    for (login, query, said) in [
        (":of-servers@", "", "NOAUTH"),
        (":of-servers@", "?sentinel_password=hidden", "WRONGPASS"),
        (":hidden@", "?sentinel_password=of-sentinels", "WRONGPASS"),
    ] {
        let refused = RedisBroker::connect(options(watched.url_with(login, query))).await.map(drop).expect_err("no password");
        let told = refused.to_string();
        assert!(told.contains(said) && !told.contains("hidden"), "{login} {query}: {told}");
    }
    for at in 0..3 {
        acl::grant_usual(&mut watched.sentinel(at).await, For::Sentinel).await;
    }
    for server in [&watched.master, &watched.replica] {
        acl::grant_usual(&mut servers::connect(server.port, "of-servers").await, For::Server).await;
    }
    let (login, own) = (acl::login(), acl::login());
    let (user, password) = own.trim_end_matches('@').split_once(':').expect("both");
    let queue = Queue::on(&watched.url_with(&login, &format!("?sentinel_user={user}&sentinel_password={password}"))).await;
    let _ = queue.enqueue().await.expect("taken");
    let faults = queue.broker.health().await.expect("health").faults;
    assert!(!faults.iter().any(|fault| ["sentinel", "quorum", "CONFIG"].contains(&fault.key.as_str())), "{faults:?}");
    watched.master.kill();
    eventually("the user goes on with the new master", LONG_ENOUGH, async || queue.enqueue().await.is_ok()).await;
    for at in 0..3 {
        assert_eq!(acl::denied(&mut watched.sentinel(at).await, user).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_sentinel_a_dead_one_is_told_and_changes_nothing() {
    let watched = Watched::start(None).await;
    let queue = Queue::on(&watched.url()).await;
    let keys = async || queue.broker.health().await.expect("health").faults.iter().map(|fault| fault.key.clone()).collect::<BTreeSet<_>>();
    assert!(keys().await.contains("min-replicas-to-write"), "a master that is cut off would go on");
    assert!(!keys().await.contains("sentinel"));
    watched.sentinels[0].kill();
    eventually("it is told", LONG_ENOUGH, async || keys().await.contains("sentinel")).await;
    let _ = queue.enqueue().await.expect("taken");
    let _ = Queue::on(&watched.url()).await.enqueue().await.expect("taken by one that starts now");
    watched.sentinels[1].kill();
    eventually("no quorum is told", LONG_ENOUGH, async || keys().await.contains("quorum")).await;
    let _ = queue.enqueue().await.expect("taken as long as the master lives");
}
