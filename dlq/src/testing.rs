//! What the tests of this crate stand on: the model broker, a clock that they move, and letters in it.

use crate::{DeadLetters, Found, Search, Wanted, fingerprint};
use longshore_base::{Clock, ManualClock, Millis, Name, SeededRandom};
use longshore_queue::{
    Ack, Broker, ErrorInfo, Job, JobId, Lease, LeaseRequest, NewJob, Outcome, Policy, Reason, Scope, State, json, model::ModelBroker,
};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: Millis = 1_795_305_600_000;
pub(crate) const LEASE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct House {
    pub(crate) clock: ManualClock,
    pub(crate) broker: Arc<ModelBroker>,
    random: Arc<SeededRandom>,
    calls: AtomicU64,
}

pub(crate) fn name(text: &'static str) -> Name {
    Name::literal(text)
}

pub(crate) fn wanted(filter: Value) -> Wanted {
    serde_json::from_value(filter).unwrap()
}

impl House {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at(NOW);
        let broker = Arc::new(ModelBroker::new(clock.clone()));
        Self { clock, broker, random: SeededRandom::new(7), calls: AtomicU64::new(1) }
    }

    pub(crate) fn letters(&self) -> DeadLetters {
        DeadLetters::new(self.broker.clone(), Scope::All)
    }

    pub(crate) fn of(&self, tenant: &'static str) -> DeadLetters {
        DeadLetters::new(self.broker.clone(), Scope::Tenant(name(tenant)))
    }

    /// A job for an operation's id.
    pub(crate) async fn id(&self) -> JobId {
        let home = self.broker.home(&name("operations")).await.unwrap();
        JobId::new(self.clock.now(), home, &*self.random)
    }

    pub(crate) async fn put(&self, queue: &'static str, tenant: &'static str, args: Value, attempts_max: u16) -> JobId {
        let home = self.broker.home(&name(queue)).await.unwrap();
        let id = JobId::new(self.clock.now(), home, &*self.random);
        let mut job = NewJob::new(id, name(queue), name("demo.fail"), name(tenant), json(&args));
        job.policy = Policy { attempts_max, ..Policy::default() };
        self.broker.enqueue(vec![job]).await.unwrap().remove(0).unwrap().id
    }

    /// Leases what is there until it is this job's turn.
    pub(crate) async fn lease(&self, id: JobId) -> Lease {
        let queue = self.job(id).await.queue;
        for _ in 0..1_000 {
            self.broker.tick(&queue, LEASE).await.unwrap();
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            let kinds = vec![name("demo.fail")].into();
            let request = LeaseRequest { queue: queue.clone(), worker: "w1".into(), call, n: 1, kinds, lease: LEASE };
            match self.broker.lease(&request).await.unwrap().leases.pop() {
                Some(lease) if lease.job.id == id => return lease,
                Some(other) => drop(self.end(&other, Outcome::Complete { output: None }).await),
                None => self.clock.advance(Duration::from_secs(1)),
            }
        }
        panic!("{id} was not leased");
    }

    pub(crate) async fn end(&self, lease: &Lease, outcome: Outcome) -> State {
        let ack = Ack { id: lease.job.id, token: lease.token, ran: Duration::ZERO, used: None, outcome };
        self.broker.ack(&lease.job.queue, "w1", vec![ack]).await.unwrap().remove(0).unwrap().state
    }

    /// A job that died, a millisecond after the one before.
    pub(crate) async fn letter(&self, queue: &'static str, tenant: &'static str, args: Value, error: &str) -> JobId {
        self.clock.advance(Duration::from_millis(1));
        let id = self.put(queue, tenant, args, 3).await;
        let lease = self.lease(id).await;
        assert_eq!(self.end(&lease, Outcome::Dead { reason: Reason::Fatal, error: failed(error) }).await, State::Dead);
        id
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.broker.get(&Scope::All, &[id]).await.unwrap().remove(0).unwrap()
    }

    /// The ids that a search finds, in its order.
    pub(crate) async fn found(&self, search: &Search) -> Vec<JobId> {
        let found = self.letters().find(search, 1_000).await.unwrap().unwrap();
        found.iter().map(|found: &Found| found.id).collect()
    }
}

pub(crate) fn failed(text: &str) -> ErrorInfo {
    ErrorInfo { code: "demo.failed".into(), message: text.into(), fingerprint: fingerprint("demo.fail", "demo.failed", text) }
}
