//! The contract around [`World`]: one lock, a clock, and a bell that rings at every change.

use super::World;
use crate::{
    Ack, Acked, Alert, BeatReply, Begun, Broker, BrokerError, Command, Delivered, Delivery, DueSchedules, Durability, Edit, Enqueued,
    Explanation, ExtendReply, Feed, Filter, Fire, Fired, Group, Health, Held, Home, Inbox, Job, JobId, KindRecord, LaneView, LeaseReply,
    LeaseRequest, Letter, Logs, Losses, NewJob, Note, Page, QueueStats, Relocation, Replay, ResourceChange, ResourceState, RuleChange,
    RuleScope, Saves, ScheduleChange, ScheduleFilter, SchedulePage, ScheduleState, Scope, ScopeState, State, TickRecord, TickReport, Token,
    Undo, Watched, WorkerReport,
};
use async_trait::async_trait;
use longshore_base::{Clock, ManualClock, Millis, Name};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

type Result<T> = std::result::Result<T, BrokerError>;

/// A broker in memory, by a clock that its owner moves.
#[derive(Debug)]
pub struct ModelBroker {
    clock: ManualClock,
    world: Mutex<World>,
    bell: Notify,
}

impl ModelBroker {
    /// An empty one.
    #[must_use]
    pub fn new(clock: ManualClock) -> Self {
        Self { clock, world: Mutex::default(), bell: Notify::new() }
    }

    /// An empty one whose feeds keep so many steps.
    #[must_use]
    pub fn with_feeds_of(steps: usize, clock: ManualClock) -> Self {
        let broker = Self::new(clock);
        broker.world().keep_feeds(steps);
        broker
    }

    /// A look at everything.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut World, Millis) -> T) -> T {
        let mut world = self.world();
        world.begin_step();
        let answer = change(&mut world, self.clock.now());
        drop(world);
        self.bell.notify_waiters();
        answer
    }

    async fn until(&self, at_most: Duration, done: impl Fn(&World) -> bool) {
        let end = self.clock.sleep(at_most);
        tokio::pin!(end);
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if done(&self.world()) {
                return;
            }
            tokio::select! { () = rung => {}, () = &mut end => return }
        }
    }
}

