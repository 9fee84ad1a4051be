//! The contract's calls, each sent to the writer or to a reader. What must survive a power cut before it is answered says `FSYNC`.

use super::{
    Result, SqliteBroker, ack, around, bury, calendar, cancel, codec, deliver, edit, enqueue, explain, extend, fire, lanes, lease, list,
    note, purge, relocate, replay, resource, rule, schedule, signals, stats, tick, undo, workers,
};
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
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

const FSYNC: bool = true;
/// The worker that this call serves dies with the machine, or the call is repeated until it is done.
const LAZY: bool = false;

#[async_trait]
impl Broker for SqliteBroker {
    async fn home(&self, queue: &Name) -> Result<Home> {
        if let Some(home) = self.known(queue) {
            return Ok(home);
        }
        let name = queue.to_string();
        let home = Home(self.write(FSYNC, move |tx| around::home(tx, &name)).await?);
        self.homes.write().unwrap_or_else(PoisonError::into_inner).insert(queue.clone(), home);
        self.signals.opened.notify_waiters();
        Ok(home)
    }

    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        let homes = self.homes_of(&jobs.iter().map(|job| &job.queue).collect::<Vec<_>>()).await?;
        self.write_of(jobs.len(), FSYNC, move |tx| enqueue::enqueue(tx, jobs, &homes)).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply> {
        let (home, request, signals) = (self.home(&request.queue).await?.0, request.clone(), Arc::clone(&self.signals));
        self.write(LAZY, move |tx| lease::lease(tx, home, &request, &signals)).await
    }

    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply> {
        let (home, worker, held) = (self.home(queue).await?.0, worker.to_owned(), held.to_vec());
        self.write(LAZY, move |tx| {
            let until = codec::after(tx.now, lease);
            extend::extend(tx, home, &worker, &held, settled, until)
        })
        .await
    }

