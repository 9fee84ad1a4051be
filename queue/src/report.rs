//! What a broker tells about itself, its queues and its workers, and the small writes of a running attempt.

use crate::{Auto, Durability, ErrorInfo, JobId, Json};
use longshore_base::{Millis, Name};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What extend tells a worker.
#[derive(Debug, Clone, Default)]
pub struct ExtendReply {
    /// These leases are gone; stop at once, every write would be refused.
    pub lost: Vec<JobId>,
    /// Somebody asked these to stop.
    pub cancel: Vec<JobId>,
}

/// What a running attempt keeps for its next run. Fenced.
#[derive(Debug, Clone, Default)]
pub struct Saves {
    /// Replaces the last cursor.
    pub cursor: Option<Json>,
    /// Results of steps, by key; the first result of a key stays.
    pub steps: Vec<(String, Json)>,
}

/// Progress and log lines of a running attempt. Fenced.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Replaces the last progress.
    pub progress: Option<Json>,
    /// Appended, up to [`crate::LOGS_MAX`].
    pub logs: Vec<LogLine>,
    /// What the attempt gives out piece by piece, for whoever listens now, up to [`crate::LOGS_MAX`]; kept nowhere.
    pub output: Option<String>,
    /// Units of the tenant's budget that this attempt has used so far, in all. A crash is charged with them if they exceed the estimate.
    pub used: Option<u64>,
}

/// One log line of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// By the worker's clock.
    pub at: Millis,
    /// info, warn, error, debug or trace.
    pub level: String,
    /// The line.
    pub message: String,
}

/// The log of a job, as far as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// The kept lines, oldest first; at most [`crate::LOGS_MAX`] bytes of them.
    pub lines: Vec<LogLine>,
    /// So many older ones are not there any more.
    pub dropped: u64,
}

/// A queue in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "one count per state, as named in CONTRACT.md")]
pub struct QueueStats {
    pub name: String,
    pub scheduled: u64,
    pub ready: u64,
    pub running: u64,
    pub retrying: u64,
    pub waiting: u64,
    pub completed: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// Set while paused.
    pub paused: Option<Pause>,
    /// Age of the oldest ready job.
    pub oldest_ready_ms: Option<u64>,
    /// The cap that `scale` set.
    pub slots: Option<u32>,
    /// Live workers that serve it.
    pub workers: u32,
    /// Late writes refused so far.
    pub lease_lost: u64,
    /// How it scales by itself.
    #[serde(default)]
    pub auto: Option<Auto>,
    /// When `slots` was last changed.
    #[serde(default)]
    pub scaled_at: Option<Millis>,
    /// Slots that its live workers announce, whatever they are doing, not capped.
    #[serde(default)]
    pub slots_live: u64,
    /// Attempts that ended (acks other than an unstarted release), per second, over the last 10 to 20 seconds.
    #[serde(default)]
    pub rate_per_s: f64,
    /// Mean duration of its latest attempts in milliseconds, over all kinds (exponentially weighted).
    #[serde(default)]
    pub mean_ms: Option<f64>,
}

/// A queue's pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// None: until somebody resumes it.
    pub until: Option<Millis>,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub by: Option<String>,
}

/// Dead jobs with like errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What they share.
    pub fingerprint: String,
    /// Whose jobs.
    pub tenant: Name,
    /// Which kind.
    pub kind: Name,
    /// In which queue.
    pub queue: Name,
    /// One of the errors.
    pub sample: ErrorInfo,
    /// How many letters now.
    pub count: u64,
    /// When the first came.
    pub first_at: Millis,
    /// When the last came.
    pub last_at: Millis,
    /// Those hours of the last [`crate::GROUP_HOURS`] in which letters came, oldest first.
    #[serde(default)]
    pub hours: Vec<crate::Hour>,
}

/// What one tick did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Due jobs made Ready.
    pub promoted: u32,
    /// Jobs cancelled because they had not started in time.
    pub expired: u32,
    /// Lost leases ended.
    pub reaped: u32,
    /// Waits that ran out.
    pub timed_out: u32,
    /// Outbox entries delivered.
    pub delivered: u32,
    /// There is more to do at once.
    pub more: bool,
    /// Reaping is held after a gap of the server's clock or an outage.
    pub held: bool,
    /// Budgets that reached a threshold since the last tick that told so; each is told once a period.
    pub alerts: Vec<BudgetAlert>,
    /// How long until the next tick of a schedule that lives here is due, ZERO: now. None: no schedule waits for a tick.
    pub next_schedule: Option<Duration>,
    /// The queue's slots follow its backlog: somebody set [`crate::RuleChange::Auto`].
    pub follows: bool,
}

/// A budget reached a threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetAlert {
    /// Whose.
    pub tenant: Name,
    /// Used and reserved in this period.
    pub used: u64,
    /// The threshold.
    pub units: u64,
    /// True: the tenant is closed until the next period.
    pub hard: bool,
}

/// What a worker tells about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Unique per process and start.
    pub id: String,
    /// Where it runs.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Of the binary.
    pub version: String,
    /// By its own clock.
    pub started_at: Millis,
    /// Set by the broker when the report came in.
    #[serde(default)]
    pub seen_at: Millis,
    /// What it serves.
    pub queues: Vec<ServedQueue>,
    /// What it carries.
    pub kinds: Vec<Name>,
    /// What it is doing.
    pub state: WorkerState,
}

/// A queue as one worker serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedQueue {
    /// Which.
    pub name: Name,
    /// How many jobs it would run at once.
    pub slots: u32,
    /// How many it runs.
    pub running: u32,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Leases and runs.
    Active,
    /// Runs what it has, leases nothing.
    Quiet,
    /// Runs what it has and will then stop.
    Draining,
}

/// What an operator tells a worker; the next beat's reply carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Lease nothing more.
    Quiet,
    /// Lease again.
    Resume,
    /// Finish and stop.
    Drain,
}

/// The answer to a worker's report.
#[derive(Debug, Clone, Default)]
pub struct BeatReply {
    /// The newest command that this worker has not seen.
    pub command: Option<Command>,
}

/// How the broker is.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Server name and version.
    pub version: String,
    /// Everything about its set-up that is wrong or worth knowing.
    pub faults: Vec<Fault>,
    /// Used and available memory in bytes, where there is a bound.
    pub memory: Option<(u64, u64)>,
    /// What servers that took over, or were started again, had not.
    pub losses: Losses,
}

/// What was acknowledged and is not there any more, as far as the processes that were told noticed it, since the broker began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Jobs that were enqueued and are gone.
    pub jobs: u64,
    /// Jobs that had ended and run again.
    pub ends: u64,
    /// When something was last found missing.
    pub at: Option<Millis>,
}

/// One fault of the set-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The setting.
    pub key: String,
    /// What it is.
    pub value: String,
    /// What it should be, and why.
    pub allowed: String,
    /// What to do about it: a command, where there is one.
    #[serde(default)]
    pub mend: String,
    /// True: we refuse to work like this.
    pub fatal: bool,
    /// True: something does not work now; it may mend by itself.
    #[serde(default)]
    pub broken: bool,
}
