//! The model broker behind a line that can be cut: the next calls fail as told, before or after they took effect.

use async_trait::async_trait;
use longshore_base::{ManualClock, Millis, Name, Scope};
use longshore_queue::*;
use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

type Result<T> = std::result::Result<T, BrokerError>;

/// How a call fails.
#[derive(Debug, Clone)]
pub(super) enum Cut {
    /// Not at all.
    None,
    /// Nothing was sent.
    Before,
    /// It took effect, and the answer is lost.
    After,
    /// The memory is nearly full.
    Full,
    /// The slot is being moved.
    Moving,
}

#[derive(Debug)]
pub(super) struct Flaky {
    model: model::ModelBroker,
    cuts: Mutex<VecDeque<Cut>>,
    calls: AtomicU64,
    lease_calls: AtomicU64,
}

impl Flaky {
    pub(super) fn new(clock: ManualClock) -> Self {
        let model = model::ModelBroker::new(clock);
        Self { model, cuts: Mutex::default(), calls: AtomicU64::new(0), lease_calls: AtomicU64::new(0) }
    }
    /// The next calls of enqueue, edit, cancel, begin, finish, get and health fail like this, in this order.
    pub(super) fn cut(&self, cuts: impl IntoIterator<Item = Cut>) {
        self.cuts.lock().expect("no panic").extend(cuts);
    }
    /// How many calls of those there were.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
    pub(super) fn next_call(&self) -> u64 {
        self.lease_calls.fetch_add(1, Ordering::SeqCst) + 1
    }
    async fn line<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let cut = self.cuts.lock().expect("no panic").pop_front();
        match cut {
            None | Some(Cut::None) => call.await,
            Some(Cut::Before) => Err(BrokerError::Unavailable("redis://secret-host:6379 refused".into())),
            Some(Cut::After) => {
                call.await?;
                Err(BrokerError::OutcomeUnknown("redis://secret-host:6379 broke off".into()))
            }
            Some(Cut::Full) => Err(BrokerError::Full { detail: "81 %".into(), retry_after: Duration::from_millis(2500) }),
            Some(Cut::Moving) => Err(BrokerError::Moving),
        }
    }
}

#[async_trait]
impl Broker for Flaky {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        self.line(self.model.enqueue(jobs)).await
    }
    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        self.line(self.model.edit(scope, id, revision, edit)).await
    }
    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        self.line(self.model.cancel(scope, ids)).await
    }
    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        self.line(self.model.begin(tenant, key, body_hash, seed, now)).await
    }
    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        self.line(self.model.finish(tenant, key, answer)).await
    }
    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.line(self.model.get(scope, ids)).await
    }
    async fn health(&self) -> Result<Health> {
        self.line(self.model.health()).await
    }
    fn durability(&self) -> Durability {
        self.model.durability()
    }

    async fn home(&self, queue: &Name) -> Result<Home> {
        self.model.home(queue).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.model.lease(request).await
    }
    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply> {
        self.model.extend(queue, worker, held, settled, lease).await
    }
    async fn ack(&self, queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        self.model.ack(queue, worker, acks).await
    }
    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        self.model.save(id, token, saves).await
    }
    async fn saved(&self, id: JobId) -> Result<Saves> {
        self.model.saved(id).await
    }
    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()> {
        self.model.note(id, token, note).await
    }
    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        self.model.deliver(deliveries).await
    }
    async fn inbox(&self, id: JobId) -> Result<Inbox> {
        self.model.inbox(id).await
    }
    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.model.list(scope, filter, limit, cursor).await
    }
    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Vec<LogLine>> {
        self.model.logs(scope, id).await
    }
    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.model.retry_now(scope, id).await
    }
    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.model.give_up(scope, id).await
    }
    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
        self.model.groups(scope, queue).await
    }
    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        self.model.replay(scope, replays).await
    }
    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        self.model.purge(scope, ids).await
    }
    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()> {
        self.model.put_kinds(records).await
    }
    async fn kinds(&self) -> Result<Vec<KindRecord>> {
        self.model.kinds().await
    }
    async fn rule(&self, queue: &Name, rule: Rule) -> Result<()> {
        self.model.rule(queue, rule).await
    }
    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply> {
        self.model.beat(report, ttl).await
    }
    async fn leave(&self, worker: &str) -> Result<()> {
        self.model.leave(worker).await
    }
    async fn workers(&self) -> Result<Vec<WorkerReport>> {
        self.model.workers().await
    }
    async fn command(&self, worker: &str, command: Command) -> Result<()> {
        self.model.command(worker, command).await
    }
    async fn queues(&self) -> Result<Vec<Name>> {
        self.model.queues().await
    }
    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats> {
        self.model.stats(scope, queue).await
    }
    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport> {
        self.model.tick(queue, lease).await
    }
    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        self.model.expired(queue, keep, keep_count, limit).await
    }
    async fn wait(&self, queue: &Name, at_most: Duration) {
        self.model.wait(queue, at_most).await;
    }
    async fn watch(&self, id: JobId, at_most: Duration) {
        self.model.watch(id, at_most).await;
    }
}