    async fn ack(&self, _queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        let worker = worker.to_owned();
        self.write_of(acks.len(), FSYNC, move |tx| ack::ack(tx, &worker, acks)).await
    }

    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        self.write(FSYNC, move |tx| note::save(tx, id, token, &saves)).await?
    }

    async fn saved(&self, id: JobId) -> Result<Saves> {
        self.readers.read(move |db| note::saved(db, id)).await
    }

    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()> {
        self.write(LAZY, move |tx| note::note(tx, id, token, note)).await?
    }

    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>> {
        self.write(FSYNC, move |tx| deliver::deliver(tx, &deliveries)).await
    }

    async fn inbox(&self, id: JobId) -> Result<Inbox> {
        self.readers.read(move |db| deliver::inbox(db, id)).await
    }

    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let known = |id: &JobId| self.homes.read().unwrap_or_else(PoisonError::into_inner).values().any(|home| *home == id.home());
        if !ids.iter().any(known) {
            return Ok(vec![None; ids.len()]);
        }
        let (scope, ids) = (scope.clone(), ids.to_vec());
        self.readers.read(move |db| list::get(db, &scope, &ids)).await
    }

    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page> {
        let (scope, filter, cursor) = (scope.clone(), filter.clone(), cursor.map(str::to_owned));
        self.readers.read(move |db| list::list(db, &scope, &filter, limit, cursor.as_deref())).await
    }

    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs> {
        let scope = scope.clone();
        self.readers.read(move |db| note::logs(db, &scope, id)).await
    }

    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        let (scope, ids) = (scope.clone(), ids.to_vec());
        self.write(FSYNC, move |tx| cancel::cancel(tx, &scope, &ids)).await
    }

    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        let scope = scope.clone();
        self.write(FSYNC, move |tx| edit::edit(tx, &scope, id, revision, edit)).await?
    }

    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State> {
        let scope = scope.clone();
        self.write(FSYNC, move |tx| edit::retry_now(tx, &scope, id)).await?
    }

    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State> {
        let scope = scope.clone();
        self.write(FSYNC, move |tx| edit::give_up(tx, &scope, id)).await?
    }

    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
        let (scope, queue) = (scope.clone(), queue.cloned());
        self.readers.read(move |db| stats::groups(db, &scope, queue.as_ref())).await
    }

    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        let scope = scope.clone();
        self.write(FSYNC, move |tx| replay::replay(tx, &scope, replays)).await
    }

    async fn undo(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>> {
        let scope = scope.clone();
        self.write(FSYNC, move |tx| undo::undo(tx, &scope, &undos)).await
    }

    async fn bury(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>> {
        let homes = self.homes_of(&letters.iter().map(|letter| &letter.job.queue).collect::<Vec<_>>()).await?;
        self.write(FSYNC, move |tx| bury::bury(tx, letters, &homes)).await
    }

    async fn relocate(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>> {
        let homes = self.homes_of(&moves.iter().map(|relocation| &relocation.queue).collect::<Vec<_>>()).await?;
        let scope = scope.clone();
        self.write(FSYNC, move |tx| relocate::relocate(tx, &scope, moves, &homes)).await
    }

    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        let (scope, ids) = (scope.clone(), ids.to_vec());
        self.write(FSYNC, move |tx| purge::purge(tx, &scope, &ids)).await
    }

    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()> {
        self.write(FSYNC, move |tx| around::put_kinds(tx, &records)).await
    }

    async fn kinds(&self) -> Result<Vec<KindRecord>> {
        self.readers.read(around::kinds).await
    }

    async fn rule(&self, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState> {
        let (home, scope) = (self.home(queue).await?.0, scope.clone());
        self.write(FSYNC, move |tx| rule::rule(tx, home, &scope, change, expected)).await?
    }

    async fn rules(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState> {
        let Some(home) = self.known(queue) else { return Ok(ScopeState::default()) };
        let (scope, now) = (scope.clone(), self.clock.now());
        self.readers.read(move |db| rule::rules(db, home.0, &scope, now)).await
    }

    async fn lanes(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>> {
        let Some(home) = self.known(queue) else { return Ok(Vec::new()) };
        let (scope, now) = (scope.clone(), self.clock.now());
        self.readers.read(move |db| lanes::lanes(db, &scope, home.0, limit, now)).await
    }

    async fn explain(&self, scope: &Scope, id: JobId) -> Result<Explanation> {
        let (scope, now) = (scope.clone(), self.clock.now());
        self.readers.read(move |db| explain::explain(db, &scope, id, now)).await
    }

    async fn resource(&self, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState> {
        let name = name.clone();
        self.write(FSYNC, move |tx| resource::resource(tx, &name, change, expected)).await?
    }

    async fn resources(&self) -> Result<Vec<ResourceState>> {
        let now = self.clock.now();
        self.readers.read(move |db| resource::resources(db, now)).await
    }

    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply> {
        let mut queues = Vec::with_capacity(report.queues.len());
        for served in &report.queues {
            queues.push(self.home(&served.name).await?.0);
        }
        let ttl = Millis::try_from(ttl.as_millis()).unwrap_or(Millis::MAX);
        self.write(LAZY, move |tx| workers::beat(tx, &report, &queues, ttl)).await
    }

    async fn leave(&self, worker: &str) -> Result<()> {
        let worker = worker.to_owned();
        self.write(LAZY, move |tx| workers::leave(tx, &worker)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerReport>> {
        let now = self.clock.now();
        self.readers.read(move |db| workers::workers(db, now)).await
    }

    async fn command(&self, worker: &str, command: Command) -> Result<()> {
        let worker = worker.to_owned();
        self.write(LAZY, move |tx| workers::command(tx, &worker, command)).await?
    }

    async fn queues(&self) -> Result<Vec<Name>> {
        let mut names: Vec<_> = self.homes.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort();
        Ok(names)
    }

    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats> {
        let (scope, queue, home, now) = (scope.clone(), queue.clone(), self.known(queue).map(|home| home.0), self.clock.now());
        self.readers.read(move |db| stats::stats(db, &scope, &queue, home, now)).await
    }

    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport> {
        let home = self.home(queue).await?.0;
        if let Some(report) = self.calm.report(home, self.clock.now()) {
            return Ok(report);
        }
        let (lease, calm) = (Millis::try_from(lease.as_millis()).unwrap_or(Millis::MAX), Arc::clone(&self.calm));
        let (report, rest) = self
            .write(LAZY, move |tx| {
                let report = tick::tick(tx, home, lease)?;
                let rest = tick::rest(tx, home, lease, &report, calm.writes())?;
                Ok((report, rest))
            })
            .await?;
        self.calm.keep(home, rest);
        Ok(report)
    }

    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        let Some(home) = self.known(queue) else { return Ok(Vec::new()) };
        let (now, keep) = (self.clock.now(), Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX));
        self.readers.read(move |db| purge::expired(db, home.0, now, keep, keep_count, limit)).await
    }

    async fn wait(&self, queue: &Name, at_most: Duration) {
        // A queue that cannot be registered has nothing to wait for but the time.
        let home = self.home(queue).await.unwrap_or(Home(0));
        self.signals.wait(home, at_most, &*self.clock).await;
    }

    async fn wait_queues(&self, known: usize, at_most: Duration) {
        let opened = self.signals.opened.notified();
        tokio::pin!(opened);
        opened.as_mut().enable();
        if self.homes.read().unwrap_or_else(PoisonError::into_inner).len() <= known {
            signals::pause(opened, at_most, &*self.clock).await;
        }
    }

    async fn watch(&self, _: &Name, jobs: &Arc<Watched>, at_most: Duration) {
        self.signals.watch(jobs, at_most, &*self.clock).await;
    }

    async fn feed(&self, queue: &Name, after: Option<&str>, limit: usize) -> Result<Feed> {
        let Some(Home(home)) = self.known(queue) else { return Ok(Feed::of_nobody(after)) };
        if let Some(feed) = self.feeds.read(home, after, limit, self.clock.now()) {
            return Ok(feed);
        }
        let (feeds, after) = (Arc::clone(&self.feeds), after.map(str::to_owned));
        self.write(LAZY, move |tx| Ok(feeds.begin(home, after.as_deref(), limit, tx.now))).await
    }

    async fn wait_feed(&self, queue: &Name, at_most: Duration) {
        let known = self.homes.read().unwrap_or_else(PoisonError::into_inner).len();
        match self.known(queue) {
            Some(home) => self.feeds.wait(home.0, at_most, &*self.clock).await,
            None => self.wait_queues(known, at_most).await,
        }
    }

    async fn announce(&self, queue: &Name, alert: Alert) -> Result<()> {
        if let Some(home) = self.known(queue) {
            self.feeds.announce(home.0, self.clock.now(), alert);
        }
        Ok(())
    }

    async fn schedule(&self, tenant: &Name, name: &Name, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState> {
        let (tenant, name) = (tenant.clone(), name.clone());
        let (state, home) = self.write(FSYNC, move |tx| schedule::schedule(tx, &tenant, &name, change, expected)).await??;
        if self.known(&state.schedule.queue).is_none() {
            self.homes.write().unwrap_or_else(PoisonError::into_inner).insert(state.schedule.queue.clone(), Home(home));
            self.signals.opened.notify_waiters();
        }
        Ok(state)
    }

    async fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
        let (scope, tenant, name) = (scope.clone(), tenant.clone(), name.clone());
        self.readers.read(move |db| calendar::seen(db, &scope, &tenant, &name)).await
    }

    async fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
        let (scope, filter, cursor) = (scope.clone(), filter.clone(), cursor.map(str::to_owned));
        self.readers.read(move |db| calendar::schedules(db, &scope, &filter, limit, cursor.as_deref())).await
    }

    async fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
        let (scope, tenant, name) = (scope.clone(), tenant.clone(), name.clone());
        self.readers.read(move |db| calendar::ticks(db, &scope, &tenant, &name, limit)).await
    }

    async fn due_schedules(&self, queue: &Name, limit: usize) -> Result<DueSchedules> {
        let now = self.clock.now();
        let Some(home) = self.known(queue) else { return Ok(DueSchedules { now, ..DueSchedules::default() }) };
        self.readers.read(move |db| calendar::due(db, home.0, now, limit)).await
    }

    async fn fire(&self, queue: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
        let Some(home) = self.known(queue) else { return Ok(fires.iter().map(|fire| Err(fire::moved(fire))).collect()) };
        let queue = queue.clone();
        self.write(FSYNC, move |tx| fire::fire(tx, &queue, home.0, fires)).await
    }

    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun> {
        let (tenant, key, hash, seed) = (tenant.to_string(), key.to_owned(), *body_hash, *seed);
        self.write(LAZY, move |tx| around::begin(tx, &tenant, &key, &hash, &seed, now)).await
    }

    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()> {
        let (tenant, key, answer) = (tenant.to_string(), key.to_owned(), answer.to_owned());
        self.write(LAZY, move |tx| around::finish(tx, &tenant, &key, &answer)).await?
    }

    fn durability(&self) -> Durability {
        Durability::Durable
    }

    async fn health(&self) -> Result<Health> {
        // A write that changes nothing: a full disk or a folder gone read-only shows here, not at the next enqueue.
        self.write(FSYNC, |tx| tx.db.exec("around.sync", []).map(drop)).await?;
        let path = self.path.clone();
        self.readers.read(move |db| stats::health(db, &path)).await
    }
}

impl SqliteBroker {
    /// The numbers of these queues, by name.
    async fn homes_of(&self, queues: &[&Name]) -> Result<HashMap<String, u16>> {
        let mut homes = HashMap::new();
        for queue in queues {
            if !homes.contains_key(queue.as_str()) {
                homes.insert(queue.to_string(), self.home(queue).await?.0);
            }
        }
        Ok(homes)
    }
}
