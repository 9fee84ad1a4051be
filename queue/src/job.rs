//! A job: what is asked for, under which policy, and what has become of it.

use crate::{Delivery, ErrorInfo, Event, Home, JobId, Reason, State, Tick, Wait};
use longshore_base::{Millis, Name, Trace};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// JSON text that the queue never looks into.
pub type Json = Box<RawValue>;

const fn one() -> u32 {
    1
}

/// `value` as [`Json`].
#[must_use]
pub fn json(value: &serde_json::Value) -> Json {
    RawValue::from_string(value.to_string()).expect("a Value prints as JSON")
}

/// One piece of work of a kind, as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Names the job for ever; holds its queue's number.
    pub id: JobId,
    /// The queue it was enqueued to.
    pub queue: Name,
    /// What is to be done.
    pub kind: Name,
    /// The version of the kind's record that checked the args.
    pub kind_version: u32,
    /// Whose job it is.
    pub tenant: Name,
    /// For which of the tenant's clients; a label.
    pub client: Option<Name>,
    /// The lane's key inside (tenant, kind); empty by default.
    pub lane_key: String,
    /// Units of the tenant's budget, and points of resources, that a run is expected to take; the kind's `cost` names them. 1 by default.
    #[serde(default = "one")]
    pub cost: u32,
    /// The outside quotas that it uses, sorted; a part of its lane.
    #[serde(default)]
    pub resources: Vec<Name>,
    /// Order inside the lane.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// What the kind's code is called with.
    pub args: Json,
    /// The rules it was enqueued under.
    pub policy: Policy,
    /// What its attempts came to.
    pub counters: Counters,
    /// Server time of the enqueue.
    pub created_at: Millis,
    /// When it is due: set while Scheduled, Retrying, or Waiting with a timeout.
    pub due_at: Option<Millis>,
    /// The due time that the enqueue, or the last edit or replacement before the first start, gave it; kept when it is over, so that
    /// the timeline can tell it. None: it was due at once.
    #[serde(default)]
    pub run_at: Option<Millis>,
    /// Start of the current or last attempt.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// If it has not started by then, it is cancelled.
    pub expires_at: Option<Millis>,
    /// Grows with every edit; `If-Match` names it.
    pub revision: u32,
    /// The key that keeps others like it away.
    pub unique: Option<Unique>,
    /// Labels for filters.
    pub tags: Vec<Name>,
    /// Who waits for it.
    pub parent: Option<Parent>,
    /// The dead job that it repeats.
    pub replay_of: Option<JobId>,
    /// The job of another queue that it goes on with.
    #[serde(default)]
    pub moved_from: Option<JobId>,
    /// The job of another queue that goes on with this one.
    #[serde(default)]
    pub moved_to: Option<JobId>,
    /// The tick that made it; a replay stands for the same one.
    #[serde(default)]
    pub tick: Option<Tick>,
    /// The place in a trace that its request, or the job that made it, named; a replay and a moved job have it too. Brokers keep it and
    /// never look at it.
    #[serde(default)]
    pub trace: Option<Trace>,
    /// The jobs that repeat it, also those that were taken back.
    pub replays: Vec<JobId>,
    /// The last of `replays` stands for this letter; it is no dead letter until that is taken back.
    #[serde(default)]
    pub replayed: bool,
    /// What the kind's code returned.
    pub output: Option<Json>,
    /// Why it ended as it did, for Cancelled and Dead.
    pub reason: Option<Reason>,
    /// What has happened, oldest first; bounded, the middle goes first.
    pub history: Vec<Event>,
    /// What the running attempt last told.
    pub progress: Option<Json>,
    /// Somebody asked the running attempt to stop.
    pub cancel_requested: bool,
    /// Who runs it now.
    pub worker: Option<String>,
}

/// A job to be enqueued. The maker chooses the id, so that repeating the call makes no second job.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Made with the queue's [`Home`].
    pub id: JobId,
    /// Where to.
    pub queue: Name,
    /// What.
    pub kind: Name,
    /// The version of the record that checked `args`.
    pub kind_version: u32,
    /// Whose.
    pub tenant: Name,
    /// For which client.
    pub client: Option<Name>,
    /// From the kind's `lane_by`; at most [`crate::KEY_MAX`] bytes.
    pub lane_key: String,
    /// Units of the tenant's budget, and points of resources, that a run is expected to take, ≥ 0.
    pub cost: u32,
    /// The outside quotas that it uses, sorted, each once, at most [`crate::RESOURCES_MAX`]; a part of its lane.
    pub resources: Vec<Name>,
    /// Order inside the lane.
    pub priority: Priority,
    /// At most [`crate::PAYLOAD_MAX`] bytes.
    pub args: Json,
    /// When it may start.
    pub due: Due,
    /// Keeps others like it away.
    pub unique: Option<Unique>,
    /// Frozen with the job.
    pub policy: Policy,
    /// Cancelled if not started by then.
    pub expires_at: Option<Millis>,
    /// Labels.
    pub tags: Vec<Name>,
    /// Who waits for it.
    pub parent: Option<Parent>,
    /// Start as Waiting until this is met (a held tick, depends-on).
    pub wait: Option<Wait>,
    /// The dead job that it repeats.
    pub replay_of: Option<JobId>,
    /// The job of another queue that it goes on with.
    pub moved_from: Option<JobId>,
    /// The tick that it stands for.
    pub tick: Option<Tick>,
    /// The place in a trace that it goes on from.
    pub trace: Option<Trace>,
}

