//! The contract, call by call; each is done in the file of its group.

use super::{RedisBroker, Result, keys, record::millis, script::Script, signal};
use crate::{
    Ack, Acked, Alert, BeatReply, Begun, Broker, Command, Delivered, Delivery, DueSchedules, Durability, Edit, Enqueued, Explanation,
    ExtendReply, Feed, Filter, Fire, Fired, Group, Health, Held, Home, Inbox, Job, JobId, KindRecord, LaneView, LeaseReply, LeaseRequest,
    Letter, Logs, NewJob, Note, Page, QueueStats, Relocation, Replay, ResourceChange, ResourceState, RuleChange, RuleScope, Saves,
    ScheduleChange, ScheduleFilter, SchedulePage, ScheduleState, Scope, ScopeState, State, TickRecord, TickReport, Token, Undo, Watched,
    WorkerReport,
};
use async_trait::async_trait;
use longshore_base::{Millis, Name};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

/// A queue goes on telling of changed jobs for this long after somebody watched one.
const WATCH: Duration = Duration::from_secs(30);

#[async_trait]
impl Broker for RedisBroker {
    async fn home(&self, queue: &Name) -> Result<Home> {
        Ok(self.queue(queue).await?.home)
    }
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        self.enqueue_jobs(jobs).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        self.lease_jobs(request).await
    }
    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply> {
        self.extend_leases(queue, worker, held, settled, lease).await
    }
    async fn ack(&self, queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        self.ack_attempts(queue, worker, acks).await
    }
    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        self.save_run(id, token, &saves).await
    }
    async fn saved(&self, id: JobId) -> Result<Saves> {
        self.saved_runs(id).await
    }
    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()> {
        self.note_run(id, token, &note).await
    }
    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        self.deliver_all(deliveries).await
    }
    async fn inbox(&self, id: JobId) -> Result<Inbox> {
        self.inbox_of(id).await
    }
    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.get_jobs(scope, ids).await
    }
    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.list_jobs(scope, filter, limit, cursor).await
    }
    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        self.log_lines(scope, id).await
    }
    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        self.cancel_jobs(scope, ids).await
    }
    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        self.edit_job(scope, id, revision, &edit).await
    }
    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.retry_job(scope, id).await
    }
    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State> {
        self.give_up_job(scope, id).await
    }
    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
        self.dead_groups(scope, queue).await
    }
    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        self.replay_jobs(scope, replays).await
    }
    async fn undo(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>> {
        self.undo_replays(scope, undos).await
    }
    async fn bury(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>> {
        self.bury_letters(letters).await
    }
    async fn relocate(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>> {
        self.relocate_jobs(scope, moves).await
    }
    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        self.purge_jobs(scope, ids).await
    }
    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()> {
        self.write_kinds(&records).await
    }
    async fn kinds(&self) -> Result<Vec<KindRecord>> {
        self.read_kinds().await
    }
    async fn rule(&self, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState> {
        self.change_rule(queue, scope, &change, expected).await
    }
    async fn rules(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState> {
        self.rules_of(queue, scope).await
    }
    async fn lanes(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>> {
        self.lanes_of(scope, queue, limit).await
    }
    async fn explain(&self, scope: &Scope, id: JobId) -> Result<Explanation> {
        self.explain_job(scope, id).await
    }
    async fn resource(&self, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        self.change_resource(name, &change, expected).await
    }
    async fn resources(&self) -> Result<Vec<ResourceState>> {
        self.all_resources().await
    }
    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply> {
        self.report(&report, ttl).await
    }
    async fn leave(&self, worker: &str) -> Result<()> {
        self.forget(worker).await
    }
    async fn workers(&self) -> Result<Vec<WorkerReport>> {
        self.live_workers().await
    }
    async fn command(&self, worker: &str, command: Command) -> Result<()> {
        self.tell_worker(worker, command).await
    }
    async fn queues(&self) -> Result<Vec<Name>> {
        Ok(self.all_queues().await?.iter().map(|queue| queue.name.clone()).collect())
    }
    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats> {
        self.stats_of(scope, queue).await
    }
    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport> {
        self.tick_queue(queue, lease).await
    }
    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        self.over_retention(queue, keep, keep_count, limit).await
    }
    async fn wait(&self, queue: &Name, at_most: Duration) {
        let at_most = signal::jittered(at_most, &*self.options.random);
        match self.queue(queue).await {
            Ok(queue) => {
                let hearing = self.ears.listen(&self.router, queue.slot, &keys::sibling(&queue.meta, "sig"), &queue.signal).await;
                queue.signal.work.wait(&*self.options.clock, hearing.bound(at_most)).await;
            }
            Err(_) => self.options.clock.sleep(at_most).await,
        }
    }
    async fn wait_queues(&self, known: usize, at_most: Duration) {
        if self.queues.count() > known {
            return;
        }
        let key = keys::homes(&self.options.prefix);
        let hearing = self.ears.listen(&self.router, keys::slot(&key), &format!("{key}:sig"), &self.queues.signal).await;
        self.queues.signal.work.wait(&*self.options.clock, hearing.bound(at_most)).await;
    }
    async fn watch(&self, queue: &Name, jobs: &Arc<Watched>, at_most: Duration) {
        let at_most = signal::jittered(at_most, &*self.options.random);
        let Ok(queue) = self.queue(queue).await else { return self.options.clock.sleep(at_most).await };
        queue.signal.watchers.join(jobs);
        let hearing = self.ears.listen(&self.router, queue.slot, &keys::sibling(&queue.meta, "sig"), &queue.signal).await;
        let now = self.options.clock.elapsed();
        let (asks, was_told) = {
            let mut until = queue.watched_until.lock().unwrap_or_else(PoisonError::into_inner);
            let (asks, was_told) = (now >= *until, *until > Duration::ZERO && now < *until + WATCH - WATCH / 3);
            if asks {
                *until = now + WATCH / 3;
            }
            (asks, was_told)
        };
        if asks {
            let mut command = self.command(Script::Watch, &queue.meta);
            command.arg(millis(WATCH));
            if self.call(&queue, Script::Watch, &command).await.is_err() {
                *queue.watched_until.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
            } else if !was_told {
                // Before that nobody told this process anything.
                jobs.may_have_missed();
            }
        }
        tokio::select! {
            () = jobs.wait() => {}
            () = self.options.clock.sleep(hearing.bound(at_most)) => {}
        }
    }
    async fn feed(&self, queue: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        self.feed_of(queue, after, limit).await
    }
    async fn wait_feed(&self, queue: &Name, at_most: Duration) {
        let known = self.queues.count();
        match self.existing(queue).await {
            Ok(Some(queue)) => {
                let hearing = self.ears.listen(&self.router, queue.slot, &keys::sibling(&queue.meta, "sig"), &queue.signal).await;
                queue.signal.feed.wait(&*self.options.clock, hearing.bound(at_most)).await;
            }
            Ok(None) => self.wait_for_queue(known, at_most).await,
            Err(_) => self.options.clock.sleep(at_most).await,
        }
    }
    async fn announce(&self, queue: &Name, alert: Alert) -> Result<()> {
        self.announce_alert(queue, &alert).await
    }
    async fn schedule(&self, tenant: &Name, name: &Name, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState> {
        self.change_schedule(tenant, name, &change, expected).await
    }
    async fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
        self.schedule_of(scope, tenant, name).await
    }
    async fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
        self.page_of_schedules(scope, filter, limit, cursor).await
    }
    async fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
        self.ticks_of(scope, tenant, name, limit).await
    }
    async fn due_schedules(&self, queue: &Name, limit: usize) -> Result<DueSchedules> {
        self.due_now(queue, limit).await
    }
    async fn fire(&self, queue: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
        self.fire_all(queue, fires).await
    }
    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        self.begin_request(tenant, key, body_hash, seed, now).await
    }
    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        self.finish_request(tenant, key, answer).await
    }
    fn durability(&self) -> Durability {
        self.durability_now()
    }
    async fn health(&self) -> Result<Health> {
        self.look().await
    }
}
