//! What the conformance suite cannot see: the file, its owner, its full disk, the groups of calls, the plans of the statements.

mod calm;
mod disk;
mod lanes;
mod letters;
mod schedules;

use super::{SqliteBroker, SqliteOptions, sql};
use crate::{
    Ack, Broker, BrokerError, Due, Job, JobId, Lease, LeaseRequest, NewJob, Outcome, Reason, Scope, ServedQueue, State, WorkerReport,
    WorkerState, json,
};
use longshore_base::{ManualClock, Millis, Name, SeededRandom};
use rusqlite::Connection;
use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

const START: Millis = 1_800_000_000_000;
const LEASE: Duration = Duration::from_secs(30);

struct House {
    folder: tempfile::TempDir,
    clock: ManualClock,
    queue: Name,
}

impl House {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), clock: ManualClock::at(START), queue: Name::literal("q") }
    }
    fn file(&self) -> PathBuf {
        self.folder.path().join("data/queue.db")
    }
    fn try_open(&self) -> Result<Arc<SqliteBroker>, BrokerError> {
        SqliteBroker::open(SqliteOptions::new(self.file(), Arc::new(self.clock.clone()), SeededRandom::new(7)))
    }
    fn open(&self) -> Arc<SqliteBroker> {
        self.try_open().expect("the file opens")
    }
    async fn job(&self, broker: &SqliteBroker) -> NewJob {
        let home = broker.home(&self.queue).await.expect("a home");
        let random = SeededRandom::new(broker.signals.rung(home.0));
        let id = JobId::new(START, home, &*random);
        NewJob::new(id, self.queue.clone(), Name::literal("k"), Name::literal("t"), json(&serde_json::json!({})))
    }
    async fn put(&self, broker: &SqliteBroker) -> JobId {
        let job = self.job(broker).await;
        let id = job.id;
        let answers = broker.enqueue(vec![job]).await.expect("an answer");
        assert!(answers.into_iter().all(|answer| answer.is_ok_and(|enqueued| !enqueued.duplicate)));
        id
    }
    fn request(&self, worker: &str, call: u64, n: usize) -> LeaseRequest {
        let kinds = [Name::literal("k")].into();
        LeaseRequest { queue: self.queue.clone(), worker: worker.into(), call, n, kinds, lease: LEASE }
    }
    async fn lease(&self, broker: &SqliteBroker, call: u64) -> Vec<Lease> {
        broker.lease(&self.request("w", call, 10)).await.expect("a reply").leases
    }
    async fn get(&self, broker: &SqliteBroker, id: JobId) -> Job {
        broker.get(&Scope::All, &[id]).await.expect("an answer").remove(0).expect("the job is there")
    }
    /// What the worker `w` reports when it carries these kinds.
    fn carrying(&self, kinds: Vec<Name>) -> WorkerReport {
        WorkerReport {
            id: "w".into(),
            host: "h".into(),
            pid: 1,
            version: "0".into(),
            started_at: START,
            seen_at: 0,
            queues: vec![ServedQueue { name: self.queue.clone(), slots: 1, running: 0 }],
            kinds,
            state: WorkerState::Active,
        }
    }
    fn ack(lease: &Lease, outcome: Outcome) -> Vec<Ack> {
        vec![Ack { id: lease.job.id, token: lease.token, ran: Duration::ZERO, used: None, outcome }]
    }
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    let house = House::new();
    let broker = house.open();
    house.put(&broker).await;
    let mut seen = Vec::new();
    for file in std::fs::read_dir(house.file().parent().expect("a folder")).expect("the folder") {
        let file = file.expect("a file");
        assert_eq!(file.metadata().expect("its mode").permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        seen.push(file.file_name());
    }
    assert!(seen.len() >= 3, "the file, its log and its lock: {seen:?}");
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_the_first() {
    let house = House::new();
    let first = house.open();
    match house.try_open() {
        Err(BrokerError::Locked(why)) => {
            assert!(why.contains(&format!("process {}", std::process::id())) && why.contains("queue.db"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    house.open();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let house = House::new();
    std::fs::create_dir_all(house.file().parent().expect("a folder")).expect("made");
    let text = "not a database at all, but long enough to have a header ".repeat(100);
    std::fs::write(house.file(), &text).expect("written");
    match house.try_open() {
        Err(BrokerError::Refused(why)) => assert!(why.contains("queue.db") && why.contains("not a SQLite database"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read_to_string(house.file()).expect("read"), text);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let house = House::new();
    drop(house.open());
    let file = Connection::open(house.file()).expect("opens");
    file.execute_batch("PRAGMA user_version = 99").expect("written");
    drop(file);
    match house.try_open() {
        Err(BrokerError::Refused(why)) => assert!(why.contains("version 99") && why.contains("newer binary"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_refused() {
    let house = House::new();
    std::fs::write(house.folder.path().join("data"), "a file where the folder should be").expect("written");
    match house.try_open() {
        Err(BrokerError::Refused(why)) => assert!(why.contains("data"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn jobs_and_growing_tokens_outlive_the_process() {
    let house = House::new();
    let broker = house.open();
    let id = house.put(&broker).await;
    let before = house.lease(&broker, 1).await.remove(0);
    drop(broker);
    // The clock stands still, or was set back: a token is greater all the same.
    house.clock.jump(START - 60_000);
    let broker = house.open();
    assert_eq!(broker.queues().await.expect("queues"), std::slice::from_ref(&house.queue));
    assert_eq!(house.get(&broker, id).await.state, State::Running);
    let report = broker.tick(&house.queue, LEASE).await.expect("a tick");
    assert_eq!((report.reaped, report.held), (1, false), "its worker died with the process, so nobody waits for the lease's end");
    house.clock.advance(Duration::from_secs(2));
    let after = house.lease(&broker, 2).await.remove(0);
    assert_eq!((after.job.id, after.job.counters.crashes), (id, 1));
    assert!(after.token > before.token, "{:?} {:?}", after.token, before.token);
    let late = broker.ack(&house.queue, "w", House::ack(&before, Outcome::Complete { output: None })).await.expect("an answer");
    assert!(matches!(late[0], Err(BrokerError::LeaseLost)));
    assert_eq!(broker.stats(&Scope::All, &house.queue).await.expect("stats").lease_lost, 1);
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let house = House::new();
    let broker = house.open();
    let first = house.put(&broker).await;
    let full = broker.write(true, |tx| {
        let pages: i64 = tx.db.0.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        Ok(tx.db.0.query_row(&format!("PRAGMA max_page_count={}", pages + 20), [], |row| row.get::<_, i64>(0))?)
    });
    full.await.expect("the file may not grow any more");
    let mut taken = vec![first];
    let refused = loop {
        let job = NewJob { args: json(&serde_json::json!({ "x": "y".repeat(20_000) })), ..house.job(&broker).await };
        let id = job.id;
        match broker.enqueue(vec![job]).await {
            Ok(_) => taken.push(id),
            Err(refused) => break refused,
        }
        assert!(taken.len() < 100, "it must get full");
    };
    assert!(matches!(&refused, BrokerError::Full { detail, .. } if detail.contains("disk")), "{refused:?}");
    assert!(refused.is_transient());
    broker.write(true, |tx| Ok(tx.db.0.query_row("PRAGMA max_page_count=1000000", [], |row| row.get::<_, i64>(0))?)).await.expect("room");
    taken.push(house.put(&broker).await);
    let check = broker.write(true, |tx| Ok(tx.db.0.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))?));
    assert_eq!(check.await.expect("checked"), "ok");
    let mut leased: Vec<_> = house.lease(&broker, 1).await.into_iter().map(|lease| lease.job.id).collect();
    leased.extend(house.lease(&broker, 2).await.into_iter().map(|lease| lease.job.id));
    assert_eq!(leased, taken, "what was acknowledged, and nothing else");
}

#[tokio::test]
async fn a_failed_call_harms_no_neighbour() {
    let house = House::new();
    let broker = house.open();
    let job = house.job(&broker).await;
    let (id, ghost) = (job.id, JobId::derived(START, job.id.home(), b"ghost"));
    let wrecked = broker.write(true, move |tx| {
        tx.db.exec("around.scale", rusqlite::params![ghost.home().0, 7, tx.now])?;
        Err::<(), _>(BrokerError::Refused("on purpose".into()))
    });
    let panicked = broker.write(false, move |tx| {
        tx.db.exec("around.scale", rusqlite::params![ghost.home().0, 8, tx.now])?;
        if tx.now == START {
            panic!("on purpose")
        }
        Ok(())
    });
    // One poll each puts all three into the channel before any is answered, so they mostly share a group; the outcome is the same if not.
    let (wrecked, panicked, taken) = tokio::join!(wrecked, panicked, broker.enqueue(vec![job]));
    assert!(matches!(wrecked, Err(BrokerError::Refused(why)) if why == "on purpose"));
    assert!(matches!(panicked, Err(BrokerError::Refused(why)) if why.contains("panicked")));
    assert!(taken.expect("an answer").remove(0).is_ok());
    assert_eq!(house.get(&broker, id).await.state, State::Ready);
    assert_eq!(broker.stats(&Scope::All, &house.queue).await.expect("stats").slots, None, "nothing of the failed calls is kept");
}

#[tokio::test]
async fn no_wake_up_is_lost_between_an_empty_lease_and_the_wait() {
    let house = House::new();
    let broker = house.open();
    let bound = Duration::from_secs(20);
    for call in 1..50 {
        assert!(house.lease(&broker, call * 2).await.is_empty());
        house.put(&broker).await;
        // The clock stands still: only the signal can end this wait, and it came before the wait began.
        tokio::time::timeout(bound, broker.wait(&house.queue, Duration::from_secs(3_600))).await.expect("the signal was kept");
        let lease = house.lease(&broker, call * 2 + 1).await.remove(0);
        broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Complete { output: None })).await.expect("acked");
    }
}

#[tokio::test]
async fn kinds_that_nobody_carries_are_parked() {
    let house = House::new();
    let broker = house.open();
    let parked = |broker: Arc<SqliteBroker>| async move {
        let look = broker.write(false, |tx| {
            let lanes = tx.db.0.query_row("SELECT sum(parked) FROM lanes", [], |row| row.get::<_, i64>(0))?;
            Ok((lanes, tx.db.0.query_row("SELECT sum(open) FROM turns", [], |row| row.get::<_, i64>(0))?))
        });
        look.await.expect("counted")
    };
    house.put(&broker).await;
    assert_eq!(parked(broker.clone()).await, (1, 0));
    broker.beat(house.carrying(vec![Name::literal("k")]), LEASE).await.expect("heard");
    assert_eq!(parked(broker.clone()).await, (0, 1), "a report opens its kinds");
    broker.beat(house.carrying(vec![]), LEASE).await.expect("heard");
    assert_eq!(parked(broker.clone()).await, (1, 0), "and what it does not carry any more closes");
    assert_eq!(house.lease(&broker, 1).await.len(), 1, "a lease announces its kinds too");
    house.put(&broker).await;
    broker.leave("w").await.expect("heard");
    assert_eq!(parked(broker.clone()).await, (1, 0));
    broker.beat(house.carrying(vec![Name::literal("k")]), LEASE).await.expect("heard");
    house.clock.advance(LEASE * 10);
    broker.tick(&house.queue, LEASE).await.expect("a tick");
    assert_eq!(parked(broker.clone()).await, (1, 0), "a silent worker carries nothing");
}

#[tokio::test]
async fn a_long_history_keeps_its_ends() {
    let house = House::new();
    let broker = house.open();
    let id = house.put(&broker).await;
    for call in 1..=150 {
        let lease = house.lease(&broker, call).await.remove(0);
        let acked = broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Snooze { after: Duration::ZERO })).await.expect("an answer");
        assert_eq!(acked.into_iter().map(|acked| acked.expect("accepted").state).collect::<Vec<_>>(), [State::Scheduled]);
    }
    let job = house.get(&broker, id).await;
    assert_eq!(job.history.len(), 100);
    let runs: Vec<_> = job.history.iter().map(|event| event.run).collect();
    assert_eq!((runs[0], runs[19], runs[20], runs[99]), (1, 20, 71, 150));
    assert_eq!(job.counters.runs, 150);
}

#[tokio::test]
async fn more_than_one_batch_falls_due_at_once() {
    let house = House::new();
    let broker = house.open();
    let home = broker.home(&house.queue).await.expect("a home");
    let job = |n: u32| {
        let id = JobId::derived(START, home, &n.to_be_bytes());
        let job = NewJob::new(id, house.queue.clone(), Name::literal("k"), Name::literal("t"), json(&serde_json::json!(n)));
        NewJob { due: Due::In(Duration::from_millis(u64::from(n))), expires_at: (n < 600).then_some(START + 5_000), ..job }
    };
    broker.enqueue((1..=1_200).map(job).collect()).await.expect("an answer");
    house.clock.advance(Duration::from_secs(4));
    let (mut promoted, mut ticks) = (0, 0);
    while promoted < 1_200 {
        let report = broker.tick(&house.queue, LEASE).await.expect("a tick");
        promoted += report.promoted;
        assert_eq!(report.more, promoted < 1_200, "after {promoted}");
        ticks += 1;
    }
    assert_eq!(ticks, 3);
    house.clock.advance(Duration::from_secs(2));
    let expired =
        broker.tick(&house.queue, LEASE).await.expect("a tick").expired + broker.tick(&house.queue, LEASE).await.expect("a tick").expired;
    assert_eq!(expired, 599);
    let dead = house.get(&broker, JobId::derived(START, home, &1_u32.to_be_bytes())).await;
    assert_eq!((dead.state, dead.reason), (State::Cancelled, Some(Reason::Expired)));
}

/// No statement on the way of a job may look at more rows than it answers.
#[test]
fn statements_on_the_way_use_their_indexes() {
    let file = Connection::open_in_memory().expect("a database in memory");
    sql::SCHEMA.iter().for_each(|step| file.execute_batch(step).expect("the schema"));
    let hot = [
        "enqueue.",
        "unique.",
        "lease.",
        "extend.",
        "group.",
        "job.",
        "tally.",
        "deliver.",
        "note.",
        "purge.",
        "tick.due",
        "tick.expiring",
        "scope.",
        "park.",
        "follow.",
        "schedule.",
        "fire.",
    ];
    let names = sql::names().filter(|name| hot.iter().any(|hot| name.starts_with(hot)) && !sql::SHARED.contains(name));
    for name in names {
        for step in plan(&file, name) {
            let sorts = step.contains("TEMP B-TREE") && !matches!(name, "lease.parked" | "lease.lanes" | "note.steps");
            let scans =
                step.starts_with("SCAN") && !step.contains("json_each") && !step.contains("CONSTANT ROW") && !step.contains("excluded");
            assert!(!sorts && !scans, "{name}: {step}");
        }
    }
}

/// Somebody looks at a queue all the time: what a look reads of its waiting jobs must not be their rows.
#[test]
fn a_look_at_a_queue_reads_its_jobs_from_an_index() {
    let file = Connection::open_in_memory().expect("a database in memory");
    sql::SCHEMA.iter().for_each(|step| file.execute_batch(step).expect("the schema"));
    let steps = plan(&file, "read.oldest_ready");
    assert!(steps.iter().any(|step| step.starts_with("SEARCH j USING COVERING INDEX jobs_ready")), "{steps:?}");
}

/// How SQLite goes about a statement.
fn plan(file: &Connection, name: &str) -> Vec<String> {
    let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {}", sql::sql(name))).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let none = rusqlite::params_from_iter(std::iter::repeat_n(rusqlite::types::Null, plan.parameter_count()));
    plan.query_map(none, |row| row.get(3)).expect("a plan").map(|step| step.expect("a step")).collect()
}
