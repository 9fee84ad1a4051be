//! What only a SQLite queue can show: one owner of the file, one writer for everybody, and a clock that a test can make jump.

use crate::harness::folder;
use longshore_base::{Clock, ManualClock, Name, SystemRandom};
use longshore_queue::{
    Ack, Broker, BrokerError, Held, Home, JobId, Lease, LeaseRequest, NewJob, Scope, SqliteBroker, SqliteOptions, State,
    conformance::{args, complete, only},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

const LEASE: Duration = Duration::from_secs(15);
const HOUR: i64 = 3_600_000;
const START: i64 = 1_800_000_000_000;

struct File {
    path: PathBuf,
    clock: ManualClock,
    queue: Name,
}

impl File {
    fn new() -> Self {
        Self { path: folder("file").join("queue.db"), clock: ManualClock::at(START), queue: Name::literal("q") }
    }

    fn open(&self) -> Result<Arc<SqliteBroker>, BrokerError> {
        SqliteBroker::open(SqliteOptions::new(&self.path, Arc::new(self.clock.clone()), SystemRandom::new()))
    }

    fn job(&self, home: Home) -> NewJob {
        let id = JobId::new(self.clock.now(), home, &*SystemRandom::new());
        NewJob::new(id, self.queue.clone(), Name::literal("k"), Name::literal("t"), args("x"))
    }

    async fn leased(&self, broker: &SqliteBroker, call: u64) -> Lease {
        let home = broker.home(&self.queue).await.expect("a home");
        only(broker.enqueue(vec![self.job(home)]).await.expect("an answer")).expect("a new job");
        let (worker, kinds) = ("w".to_owned(), [Name::literal("k")].into());
        let request = LeaseRequest { queue: self.queue.clone(), worker, call, n: 1, kinds, lease: LEASE };
        only(broker.lease(&request).await.expect("a reply").leases)
    }

    async fn tick(&self, broker: &SqliteBroker) -> longshore_queue::TickReport {
        broker.tick(&self.queue, LEASE).await.expect("a report")
    }

    async fn state(&self, broker: &SqliteBroker, id: JobId) -> State {
        only(broker.get(&Scope::All, &[id]).await.expect("an answer")).expect("it is there").state
    }
}

#[tokio::test]
async fn q8_files_have_one_owner() {
    let file = File::new();
    let first = file.open().expect("a new file");
    let lease = file.leased(&first, 1).await;
    let second = file.open();
    let Err(BrokerError::Locked(why)) = second else { panic!("{second:?}") };
    assert!(why.contains(&std::process::id().to_string()), "it names the owner: {why}");
    assert_eq!(file.state(&first, lease.job.id).await, State::Running, "the first is not disturbed");
    drop(first);
    let third = file.open().expect("the file is free again");
    assert_eq!(file.state(&third, lease.job.id).await, State::Running);
}

#[tokio::test]
async fn q8_one_writer_takes_many_calls_at_once_and_keeps_them_apart() {
    let file = File::new();
    let broker = file.open().expect("a new file");
    let lease = file.leased(&broker, 1).await;
    let home = broker.home(&file.queue).await.expect("a home");
    let jobs: Vec<_> = (0..300).map(|_| file.job(home)).collect();
    // Refused calls stand between the others in the same group.
    let late = Lease { token: longshore_queue::Token(1), ..lease.clone() };
    let acks = (0..100).map(|_| ack(&file, &broker, &late));
    let enqueues = jobs.iter().map(|job| broker.enqueue(vec![job.clone()]));
    let (enqueued, refused) = tokio::join!(futures::future::join_all(enqueues), futures::future::join_all(acks));
    assert!(refused.iter().all(|told| matches!(told, Err(BrokerError::LeaseLost))));
    for told in enqueued {
        assert!(!only(told.expect("an answer")).expect("a new job").duplicate);
    }
    let stats = broker.stats(&Scope::All, &file.queue).await.expect("stats");
    assert_eq!((stats.ready, stats.running, stats.lease_lost), (300, 1, 100));
}

async fn ack(file: &File, broker: &SqliteBroker, lease: &Lease) -> Result<longshore_queue::Acked, BrokerError> {
    let ack = Ack { id: lease.job.id, token: lease.token, ran: LEASE, used: None, outcome: complete() };
    only(broker.ack(&file.queue, "w", vec![ack]).await?)
}

/// The clock jumps an hour ahead: every lease looks expired. Reaping is held for one lease, in which the live worker extends.
#[tokio::test]
async fn q4_durations_a_jump_ahead_reaps_no_live_worker() {
    let file = File::new();
    let broker = file.open().expect("a new file");
    let lease = file.leased(&broker, 1).await;
    file.tick(&broker).await;
    file.clock.jump(START + HOUR);
    let report = file.tick(&broker).await;
    assert!(report.held && report.reaped == 0, "{report:?}");
    let held = [Held { id: lease.job.id, token: lease.token }];
    assert!(broker.extend(&file.queue, "w", &held, 1, LEASE).await.expect("a reply").lost.is_empty());
    for _ in 0..5 {
        file.clock.advance(LEASE / 5);
        file.tick(&broker).await;
        broker.extend(&file.queue, "w", &held, 1, LEASE).await.expect("a reply");
    }
    assert_eq!(file.state(&broker, lease.job.id).await, State::Running);
    for _ in 0..16 {
        file.clock.advance(LEASE / 8);
        file.tick(&broker).await;
    }
    assert_ne!(file.state(&broker, lease.job.id).await, State::Running, "a dead one is reaped in the end");
}

/// The clock jumps an hour back: leases would last an hour longer. They are clamped to one lease from now.
#[tokio::test]
async fn q4_durations_a_jump_back_leaves_no_orphan() {
    let file = File::new();
    let broker = file.open().expect("a new file");
    let lease = file.leased(&broker, 1).await;
    file.tick(&broker).await;
    file.clock.jump(START - HOUR);
    file.tick(&broker).await;
    for _ in 0..24 {
        file.clock.advance(LEASE / 8);
        file.tick(&broker).await;
    }
    assert_ne!(file.state(&broker, lease.job.id).await, State::Running, "three leases later the dead worker's job is free");
}

/// Tokens grow over a restart, and over a clock that went back.
#[tokio::test]
async fn q4_leased_and_fenced_tokens_grow_over_restarts_and_jumps() {
    let file = File::new();
    let mut last = 0;
    for (call, now) in [(1, START), (2, START - HOUR), (3, START + HOUR), (4, START)] {
        file.clock.jump(now);
        let broker = file.open().expect("the file");
        let lease = file.leased(&broker, call).await;
        assert!(lease.token.0 > last, "{} after {last}", lease.token.0);
        last = lease.token.0;
        ack(&file, &broker, &lease).await.expect("accepted");
    }
}
