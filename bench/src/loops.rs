//! A loop that enqueues, leases and acks through the broker's own calls, one after the other: the scripts or statements, and nothing else.

use crate::{
    api,
    clock::{now_us, seconds_since},
};
use longshore_base::{Clock, Name, Random, SystemClock, SystemRandom};
use longshore_queue::{Ack, Broker, JobId, LeaseRequest, NewJob, Outcome, json};
use std::{sync::Arc, time::Duration};

const KIND: &str = "demo.echo";
const ENQUEUED_AT_ONCE: u64 = 1_000;
const LEASE: Duration = Duration::from_secs(60);
/// Replies without a job in a row, after which something is wrong.
const EMPTY_MAX: u32 = 1_000;

/// A queue, and who works in it.
#[derive(Debug)]
pub(crate) struct Loop {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    queue: Name,
    tenants: Vec<Name>,
    kinds: Arc<[Name]>,
    made: u64,
    calls: u64,
}

impl Loop {
    pub(crate) fn new(broker: Arc<dyn Broker>, queue: &str, tenants: u64) -> Result<Self, String> {
        let name = |text: &str| Name::new(text).map_err(|error| error.to_string());
        let tenants = (0..tenants).map(|n| name(&format!("tenant-{n}"))).collect::<Result<_, _>>()?;
        let (clock, random) = (SystemClock::new(), SystemRandom::new());
        Ok(Self { broker, clock, random, queue: name(queue)?, tenants, kinds: [name(KIND)?].into(), made: 0, calls: 0 })
    }

    /// Enqueues so many jobs, the tenants in turn; answers the seconds that it took.
    pub(crate) async fn fill(&mut self, jobs: u64) -> Result<f64, String> {
        let home = self.broker.home(&self.queue).await.map_err(|error| error.to_string())?;
        let (mut left, mut took) = (jobs, 0.0);
        while left > 0 {
            let count = left.min(ENQUEUED_AT_ONCE);
            let job = |n: u64| {
                let id = JobId::new(self.clock.now(), home, &*self.random);
                let tenant = self.tenants[(n % self.tenants.len() as u64) as usize].clone();
                NewJob::new(id, self.queue.clone(), self.kinds[0].clone(), tenant, json(&api::job(n, 1)["args"]))
            };
            let batch: Vec<NewJob> = (self.made..self.made + count).map(job).collect();
            let began = now_us();
            let answers = self.broker.enqueue(batch).await.map_err(|error| error.to_string())?;
            took += seconds_since(began);
            if let Some(Err(error)) = answers.into_iter().find(Result::is_err) {
                return Err(error.to_string());
            }
            self.made += count;
            left -= count;
        }
        Ok(took)
    }

    /// Leases and acks so many jobs, `batch` at a time; answers the seconds that it took.
    pub(crate) async fn drain(&mut self, jobs: u64, batch: usize) -> Result<f64, String> {
        let (mut left, mut empty, began) = (jobs, 0, now_us());
        let worker = format!("bench-{}", self.queue);
        let output = json(&serde_json::json!({ "ok": true }));
        while left > 0 {
            self.calls += 1;
            let n = batch.min(usize::try_from(left).unwrap_or(batch));
            let (queue, kinds) = (self.queue.clone(), Arc::clone(&self.kinds));
            let request = LeaseRequest { queue, worker: worker.clone(), call: self.calls, n, kinds, lease: LEASE };
            let leases = self.broker.lease(&request).await.map_err(|error| error.to_string())?.leases;
            empty = if leases.is_empty() { empty + 1 } else { 0 };
            if empty > EMPTY_MAX {
                return Err(format!("{left} of {jobs} jobs of {} were never leased", self.queue));
            }
            left -= leases.len() as u64;
            let ack = |lease: longshore_queue::Lease| Ack {
                id: lease.job.id,
                token: lease.token,
                ran: Duration::from_millis(1),
                used: None,
                outcome: Outcome::Complete { output: Some(output.clone()) },
            };
            let acks: Vec<Ack> = leases.into_iter().map(ack).collect();
            if acks.is_empty() {
                continue;
            }
            let acked = self.broker.ack(&self.queue, &worker, acks).await.map_err(|error| error.to_string())?;
            if let Some(Err(error)) = acked.into_iter().find(Result::is_err) {
                return Err(error.to_string());
            }
        }
        Ok(seconds_since(began))
    }
}
