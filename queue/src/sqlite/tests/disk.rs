//! A disk that is always busy, and one that fails.

use super::{House, LEASE, START};
use crate::{
    Broker, BrokerError, JobId, NewJob, Outcome, Scope,
    sqlite::{SqliteBroker, SqliteOptions},
};
use longshore_base::SeededRandom;
use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

impl House {
    /// Opens the file on a disk that fails while `broken`. How many syncs it was asked for is counted.
    fn open_on(&self, broken: &Arc<AtomicBool>, syncs: &Arc<AtomicU64>) -> Arc<SqliteBroker> {
        let options = SqliteOptions::new(self.file(), Arc::new(self.clock.clone()), SeededRandom::new(7));
        let (broken, syncs) = (Arc::clone(broken), Arc::clone(syncs));
        let sync = move |log: &fs::File| {
            syncs.fetch_add(1, Ordering::SeqCst);
            if broken.load(Ordering::SeqCst) { Err(io::Error::other("the disk is broken")) } else { log.sync_data() }
        };
        SqliteBroker::open_with(options, Box::new(sync)).expect("the file opens")
    }
    /// New jobs; `seed` is used once.
    async fn jobs(&self, broker: &SqliteBroker, seed: u64, n: usize) -> Vec<NewJob> {
        let random = SeededRandom::new(seed);
        let mut jobs = vec![self.job(broker).await; n];
        jobs.iter_mut().for_each(|job| job.id = JobId::new(START, job.id.home(), &*random));
        jobs
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_call_is_answered_though_large_ones_never_end() {
    let house = House::new();
    let broker = house.open();
    let answered = AtomicU64::new(0);
    let ended = AtomicBool::new(false);
    let seed = AtomicU64::new(0);
    let enqueue = async |n: usize| {
        let jobs = house.jobs(&broker, seed.fetch_add(1, Ordering::SeqCst), n).await;
        let answers = broker.enqueue(jobs).await.expect("an answer");
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    };
    let large = async || {
        while !ended.load(Ordering::SeqCst) && answered.load(Ordering::SeqCst) < 2_000 {
            enqueue(40).await;
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let small = async {
        for _ in 0..20 {
            enqueue(1).await;
            broker.health().await.expect("it is well");
        }
        let beside = answered.load(Ordering::SeqCst);
        ended.store(true, Ordering::SeqCst);
        beside
    };
    let (_, _, _, _, beside) = tokio::join!(large(), large(), large(), large(), small);
    // Each waits for the end of a sync and for one more, beside four callers that wait for theirs.
    assert!(beside < 600, "forty small calls let {beside} large ones go first");
}

#[tokio::test]
async fn after_a_sync_that_failed_nothing_is_written_until_the_next_start() {
    let house = House::new();
    let (broken, syncs) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let broker = house.open_on(&broken, &syncs);
    let safe = house.put(&broker).await;
    let lease = house.lease(&broker, 1).await.remove(0);

    broken.store(true, Ordering::SeqCst);
    let [unknown, refused, after] = house.jobs(&broker, 1, 3).await.try_into().expect("three");
    let answer = broker.enqueue(vec![unknown.clone()]).await;
    assert!(matches!(&answer, Err(BrokerError::OutcomeUnknown(why)) if why.contains("the disk is broken")), "{answer:?}");
    // As Linux does, the disk tells of it once; the next sync would succeed.
    broken.store(false, Ordering::SeqCst);
    let before = syncs.load(Ordering::SeqCst);
    let stopped = |answer: Option<BrokerError>| {
        assert!(matches!(&answer, Some(BrokerError::Unavailable(why)) if why.contains("started again")), "{answer:?}");
    };
    stopped(broker.enqueue(vec![refused.clone()]).await.err());
    stopped(broker.lease(&house.request("w", 2, 10)).await.err());
    stopped(broker.ack(&house.queue, "w", House::ack(&lease, Outcome::Complete { output: None })).await.err());
    stopped(broker.tick(&house.queue, LEASE).await.err());
    stopped(broker.health().await.err());
    assert_eq!(syncs.load(Ordering::SeqCst), before);
    // What is there can be read.
    assert_eq!(house.get(&broker, safe).await.id, safe);
    let file_alone = |name: &str| {
        let copy = house.folder.path().join(name).join("queue.db");
        fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        fs::copy(house.file(), &copy).expect("copied");
        rusqlite::Connection::open(copy).expect("opens").query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, u64>(0))
    };
    drop(broker);
    assert_ne!(file_alone("closed").ok(), Some(2), "what the disk may not have was put into the file at the end");

    let broker = house.open();
    assert_eq!(file_alone("opened").ok(), Some(2), "what was whole at the start is in the file");
    let found = broker.get(&Scope::All, &[safe, unknown.id, refused.id]).await.expect("an answer");
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    assert!(broker.enqueue(vec![after]).await.is_ok());
    broker.health().await.expect("it is well");
}
