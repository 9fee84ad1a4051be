//! The contract. A broker is correct when the conformance suite passes, and not otherwise.
//!
//! Every call is a batch, speaks of jobs and not of keys, and may be repeated: an answer that was lost changes nothing.
//! Batches are per item, not atomic; a refused item leaves everything as it was.

use crate::{
    Ack, Acked, Alert, BeatReply, BrokerError, Command, Delivered, Delivery, Due, DueSchedules, Explanation, ExtendReply, Feed, Filter,
    Fire, Fired, Group, Health, Held, Home, Inbox, Job, JobId, Json, KindRecord, LaneView, LeaseReply, LeaseRequest, Letter, Logs, NewJob,
    Note, Page, Priority, QueueStats, Relocation, Replay, ResourceChange, ResourceState, RuleChange, RuleScope, Saves, ScheduleChange,
    ScheduleFilter, SchedulePage, ScheduleState, ScopeState, State, TickRecord, TickReport, Token, Undo, Watched, WorkerReport,
};
use async_trait::async_trait;
use longshore_base::{Millis, Name, Scope};
use serde::{Deserialize, Serialize};
use std::{fmt::Debug, sync::Arc, time::Duration};

type Result<T> = std::result::Result<T, BrokerError>;

/// Jobs at rest. Times that decide anything are the server's.
#[async_trait]
pub trait Broker: Send + Sync + Debug + 'static {
    // ---- a job's way

    /// The queue's permanent number, registered on first use. Cached.
    async fn home(&self, queue: &Name) -> Result<Home>;

    /// Puts jobs into their queues. An id that is there already answers its job with `duplicate`.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>>;

    /// Leases what may run now, after promoting what is due. Tenants share the slots' time by weight; inside a tenant lanes by (priority of
    /// the head, virtual time), inside a lane priority, then order of enqueue. What a rule holds back is passed over: a whole lane, as its head
    /// goes first; only suspects are passed over one by one, and may start after
    /// others of their lane.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply>;

    /// Lengthens the leases in `held` to now + `lease`. Leases of this worker in this queue that were granted by a call up to
    /// `settled` and are not listed are given back without a count, like an unstarted release: their reply never arrived.
    async fn extend(&self, queue: &Name, worker: &str, held: &[Held], settled: u64, lease: Duration) -> Result<ExtendReply>;

    /// Ends attempts. The same token again gives the same answer; an older one is [`BrokerError::LeaseLost`] and changes nothing.
    async fn ack(&self, queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>>;

    /// Keeps a cursor and steps for the next run. Fenced.
    async fn save(&self, id: JobId, token: Token, saves: Saves) -> Result<()>;

    /// What earlier runs of this job kept.
    async fn saved(&self, id: JobId) -> Result<Saves>;

    /// Keeps progress and log lines. Fenced.
    async fn note(&self, id: JobId, token: Token, note: Note) -> Result<()>;

    /// Tells jobs that a child was opened or has ended, or that a signal came. Wakes those whose wait is met.
    async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<Vec<Result<Delivered>>>;

    /// A job's children and mailbox.
    async fn inbox(&self, id: JobId) -> Result<Inbox>;

    // ---- people and their jobs

    /// Jobs by id; an unknown home is None without I/O.
    async fn get(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Option<Job>>>;

    /// A page of jobs. Cheap: ended jobs by (tenant, state), live ones through their indexes. Anything else is a bounded scan.
    async fn list(&self, scope: &Scope, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page>;

    /// The log of a job: the lines that are kept, and how many are not.
    async fn logs(&self, scope: &Scope, id: JobId) -> Result<Logs>;

    /// Cancels: at once unless Running; a running attempt is asked to stop (extend's reply, and a hint to the worker).
    async fn cancel(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>>;

    /// Changes a Scheduled, Ready or Retrying job, or the args and tags of a Dead one that was not repeated; what its replay will be called
    /// with. The history says what was there before ([`crate::EventKind::Edited`]). Answers the new revision.
    async fn edit(&self, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32>;

    /// Retrying → Ready, or Scheduled → Ready.
    async fn retry_now(&self, scope: &Scope, id: JobId) -> Result<State>;

    /// Retrying → Dead, reason given up.
    async fn give_up(&self, scope: &Scope, id: JobId) -> Result<State>;

    /// Dead jobs with like errors.
    async fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>>;

    /// Repeats Dead jobs as new ones; the letter stays, marked, out of the dead index, counts and groups.
    async fn replay(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>>;

    /// Takes replays back: a new job that was never leased is Cancelled ([`crate::Reason::Undone`]) and its letter is Dead again, in the index,
    /// the counts and its group, in one step. One that was leased, or that has ended otherwise, is a Conflict
    /// ([`longshore_base::Code::ReplayStarted`]) and changes nothing; one that was taken back before answers as it did then.
    async fn undo(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>>;

    /// Puts letters of another deployment, or of before, into their queues: Dead, in the index, the counts and their groups. An id that is
    /// there already answers its job with `duplicate` and changes nothing.
    async fn bury(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>>;

    /// Moves Scheduled, Ready and Retrying jobs to other queues: the old one is Cancelled ([`crate::Reason::Moved`]), and the same step makes
    /// sure that the new one comes. Where both queues live in one place it is there at once. Where they do not, it may come a moment later: what
    /// is to be enqueued is kept with the old job, is carried over right after the call and by every tick of the old queue, and the old
    /// job cannot be removed until the new one is there. Whoever asks for the new job in that moment finds none; it comes once, whatever fails.
    ///
    /// The new job keeps tenant, kind, client, lane key, cost, resources, priority, args, due time, policy, expiry (unless the old one
    /// was leased before, which met it), tags and tick, begins with all counters 0, and names the old one. A job of another state, one with a
    /// parent, children, signals or followers, and one that is moved into its own queue are a Conflict ([`longshore_base::Code::NotMovable`]).
    /// The unique key is freed, and claimed in the new queue; taken there, the new job is merged as an enqueue would be. Answers the new job's id,
    /// also when it was merged.
    async fn relocate(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>>;

    /// Removes ended jobs (Dead ones included) if they are still ended and nobody waits for them. Answers whether each is gone.
    async fn purge(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>>;

    // ---- kinds, rules, workers

    /// Writes kind records; a record with a lower version than the one there is left out.
    async fn put_kinds(&self, records: Vec<KindRecord>) -> Result<()>;

    /// Every kind record.
    async fn kinds(&self) -> Result<Vec<KindRecord>>;

    /// Changes the rules of a scope; holds from the next lease, and over restarts. `expected`: the revision that the change was made from;
    /// another one is a Conflict ([`longshore_base::Code::RevisionMismatch`]) and changes nothing. Values are checked before, by the API.
    async fn rule(&self, queue: &Name, scope: &RuleScope, change: RuleChange, expected: Option<u64>) -> Result<ScopeState>;

    /// The rules of a scope, and how it stands.
    async fn rules(&self, queue: &Name, scope: &RuleScope) -> Result<ScopeState>;

    /// Lanes that have something ready or running, at most `limit` (1..=1000), by tenant, kind and key.
    async fn lanes(&self, scope: &Scope, queue: &Name, limit: usize) -> Result<Vec<LaneView>>;

    /// Every reason that keeps a job from running, by the same rules as the lease.
    async fn explain(&self, scope: &Scope, id: JobId) -> Result<Explanation>;

    /// Changes an outside quota. `expected` as for [`Self::rule`]. A change other than Put of one that does not exist is
    /// [`BrokerError::NotFound`].
    async fn resource(&self, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<ResourceState>;

    /// Every outside quota, by name.
    async fn resources(&self) -> Result<Vec<ResourceState>>;

    /// A worker reports; what it carries opens its kinds' gates. `ttl`: dead if silent for that long.
    async fn beat(&self, report: WorkerReport, ttl: Duration) -> Result<BeatReply>;

    /// A stopping worker says good-bye.
    async fn leave(&self, worker: &str) -> Result<()>;

    /// Live workers.
    async fn workers(&self) -> Result<Vec<WorkerReport>>;

    /// Tells a worker something. [`BrokerError::NotFound`] when no live worker has this id.
    async fn command(&self, worker: &str, command: Command) -> Result<()>;

    /// Every queue's name.
    async fn queues(&self) -> Result<Vec<Name>>;

    /// A queue in numbers, as far as `scope` may see: a tenant sees its own jobs.
    async fn stats(&self, scope: &Scope, queue: &Name) -> Result<QueueStats>;

    // ---- time

    /// Moves a queue's time forward: promote, expire, reap, time waits out, drain the outbox, clamp, recount. Any number may run.
    async fn tick(&self, queue: &Name, lease: Duration) -> Result<TickReport>;

    /// Ended jobs whose retention is over, oldest first, to be copied to the store and then purged. Children of live parents are left out.
    async fn expired(&self, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>>;

    /// Waits until the queue may have something to lease, or `at_most`. A hint, never needed for correctness.
    async fn wait(&self, queue: &Name, at_most: Duration);

    /// Waits until there may be more queues than `known`, or `at_most`. A hint.
    async fn wait_queues(&self, known: usize, at_most: Duration);

    /// Waits until there is news of `jobs`, which are of this queue: somebody may have changed one of them (a cancel request included). Or
    /// `at_most`. A hint, and kept up for jobs that are added meanwhile. Between two calls news is kept for a while.
    async fn watch(&self, queue: &Name, jobs: &Arc<Watched>, at_most: Duration);

    // ---- events: a queue's feed is kept while somebody listens, and for a minute after

    /// What happened to the jobs of a queue after `after`, at most `limit` entries, the oldest first. `after` is [`Feed::next`] or the place of
    /// an entry of an earlier call; None: from now on; empty: everything that is there, and nothing is missed by that, as nothing was
    /// known. Any other text is a place that is not there any more. Keeps the feed going for [`crate::FEED_KEPT`].
    ///
    /// A queue that does not exist is not made by this: its feed is empty, and its next place too.
    async fn feed(&self, queue: &Name, after: Option<&str>, limit: usize) -> Result<Feed>;

    /// Waits until a queue's feed may have something new, or `at_most`; for one that does not exist, until it may. A hint.
    async fn wait_feed(&self, queue: &Name, at_most: Duration);

    /// Tells whoever listens something that is about no job. Nothing is kept while nobody listens.
    async fn announce(&self, queue: &Name, alert: Alert) -> Result<()>;

    // ---- schedules: each lives in the slot of its target queue

    /// Changes a schedule. `expected` as for [`Self::rule`], with [`longshore_base::Code::ScheduleMismatch`]; Some(0): there must be none. A
    /// change other than Put of one that does not exist is [`BrokerError::Conflict`] with [`longshore_base::Code::ScheduleNotFound`].
    /// Answers how it stands, for Remove how it last stood. What it says is checked before, by the caller.
    async fn schedule(&self, tenant: &Name, name: &Name, change: ScheduleChange, expected: Option<u64>) -> Result<ScheduleState>;

    /// One schedule.
    async fn find_schedule(&self, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>>;

    /// A page of schedules, by (tenant, name), at most `limit` (1..=1000).
    async fn schedules(&self, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage>;

    /// A schedule's history, newest first, at most `limit` of the [`crate::TICKS_KEPT`] that are kept. Empty when there is no such schedule.
    async fn ticks(&self, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>>;

    /// Schedules of a queue whose next tick is due by the server's clock, at most `limit`, and how long until the next.
    async fn due_schedules(&self, queue: &Name, limit: usize) -> Result<DueSchedules>;

    /// Carries out schedulers' decisions, each in one step: compares and moves the cursor, applies the overlap rule tick by tick, enqueues,
    /// keeps the history. A schedule that does not live in `queue` (removed, moved away) or has another incarnation is
    /// [`longshore_base::Code::ScheduleMoved`], by hand too.
    ///
    /// Of each tick, in this order: a job that there is no job for, or that an enqueue would refuse, is Refused. An id that is there already
    /// makes no second job, asks no overlap rule and leaves `last_job` and `held_job`: Started, Held if it is Waiting. Then the overlap rule;
    /// then the unique key: Merged, which leaves `last_job` and `held_job` too; else Started or Held.
    async fn fire(&self, queue: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>>;

    // ---- around

    /// Begins a request under an Idempotency-Key. Kept for 24 h.
    async fn begin(&self, tenant: &Name, key: &str, body_hash: &[u8; 32], seed: &[u8; 16], now: Millis) -> Result<Begun>;

    /// Ends it with its answer, which later repeats get.
    async fn finish(&self, tenant: &Name, key: &str, answer: &str) -> Result<()>;

    /// What an acknowledged write survives.
    fn durability(&self) -> Durability;

    /// Looks at the server and its set-up.
    async fn health(&self) -> Result<Health>;
}

/// An accepted enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// The job's id; another one than asked for when a unique key was taken.
    pub id: JobId,
    /// Where it stands.
    pub state: State,
    /// It was there before.
    pub duplicate: bool,
}

/// What to change of a job. `None`: leave it.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Checked by the kind's record before.
    pub args: Option<Json>,
    /// Order inside the lane.
    pub priority: Option<Priority>,
    /// When it may start.
    pub due: Option<Due>,
    /// Replaces the labels.
    pub tags: Option<Vec<Name>>,
    /// Who asks: a key's name, or `operation:` and an operation's id. The history keeps it with what was there before.
    pub by: Option<String>,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A process crash; a power cut can lose up to two seconds.
    Fast,
    /// A power cut.
    Durable,
}

/// How a request under an Idempotency-Key goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// New, or begun before and not finished: derive the ids from this seed and time.
    Run {
        /// The first caller's seed.
        seed: [u8; 16],
        /// The first caller's time.
        at: Millis,
    },
    /// Done before: this was the answer.
    Answered(String),
    /// The key was used for another body.
    Conflict,
}