impl NewJob {
    /// A job with the default of everything that is not named here.
    #[must_use]
    pub fn new(id: JobId, queue: Name, kind: Name, tenant: Name, args: Json) -> Self {
        Self {
            id,
            queue,
            kind,
            kind_version: 1,
            tenant,
            client: None,
            lane_key: String::new(),
            cost: 1,
            resources: Vec::new(),
            priority: Priority::default(),
            args,
            due: Due::Now,
            unique: None,
            policy: Policy::default(),
            expires_at: None,
            tags: Vec::new(),
            parent: None,
            wait: None,
            replay_of: None,
            moved_from: None,
            tick: None,
            trace: None,
        }
    }
}

/// When a job may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Due {
    /// At once.
    Now,
    /// After this long, by the server's clock.
    In(Duration),
    /// At a time that a user named.
    At(Millis),
}

/// 0..=9, 9 first; 5 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Priority(u8);

impl Priority {
    /// `None` above 9.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= 9 { Some(Self(value)) } else { None }
    }
    /// 0..=9.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}
impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

/// The rules that a job is frozen with when it is enqueued, so that a reaper needs no kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// 1..=1000: the attempt that is this many and fails makes the job Dead.
    pub attempts_max: u16,
    /// So many crashes in a row make the job Dead.
    pub crashes_max: u8,
    /// An attempt is stopped after this long.
    pub timeout_ms: u64,
    /// False: an attempt whose outcome is not known makes the job Dead instead of running it again.
    pub repeatable: bool,
    /// So many leases make the job Dead; bounds Snooze.
    pub runs_max: u32,
    /// Older than this when it snoozes: Dead.
    pub age_max_ms: Option<u64>,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// How long the ended job is kept; None: the engine's default.
    pub keep: Option<Keep>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts_max: 8,
            crashes_max: 3,
            timeout_ms: 300_000,
            repeatable: true,
            runs_max: 1_000_000,
            age_max_ms: None,
            backoff: Backoff::default(),
            keep: None,
        }
    }
}

/// Exponential backoff with full jitter: a random share of `min(base · 2^failures, max)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// The bound before the second attempt.
    pub base_ms: u64,
    /// The bound that is not passed.
    pub max_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: 1_000, max_ms: 600_000 }
    }
}

/// How long an ended job is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Not at all beyond the ten minutes in which a repeated call must find it.
    None,
    /// This long after the end.
    Ms(u64),
}

/// Three counters, never mixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Attempts that returned, failed, panicked or timed out.
    pub attempts: u16,
    /// Attempts whose worker was lost, in total.
    pub crashes: u16,
    /// The same since an attempt last returned; [`Policy::crashes_max`] looks at this one.
    pub crashes_in_row: u8,
    /// Attempts that a stopping worker gave back after their start.
    pub interruptions: u16,
    /// Leases in all.
    pub runs: u32,
}

/// Keeps a second job with the same key in (queue, tenant, kind) away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// At most [`crate::KEY_MAX`] bytes.
    pub key: String,
    /// What happens to the second one.
    pub mode: UniqueMode,
}

/// What happens to a second job with a taken unique key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UniqueMode {
    /// The first is answered until it ends.
    Keep,
    /// The first is answered until it starts.
    KeepUntilStarted,
    /// Debounce: the newest args replace those of a job that has not started; its due time moves at most `wait_max` past its creation.
    Replace {
        /// None: 24 hours.
        wait_max: Option<Duration>,
    },
    /// The first is answered for this long after its enqueue, ended or not.
    Throttle {
        /// The window's length.
        window: Duration,
    },
}

/// The job that waits for this one, and the name it has there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Who waits.
    pub id: JobId,
    /// Under which key; with the parent's id it makes the child's id.
    pub key: String,
}

impl Parent {
    /// The child's id: the same whenever the parent repeats itself.
    #[must_use]
    pub fn child_id(&self, home: Home) -> JobId {
        JobId::derived(self.id.time(), home, &[self.id.as_bytes().as_slice(), b"/child/", self.key.as_bytes()].concat())
    }
    /// What tells the parent that `child` has ended.
    #[must_use]
    pub fn ended(&self, child: JobId, outcome: crate::ChildOutcome) -> Delivery {
        Delivery::ChildEnded { parent: self.id, key: self.key.clone(), child, outcome }
    }
}

impl Job {
    /// What went wrong last.
    #[must_use]
    pub fn last_error(&self) -> Option<&ErrorInfo> {
        self.history.iter().rev().find_map(|event| event.error.as_ref())
    }
}
