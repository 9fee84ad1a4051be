//! A broker behind a line that can be cut: the next calls fail as told, before or after they took effect.

use async_trait::async_trait;
use longshore_base::{Millis, Name, Scope};
use longshore_queue::*;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
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
    inner: Arc<dyn Broker>,
    cuts: Mutex<VecDeque<Cut>>,
    calls: AtomicU64,
    lease_calls: AtomicU64,
}

impl Flaky {
    pub(super) fn before(inner: Arc<dyn Broker>) -> Self {
        Self { inner, cuts: Mutex::default(), calls: AtomicU64::new(0), lease_calls: AtomicU64::new(0) }
    }
    /// The next calls of enqueue, bury, edit, cancel, schedule, fire, begin, finish, get and health fail like this, in this order.
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
        self.line(self.inner.enqueue(jobs)).await
    }
    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        self.line(self.inner.edit(scope, id, revision, edit)).await
    }
    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        self.line(self.inner.cancel(scope, ids)).await
    }
    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        self.line(self.inner.begin(tenant, key, body_hash, seed, now)).await
    }
    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        self.line(self.inner.finish(tenant, key, answer)).await
    }
    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.line(self.inner.get(scope, ids)).await
    }
    async fn health(&self) -> Result<Health> {
        self.line(self.inner.health()).await
    }
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn home(&self, queue: &Name) -> Result<Home> {
        self.inner.home(queue).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.inner.lease(request).await
    }
    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply> {
        self.inner.extend(queue, worker, held, settled, lease).await
    }
    async fn ack(&self, queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        self.inner.ack(queue, worker, acks).await
    }
    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        self.inner.save(id, token, saves).await
    }
    async fn saved(&self, id: JobId) -> Result<Saves> {
        self.inner.saved(id).await
    }
    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()> {
        self.inner.note(id, token, note).await
    }
    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        self.inner.deliver(deliveries).await
    }
    async fn inbox(&self, id: JobId) -> Result<Inbox> {
        self.inner.inbox(id).await
    }
    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.inner.list(scope, filter, limit, cursor).await
    }
    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        self.inner.logs(scope, id).await
    }
    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.inner.retry_now(scope, id).await
    }
    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.inner.give_up(scope, id).await
    }
    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
        self.inner.groups(scope, queue).await
    }
    async fn relocate(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>> {
        self.inner.relocate(scope, moves).await
    }
    async fn feed(&self, queue: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        self.inner.feed(queue, after, limit).await
    }
    async fn wait_feed(&self, queue: &Name, at_most: Duration) {
        self.inner.wait_feed(queue, at_most).await;
    }
    async fn announce(&self, queue: &Name, alert: Alert) -> Result<()> {
        self.inner.announce(queue, alert).await
    }
    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        self.inner.replay(scope, replays).await
    }
    async fn undo(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>> {
        self.inner.undo(scope, undos).await
    }
    async fn bury(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>> {
        self.line(self.inner.bury(letters)).await
    }
    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        self.inner.purge(scope, ids).await
    }
    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()> {
        self.inner.put_kinds(records).await
    }
    async fn kinds(&self) -> Result<Vec<KindRecord>> {
        self.inner.kinds().await
    }
    async fn rule(&self, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState> {
        self.inner.rule(queue, scope, change, expected).await
    }
    async fn rules(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState> {
        self.inner.rules(queue, scope).await
    }
    async fn lanes(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>> {
        self.inner.lanes(scope, queue, limit).await
    }
    async fn explain(&self, scope: &Scope, id: JobId) -> Result<Explanation> {
        self.inner.explain(scope, id).await
    }
    async fn resource(&self, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        self.inner.resource(name, change, expected).await
    }
    async fn resources(&self) -> Result<Vec<ResourceState>> {
        self.inner.resources().await
    }
    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply> {
        self.inner.beat(report, ttl).await
    }
    async fn leave(&self, worker: &str) -> Result<()> {
        self.inner.leave(worker).await
    }
    async fn workers(&self) -> Result<Vec<WorkerReport>> {
        self.inner.workers().await
    }
    async fn command(&self, worker: &str, command: Command) -> Result<()> {
        self.inner.command(worker, command).await
    }
    async fn queues(&self) -> Result<Vec<Name>> {
        self.inner.queues().await
    }
    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats> {
        self.inner.stats(scope, queue).await
    }
    async fn schedule(&self, tenant: &Name, name: &Name, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState> {
        self.line(self.inner.schedule(tenant, name, change, expected)).await
    }
    async fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
        self.inner.find_schedule(scope, tenant, name).await
    }
    async fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
        self.inner.schedules(scope, filter, limit, cursor).await
    }
    async fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
        self.inner.ticks(scope, tenant, name, limit).await
    }
    async fn due_schedules(&self, queue: &Name, limit: usize) -> Result<DueSchedules> {
        self.inner.due_schedules(queue, limit).await
    }
    async fn fire(&self, queue: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
        self.line(self.inner.fire(queue, fires)).await
    }
    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport> {
        self.inner.tick(queue, lease).await
    }
    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        self.inner.expired(queue, keep, keep_count, limit).await
    }
    async fn wait(&self, queue: &Name, at_most: Duration) {
        self.inner.wait(queue, at_most).await;
    }
    async fn wait_queues(&self, known: usize, at_most: Duration) {
        self.inner.wait_queues(known, at_most).await;
    }
    async fn watch(&self, queue: &Name, jobs: &Arc<Watched>, at_most: Duration) {
        self.inner.watch(queue, jobs, at_most).await;
    }
}
