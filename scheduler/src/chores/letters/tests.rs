//! What is told of many letters, and which of them go.

use super::Letters;
use crate::{Chore, Done, History, HistoryError, Options};
use async_trait::async_trait;
use longshore_base::{Clock, ManualClock, Name, Scope, SeededRandom};
use longshore_queue::{
    Ack, Broker, Change, ErrorInfo, Filter, Job, JobId, LeaseRequest, NewJob, Outcome, Reason, Replay, State, json, model::ModelBroker,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Default)]
struct Memory(Mutex<Vec<JobId>>);

#[async_trait]
impl History for Memory {
    async fn keep(&self, jobs: &[Job]) -> Result<(), HistoryError> {
        self.0.lock().unwrap().extend(jobs.iter().map(|job| job.id));
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
    time: ManualClock,
    random: Arc<SeededRandom>,
    memory: Arc<Memory>,
    queue: Name,
}

impl Stage {
    fn new() -> Self {
        let time = ManualClock::at(1_800_000_000_000);
        let broker = Arc::new(ModelBroker::new(time.clone()));
        Self { broker, time, random: SeededRandom::new(5), memory: Arc::default(), queue: Name::literal("q") }
    }
    fn chore(&self, dead_alert: u64, dead_keep: Duration) -> Letters {
        let dead_keep_ms = u64::try_from(dead_keep.as_millis()).unwrap();
        let options = Options { dead_alert, dead_keep_ms, ..Options::default() };
        Letters::new(self.broker.clone(), self.memory.clone(), Arc::new(self.time.clone()), &*self.random, options)
    }
    /// So many jobs die.
    async fn letters(&self, n: usize) -> Vec<JobId> {
        let home = self.broker.home(&self.queue).await.unwrap();
        let one = |_| {
            let id = JobId::new(self.time.now(), home, &*self.random);
            NewJob::new(id, self.queue.clone(), Name::literal("k"), Name::literal("default"), json(&serde_json::json!({})))
        };
        self.broker.enqueue((0..n).map(one).collect()).await.unwrap();
        let worker = format!("w{}", longshore_base::Random::bits(&*self.random));
        let kinds = Arc::from([Name::literal("k")]);
        let request = LeaseRequest { queue: self.queue.clone(), worker: worker.clone(), call: 1, n, kinds, lease: Duration::from_secs(15) };
        let leases = self.broker.lease(&request).await.unwrap().leases;
        let error = ErrorInfo { code: "demo.failed".into(), message: "no".into(), fingerprint: "f".into() };
        let ack = |lease: &longshore_queue::Lease| Ack {
            id: lease.job.id,
            token: lease.token,
            ran: Duration::ZERO,
            used: None,
            outcome: Outcome::Dead { reason: Reason::Fatal, error: error.clone() },
        };
        self.broker.ack(&self.queue, &worker, leases.iter().map(ack).collect()).await.unwrap();
        assert_eq!(leases.len(), n);
        leases.iter().map(|lease| lease.job.id).collect()
    }
    /// What was announced since `place`.
    async fn alerts(&self, place: &mut Option<String>) -> Vec<String> {
        let feed = self.broker.feed(&self.queue, place.as_deref(), 1_000).await.unwrap();
        *place = Some(feed.next);
        let alert = |change| match change {
            Change::Alert(alert) => Some(format!("{}: {}", alert.code, alert.detail)),
            _ => None,
        };
        feed.entries.into_iter().filter_map(|entry| alert(entry.what)).collect()
    }
    async fn dead(&self) -> u64 {
        self.broker.stats(&Scope::All, &self.queue).await.unwrap().dead
    }
}

#[tokio::test]
async fn many_letters_are_told_once_for_each_time_they_become_many() {
    let stage = Stage::new();
    let chores = [stage.chore(5, Duration::ZERO), stage.chore(5, Duration::ZERO)];
    let mut place = None;
    stage.alerts(&mut place).await;
    let mut round = async |wait: u64| {
        for chore in &chores {
            assert_eq!(chore.run(&stage.queue).await.unwrap(), Done::Idle);
            stage.time.advance(Duration::from_secs(wait));
        }
        stage.alerts(&mut place).await
    };
    let ids = stage.letters(4).await;
    assert_eq!(round(10).await, Vec::<String>::new(), "four are not many");
    stage.letters(2).await;
    let told = "dead_letters.many: the queue q has 6 dead letters; the cap is 5".to_owned();
    assert_eq!(round(10).await, [told], "one of two schedulers tells");
    stage.letters(3).await;
    assert_eq!(round(10).await, Vec::<String>::new(), "more of them are no news");
    stage.broker.purge(&Scope::All, &ids).await.unwrap();
    stage.letters(1).await;
    assert_eq!((stage.dead().await, round(10).await.len()), (6, 0), "six are many still");
    let gone: Vec<_> = stage.broker.list(&Scope::All, &Filter::default(), 3, None).await.unwrap().items.iter().map(|job| job.id).collect();
    stage.broker.purge(&Scope::All, &gone).await.unwrap();
    assert_eq!((stage.dead().await, round(10).await.len()), (3, 0));
    stage.letters(2).await;
    assert_eq!(round(10).await, ["dead_letters.many: the queue q has 5 dead letters; the cap is 5"], "again after they were fewer");
    assert_eq!(stage.dead().await, 5, "none was removed");
}

#[tokio::test]
async fn schedulers_that_look_at_the_turn_of_a_minute_tell_once() {
    let stage = Stage::new();
    let chores = [stage.chore(1, Duration::ZERO), stage.chore(1, Duration::ZERO)];
    stage.time.advance(Duration::from_secs(59));
    let mut place = None;
    stage.broker.home(&stage.queue).await.unwrap();
    stage.alerts(&mut place).await;
    stage.letters(1).await;
    for chore in &chores {
        chore.run(&stage.queue).await.unwrap();
        stage.time.advance(Duration::from_secs(2));
    }
    assert_eq!(stage.alerts(&mut place).await.len(), 1);
}

#[tokio::test]
async fn nothing_is_told_or_removed_where_nobody_asked_for_it() {
    let stage = Stage::new();
    let mut place = None;
    stage.alerts(&mut place).await;
    let chore = stage.chore(0, Duration::ZERO);
    stage.letters(20).await;
    assert_eq!(chore.run(&stage.queue).await.unwrap(), Done::Idle);
    assert_eq!((stage.alerts(&mut place).await.len(), stage.dead().await), (0, 20));
    stage.time.advance(DAY * 10_000);
    assert_eq!(chore.run(&stage.queue).await.unwrap(), Done::Idle);
    assert_eq!(stage.dead().await, 20, "letters stay");
}

#[tokio::test]
async fn letters_leave_for_the_history_when_their_time_is_over() {
    let stage = Stage::new();
    let chore = stage.chore(0, DAY);
    let old = stage.letters(3).await;
    stage.time.advance(DAY / 2);
    let young = stage.letters(2).await;
    let repeat = Replay { id: old[2], new_id: Replay::id_of(old[2], old[0]), args: None };
    stage.broker.replay(&Scope::All, vec![repeat]).await.unwrap().remove(0).unwrap();
    stage.time.advance(DAY / 2);
    assert_eq!(chore.run(&stage.queue).await.unwrap(), Done::Idle);
    assert_eq!(stage.dead().await, 4, "a day is not over");
    stage.time.advance(Duration::from_millis(1));
    assert_eq!(chore.run(&stage.queue).await.unwrap(), Done::Idle);
    let mut kept = stage.memory.0.lock().unwrap().clone();
    kept.sort_unstable();
    let mut expected = old.clone();
    expected.sort_unstable();
    assert_eq!(kept, expected, "the repeated one too");
    let left = stage.broker.get(&Scope::All, &[old, young].concat()).await.unwrap();
    let states: Vec<_> = left.iter().map(|job| job.as_ref().map(|job| job.state)).collect();
    assert_eq!(states, [None, None, None, Some(State::Dead), Some(State::Dead)]);
    let gone = stage.broker.groups(&Scope::All, Some(&stage.queue)).await.unwrap();
    assert_eq!(gone.iter().map(|group| group.count).sum::<u64>(), 2, "the groups count those that are left");
}
