//! A broker that can be cut off: calls that are not sent, and calls whose answer is lost.

use async_trait::async_trait;
use longshore_base::{Millis, Name, Scope};
use longshore_queue::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

type Result<T> = std::result::Result<T, BrokerError>;

/// What is broken now.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    /// Nothing is sent.
    pub(crate) all: AtomicBool,
    /// Nothing of these is sent.
    pub(crate) extend: AtomicBool,
    pub(crate) ack: AtomicBool,
    /// Each n-th answer of these is lost; 0: none.
    pub(crate) lease_replies: AtomicU32,
    pub(crate) ack_replies: AtomicU32,
    pub(crate) calls: AtomicUsize,
    /// How many leases each call brought.
    pub(crate) leased: Mutex<Vec<(String, usize, usize)>>,
    pub(crate) extends: AtomicUsize,
    /// What the worker watches.
    pub(crate) watched: Mutex<Option<Arc<Watched>>>,
}

#[derive(Debug)]
pub(crate) struct Shaky {
    pub(crate) inner: Arc<dyn Broker>,
    pub(crate) cuts: Arc<Cuts>,
}

impl Shaky {
    fn up(&self) -> Result<&dyn Broker> {
        self.cuts.calls.fetch_add(1, Ordering::Relaxed);
        if self.cuts.all.load(Ordering::Relaxed) { Err(cut()) } else { Ok(&*self.inner) }
    }
    fn loses(&self, every: &AtomicU32) -> bool {
        let every = every.load(Ordering::Relaxed) as usize;
        every > 0 && self.cuts.calls.load(Ordering::Relaxed).is_multiple_of(every)
    }
}

fn cut() -> BrokerError {
    BrokerError::Unavailable("cut by the test".into())
}

#[async_trait]
impl Broker for Shaky {
    async fn home(&self, queue: &Name) -> Result<Home> {
        self.up()?.home(queue).await
    }
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        self.up()?.enqueue(jobs).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        let reply = self.up()?.lease(request).await?;
        if self.loses(&self.cuts.lease_replies) {
            return Err(BrokerError::OutcomeUnknown("the answer was cut by the test".into()));
        }
        self.cuts.leased.lock().unwrap().push((request.queue.to_string(), request.n, reply.leases.len()));
        Ok(reply)
    }
    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply> {
        if self.cuts.extend.load(Ordering::Relaxed) {
            return Err(cut());
        }
        self.cuts.extends.fetch_add(1, Ordering::Relaxed);
        self.up()?.extend(queue, worker, held, settled, lease).await
    }
    async fn ack(&self, queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        if self.cuts.ack.load(Ordering::Relaxed) {
            return Err(cut());
        }
        let answer = self.up()?.ack(queue, worker, acks).await;
        if self.loses(&self.cuts.ack_replies) {
            return Err(BrokerError::OutcomeUnknown("the answer was cut by the test".into()));
        }
        answer
    }
    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        self.up()?.save(id, token, saves).await
    }
    async fn saved(&self, id: JobId) -> Result<Saves> {
        self.up()?.saved(id).await
    }
    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()> {
        self.up()?.note(id, token, note).await
    }
    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        self.up()?.deliver(deliveries).await
    }
    async fn inbox(&self, id: JobId) -> Result<Inbox> {
        self.up()?.inbox(id).await
    }
    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.up()?.get(scope, ids).await
    }
    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.up()?.list(scope, filter, limit, cursor).await
    }
    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        self.up()?.logs(scope, id).await
    }
    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        self.up()?.cancel(scope, ids).await
    }
    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        self.up()?.edit(scope, id, revision, edit).await
    }
    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.up()?.retry_now(scope, id).await
    }
    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.up()?.give_up(scope, id).await
    }
    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
        self.up()?.groups(scope, queue).await
    }
    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        self.up()?.replay(scope, replays).await
    }
    async fn undo(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>> {
        self.up()?.undo(scope, undos).await
    }
    async fn bury(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>> {
        self.up()?.bury(letters).await
    }
    async fn relocate(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>> {
        self.up()?.relocate(scope, moves).await
    }
    async fn feed(&self, queue: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        self.up()?.feed(queue, after, limit).await
    }
    async fn wait_feed(&self, queue: &Name, at_most: Duration) {
        self.inner.wait_feed(queue, at_most).await;
    }
    async fn announce(&self, queue: &Name, alert: Alert) -> Result<()> {
        self.up()?.announce(queue, alert).await
    }
    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        self.up()?.purge(scope, ids).await
    }
    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()> {
        self.up()?.put_kinds(records).await
    }
    async fn kinds(&self) -> Result<Vec<KindRecord>> {
        self.up()?.kinds().await
    }
    async fn rule(&self, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState> {
        self.up()?.rule(queue, scope, change, expected).await
    }
    async fn rules(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState> {
        self.up()?.rules(queue, scope).await
    }
    async fn lanes(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>> {
        self.up()?.lanes(scope, queue, limit).await
    }
    async fn explain(&self, scope: &Scope, id: JobId) -> Result<Explanation> {
        self.up()?.explain(scope, id).await
    }
    async fn resource(&self, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        self.up()?.resource(name, change, expected).await
    }
    async fn resources(&self) -> Result<Vec<ResourceState>> {
        self.up()?.resources().await
    }
    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply> {
        self.up()?.beat(report, ttl).await
    }
    async fn leave(&self, worker: &str) -> Result<()> {
        self.up()?.leave(worker).await
    }
    async fn workers(&self) -> Result<Vec<WorkerReport>> {
        self.up()?.workers().await
    }
    async fn command(&self, worker: &str, command: Command) -> Result<()> {
        self.up()?.command(worker, command).await
    }
    async fn queues(&self) -> Result<Vec<Name>> {
        self.up()?.queues().await
    }
    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats> {
        self.up()?.stats(scope, queue).await
    }
    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport> {
        self.inner.tick(queue, lease).await
    }
    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        self.up()?.expired(queue, keep, keep_count, limit).await
    }
    async fn schedule(&self, tenant: &Name, name: &Name, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState> {
        self.up()?.schedule(tenant, name, change, expected).await
    }
    async fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
        self.up()?.find_schedule(scope, tenant, name).await
    }
    async fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
        self.up()?.schedules(scope, filter, limit, cursor).await
    }
    async fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
        self.up()?.ticks(scope, tenant, name, limit).await
    }
    async fn due_schedules(&self, queue: &Name, limit: usize) -> Result<DueSchedules> {
        self.up()?.due_schedules(queue, limit).await
    }
    async fn fire(&self, queue: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
        self.up()?.fire(queue, fires).await
    }
    async fn wait(&self, queue: &Name, at_most: Duration) {
        self.inner.wait(queue, at_most).await;
    }
    async fn wait_queues(&self, known: usize, at_most: Duration) {
        self.inner.wait_queues(known, at_most).await;
    }
    async fn watch(&self, queue: &Name, jobs: &Arc<Watched>, at_most: Duration) {
        *self.cuts.watched.lock().unwrap() = Some(jobs.clone());
        self.inner.watch(queue, jobs, at_most).await;
    }
    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        self.up()?.begin(tenant, key, body_hash, seed, now).await
    }
    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        self.up()?.finish(tenant, key, answer).await
    }
    fn durability(&self) -> Durability {
        self.inner.durability()
    }
    async fn health(&self) -> Result<Health> {
        self.up()?.health().await
    }
}