#[async_trait]
impl Broker for ModelBroker {
    async fn home(&self, queue: &Name) -> Result<Home> {
        Ok(self.world().home(queue))
    }
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        Ok(self.change(|world, now| jobs.into_iter().map(|job| world.enqueue(now, job)).collect()))
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        Ok(self.change(|world, now| world.lease(now, request)))
    }
    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply> {
        Ok(self.change(|world, now| world.extend(now, queue, worker, held, settled, lease)))
    }
    async fn ack(&self, queue: &Name, _worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        Ok(self.change(|world, now| acks.into_iter().map(|ack| world.ack(now, queue, ack)).collect()))
    }
    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        self.change(|world, _| world.save(id, token, saves))
    }
    async fn saved(&self, id: JobId) -> Result<Saves> {
        self.world().saved(id)
    }
    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()> {
        self.change(|world, now| world.note(now, id, token, note))
    }
    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        Ok(self.change(|world, now| deliveries.iter().map(|delivery| world.deliver(now, delivery)).collect()))
    }
    async fn inbox(&self, id: JobId) -> Result<Inbox> {
        self.world().inbox(id)
    }
    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let world = self.world();
        Ok(ids.iter().map(|id| world.record(*id).map(|r| r.job.clone()).filter(|job| scope.sees(&job.tenant))).collect())
    }
    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.world().list(scope, filter, limit, cursor)
    }
    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        self.world().logs(scope, id)
    }
    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        Ok(self.change(|world, now| ids.iter().map(|id| world.cancel(now, scope, *id)).collect()))
    }
    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        self.change(|world, now| world.edit(now, scope, id, revision, edit))
    }
    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.change(|world, now| world.retry_now(now, scope, id))
    }
    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.change(|world, now| world.give_up(now, scope, id))
    }
    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
        Ok(self.world().groups(scope, queue))
    }
    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        Ok(self.change(|world, now| replays.into_iter().map(|replay| world.replay(now, scope, replay)).collect()))
    }
    async fn undo(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>> {
        Ok(self.change(|world, now| undos.into_iter().map(|undo| world.undo(now, scope, undo)).collect()))
    }
    async fn bury(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>> {
        Ok(self.change(|world, now| letters.into_iter().map(|letter| world.bury(now, letter)).collect()))
    }
    async fn relocate(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>> {
        Ok(self.change(|world, now| moves.into_iter().map(|to| world.relocate(now, scope, to)).collect()))
    }
    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        Ok(self.change(|world, _| ids.iter().map(|id| world.purge(scope, *id)).collect()))
    }
    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()> {
        self.change(|world, _| world.put_kinds(records));
        Ok(())
    }
    async fn kinds(&self) -> Result<Vec<KindRecord>> {
        Ok(self.world().kinds.values().cloned().collect())
    }
    async fn rule(&self, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState> {
        self.change(|world, now| world.rule(now, queue, scope, change, expected))
    }
    async fn rules(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState> {
        Ok(self.world().rules(self.clock.now(), queue, scope))
    }
    async fn lanes(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>> {
        Ok(self.world().lanes(self.clock.now(), scope, queue, limit))
    }
    async fn explain(&self, scope: &Scope, id: JobId) -> Result<Explanation> {
        self.world().explain(self.clock.now(), scope, id)
    }
    async fn resource(&self, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        self.change(|world, now| world.resource(now, name, change, expected))
    }
    async fn resources(&self) -> Result<Vec<ResourceState>> {
        Ok(self.world().resources(self.clock.now()))
    }
    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply> {
        Ok(self.change(|world, now| world.beat(now, report, ttl)))
    }
    async fn leave(&self, worker: &str) -> Result<()> {
        self.change(|world, _| world.workers.remove(worker));
        Ok(())
    }
    async fn workers(&self) -> Result<Vec<WorkerReport>> {
        Ok(self.world().workers(self.clock.now()))
    }
    async fn command(&self, worker: &str, command: Command) -> Result<()> {
        self.change(|world, now| world.command(now, worker, command))
    }
    async fn queues(&self) -> Result<Vec<Name>> {
        Ok(self.world().homes.values().cloned().collect())
    }
    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats> {
        Ok(self.world().stats(self.clock.now(), scope, queue))
    }
    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport> {
        Ok(self.change(|world, now| world.tick(now, queue, lease)))
    }
    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        Ok(self.world().expired(self.clock.now(), queue, keep, keep_count, limit))
    }
    async fn wait(&self, queue: &Name, at_most: Duration) {
        // A job that falls due sooner than it did when the wait began is worth a new lease call, which answers the new time.
        let due = |world: &World| world.records(queue).filter_map(|r| r.job.due_at).min();
        let before = due(&self.world());
        self.until(at_most, |world| {
            world.any_open(self.clock.now(), queue) || due(world).is_some_and(|due| before.is_none_or(|before| due < before))
        })
        .await;
    }
    async fn wait_queues(&self, known: usize, at_most: Duration) {
        self.until(at_most, |world| world.homes.len() > known).await;
    }
    async fn watch(&self, _: &Name, jobs: &Arc<Watched>, at_most: Duration) {
        let ids = jobs.ids();
        let shown = |world: &World| -> Vec<_> { ids.iter().map(|id| world.record(*id).map(|r| format!("{:?}", r.job))).collect() };
        let before = shown(&self.world());
        self.until(at_most, |world| shown(world) != before).await;
        if shown(&self.world()) != before {
            jobs.may_have_missed();
        }
    }
    async fn feed(&self, queue: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        Ok(self.world().feed(self.clock.now(), queue, after, limit))
    }
    async fn wait_feed(&self, queue: &Name, at_most: Duration) {
        let before = self.world().feed_end(queue);
        self.until(at_most, |world| world.feed_end(queue) != before).await;
    }
    async fn announce(&self, queue: &Name, alert: Alert) -> Result<()> {
        self.change(|world, now| world.announce(now, queue, alert));
        Ok(())
    }
    async fn schedule(&self, tenant: &Name, name: &Name, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState> {
        self.change(|world, now| world.schedule(now, tenant, name, change, expected))
    }
    async fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
        Ok(self.world().find_schedule(scope, tenant, name))
    }
    async fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
        self.world().schedules(scope, filter, limit, cursor)
    }
    async fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
        Ok(self.world().ticks(scope, tenant, name, limit))
    }
    async fn due_schedules(&self, queue: &Name, limit: usize) -> Result<DueSchedules> {
        Ok(self.world().due_schedules(self.clock.now(), queue, limit))
    }
    async fn fire(&self, queue: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
        Ok(self.change(|world, now| fires.into_iter().map(|fire| world.fire(now, queue, fire)).collect()))
    }
    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        Ok(self.change(|world, _| world.begin(tenant, key, *body_hash, *seed, now)))
    }
    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        self.change(|world, _| world.finish(tenant, key, answer))
    }
    fn durability(&self) -> Durability {
        Durability::Durable
    }
    async fn health(&self) -> Result<Health> {
        Ok(Health { durability: Durability::Durable, version: "model".into(), faults: Vec::new(), memory: None, losses: Losses::default() })
    }
}
