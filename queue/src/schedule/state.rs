//! How a schedule stands, what its ticks came to, and how people change it.

use super::Schedule;
use crate::{JobId, Pause};
use longshore_base::{Millis, Name};
use serde::{Deserialize, Serialize};

/// Ticks that a schedule's history holds; the oldest go first.
pub const TICKS_KEPT: usize = 100;

/// A schedule as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleState {
    /// What it says.
    pub schedule: Schedule,
    /// Grows with every Put, Pause and Resume; `If-Match` names it.
    pub revision: u64,
    /// Made anew whenever a schedule of this name is made anew; with the tick it makes the job's id.
    pub incarnation: Incarnation,
    /// Server time of its first Put.
    pub created_at: Millis,
    /// Server time of the last Put, Pause or Resume that changed something.
    pub changed_at: Millis,
    /// Ticks up to here are done with. Only grows, whatever the clock does.
    pub cursor: Millis,
    /// When the next tick is carried out (its time and the spread). None: there is none, or the schedule is paused. Right after a change it
    /// is the time of the change: the scheduler that looks first works it out.
    pub next_at: Option<Millis>,
    /// It makes nothing until somebody resumes it. `until` is not used here.
    pub paused: Option<Pause>,
    /// The newest run that it made, whether by a tick or by hand.
    pub last_job: Option<JobId>,
    /// The job that is held until `last_job` has ended.
    pub held_job: Option<JobId>,
    /// The newest entry of its history.
    pub last_tick: Option<TickRecord>,
}

/// Names one life of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u128);

impl Incarnation {
    /// The seed of a tick's job id; the id itself is [`JobId::derived`] from it, the tick and the queue's home.
    #[must_use]
    pub fn seed(self, tick: Millis) -> Vec<u8> {
        [self.0.to_be_bytes().as_slice(), b"/tick/", tick.to_be_bytes().as_slice()].concat()
    }
}

/// A change of one schedule.
#[derive(Debug, Clone)]
pub enum ScheduleChange {
    /// Makes it, or replaces what it says. Where the timing or the queue changes, ticks before now are done with; otherwise they stay due.
    /// Where the queue changes, `last_job` and `held_job` are forgotten: a run of another queue stands in nobody's way. The history stays.
    Put {
        /// What it says from now on.
        schedule: Box<Schedule>,
        /// Some: it is paused from now on. None: a new one runs, an old one stays as it is.
        paused: Option<Pause>,
        /// Taken when there is none of this name yet.
        incarnation: Incarnation,
    },
    /// Stops it. One that is paused already takes the new reason and name.
    Pause(Pause),
    /// Starts it again; ticks before now are left out. Harmless for one that is not paused.
    Resume,
    /// Takes it away with its history. Jobs that it made stay, a held one still starts when its turn comes.
    Remove,
}

/// One line of a schedule's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TickRecord {
    /// The tick; for a run by hand the time at which somebody asked.
    pub at: Millis,
    /// When it was to be carried out: `at` and the spread.
    pub due_at: Millis,
    /// Server time of the decision.
    pub done_at: Millis,
    /// What came of it.
    pub outcome: TickOutcome,
    /// The job that it made, or the one that a unique key led to.
    pub job: Option<JobId>,
    /// Why, in words, where the outcome does not say it all: which job stood in the way or was cancelled, why the job was refused.
    pub detail: Option<String>,
    /// Somebody asked for it.
    pub by_hand: bool,
    /// So many ticks in a row with this outcome, this one the first; 1 but for [`TickOutcome::Missed`].
    pub count: u32,
}

impl TickRecord {
    /// How much later than planned, in milliseconds; 0 when the clock went back.
    #[must_use]
    pub fn late_ms(&self) -> u64 {
        u64::try_from(self.done_at.saturating_sub(self.due_at)).unwrap_or(0)
    }
}

/// What came of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TickOutcome {
    /// Its job was enqueued.
    Started,
    /// Its job waits for the end of the run before.
    Held,
    /// The run before had not ended, so it made none.
    Overlapped,
    /// Nobody looked in time, and the schedule does not make up for it.
    Missed,
    /// The kind's unique key led to a job that was there.
    Merged,
    /// The kind is not known any more or refuses the args.
    Refused,
}

impl TickOutcome {
    /// The word in the API, in logs and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Held => "held",
            Self::Overlapped => "overlapped",
            Self::Missed => "missed",
            Self::Merged => "merged",
            Self::Refused => "refused",
        }
    }
}

/// The tick that made a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The schedule's name; its tenant is the job's.
    pub schedule: Name,
    /// The tick: the time that the run stands for, however late it starts.
    pub at: Millis,
}

/// Which schedules to list. `None`: any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleFilter {
    /// Of this tenant.
    pub tenant: Option<Name>,
    /// That lives in this queue.
    pub queue: Option<Name>,
    /// That this file declares.
    pub managed_by: Option<Name>,
}

impl ScheduleFilter {
    /// Whether `schedule` is one of those asked for.
    #[must_use]
    pub fn matches(&self, schedule: &Schedule) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == schedule.tenant)
            && self.queue.as_ref().is_none_or(|queue| *queue == schedule.queue)
            && self.managed_by.as_ref().is_none_or(|file| Some(file) == schedule.managed_by.as_ref())
    }
}

/// Some of the schedules that a filter matches, by (tenant, name).
#[derive(Debug, Default)]
pub struct SchedulePage {
    /// The schedules.
    pub items: Vec<ScheduleState>,
    /// Where the next page starts; None: that was all.
    pub cursor: Option<String>,
}
