//! Schedules: the honest cron. Read `spec.rs` for what a schedule says, `timetable.rs` and
//! `wall.rs` for when it ticks, `plan.rs` for what becomes of
//! late ticks, `fire.rs` for how a tick becomes a job.
//!
//! Everything here is pure. The brokers keep schedules in the slot of their target queue and move the cursor, apply the overlap rule and
//! enqueue in one step.

mod check;
mod cron;
mod field;
mod fire;
mod plan;
mod spec;
mod state;
mod timetable;
mod wall;
mod zone;

use check::{Checked, check};

pub use check::{EVERY_LEAST_MS, SPAN_MOST_MS, TimingFault};
pub use cron::Cron;
pub use fire::{DueSchedules, Fire, FireTick, Fired, MissedTicks, Turn};
pub use plan::{FIRE_MOST, LATE_MS, LOOK_MOST, Plan};
pub use spec::{Gap, Missed, Overlap, RepeatedHour, Schedule, Timing, When};
pub use state::{Incarnation, ScheduleChange, ScheduleFilter, SchedulePage, ScheduleState, TICKS_KEPT, Tick, TickOutcome, TickRecord};
pub use timetable::Timetable;
