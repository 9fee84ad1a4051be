//! Carrying ticks out: what is due, what a scheduler decided, and what came of it.

use super::{Incarnation, ScheduleState, TickRecord};
use crate::NewJob;
use longshore_base::{Millis, Name};
use std::time::Duration;

/// Schedules of a queue whose next tick is due.
#[derive(Debug, Default)]
pub struct DueSchedules {
    /// The server's time at which they were read.
    pub now: Millis,
    /// The longest due first.
    pub due: Vec<ScheduleState>,
    /// How long until the next of the others; ZERO: more are due. None: there is no other.
    pub next_in: Option<Duration>,
}

/// A scheduler's decision about one schedule. It takes effect as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Fire {
    /// Whose.
    pub tenant: Name,
    /// Which.
    pub name: Name,
    /// Which life of it; another one refuses it.
    pub incarnation: Incarnation,
    /// What becomes of the schedule's cursor.
    pub turn: Turn,
    /// Ticks that nobody looked at in time and that are not made up for.
    pub missed: Option<MissedTicks>,
    /// Ticks to carry out, in order.
    pub ticks: Vec<FireTick>,
}

/// What a fire does to the schedule's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Compares and moves it. Another revision or cursor, or a pause, means that somebody else was faster:
    /// [`longshore_base::Code::ScheduleMoved`], nothing changes.
    Advance {
        /// The revision that the decision was made from.
        revision: u64,
        /// The cursor that the decision was made from.
        from: Millis,
        /// The new one, at least `from`.
        to: Millis,
        /// When the next tick is to be carried out; None: there is none.
        next_at: Option<Millis>,
    },
    /// A run by hand: leaves it, and runs a paused schedule too.
    ByHand,
}

/// One tick to carry out.
#[derive(Debug, Clone)]
pub struct FireTick {
    /// The tick.
    pub at: Millis,
    /// With the spread.
    pub due_at: Millis,
    /// Its job, whose id comes from [`Incarnation::seed`] (or from the caller, for a run by hand); or why there is none.
    pub job: Result<Box<NewJob>, String>,
}

/// Ticks that are not made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedTicks {
    /// The first.
    pub first: Millis,
    /// With the spread.
    pub due_at: Millis,
    /// How many, ≥ 1.
    pub count: u32,
}

/// What came of a fire: the new entries of the schedule's history, oldest first. A repeated run by hand, whose job is there already, answers
/// Started or Held again and adds none.
pub type Fired = Vec<TickRecord>;
