//! What is to be done about a schedule that is due. Pure: any number of schedulers come to the same decision at the same time, and the
//! broker lets one of them through.

use super::{Missed, MissedTicks, Timetable};
use longshore_base::Millis;
use std::collections::VecDeque;

/// A tick that was not carried out within this time of its due time, in milliseconds, is missed; one that is later than this is told.
pub const LATE_MS: Millis = 10_000;
/// Ticks that one look counts at most; the rest come with the next look. More than [`Missed::All`] may keep.
pub const LOOK_MOST: usize = 20_000;
/// Ticks that one look carries out at most.
pub const FIRE_MOST: usize = 500;

/// What a look at a schedule comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// To be carried out, oldest first.
    pub ticks: Vec<Millis>,
    /// Not made up for.
    pub missed: Option<MissedTicks>,
    /// The new cursor.
    pub cursor: Millis,
    /// When the next tick is to be carried out.
    pub next_at: Option<Millis>,
}

impl Plan {
    /// What is due at `now` for a schedule whose ticks up to `cursor` are done with.
    #[must_use]
    pub fn new(timetable: &Timetable, missed: Missed, cursor: Millis, now: Millis) -> Self {
        let keep = match missed {
            Missed::Skip => 0,
            Missed::Latest => 1,
            // Less than a look counts, so that every look comes further.
            Missed::All(most) => (most as usize).min(LOOK_MOST / 2),
        };
        let mut plan = Self { ticks: Vec::new(), missed: None, cursor, next_at: None };
        let (mut late, mut fresh, mut looked) = (VecDeque::new(), Vec::new(), 0);
        let mut next = timetable.next(cursor);
        while let Some(tick) = next.filter(|tick| timetable.due(*tick) <= now && looked < LOOK_MOST) {
            looked += 1;
            if now.saturating_sub(timetable.due(tick)) > LATE_MS {
                late.push_back(tick);
                if late.len() > keep
                    && let Some(first) = late.pop_front()
                {
                    plan.miss(first, timetable.due(first));
                }
            } else {
                fresh.push(tick);
            }
            next = timetable.next(tick);
        }
        // Where the look ended early, the late ones that it kept may not be the last ones: the next look decides about them.
        if looked < LOOK_MOST || !fresh.is_empty() {
            plan.ticks.extend(late);
            plan.ticks.extend(fresh);
            plan.ticks.truncate(FIRE_MOST);
        }
        plan.settle(timetable);
        plan
    }

    /// No more than the first `most` ticks, ≥ 1; the rest stays due.
    #[must_use]
    pub fn at_most(mut self, timetable: &Timetable, most: usize) -> Self {
        if self.ticks.len() > most {
            self.ticks.truncate(most);
            self.settle(timetable);
        }
        self
    }

    /// The cursor goes up to the last tick, and what comes after it is next.
    fn settle(&mut self, timetable: &Timetable) {
        self.cursor = self.ticks.last().copied().unwrap_or(self.cursor);
        self.next_at = timetable.next(self.cursor).map(|tick| timetable.due(tick));
    }

    fn miss(&mut self, first: Millis, due_at: Millis) {
        self.cursor = first;
        let missed = self.missed.get_or_insert(MissedTicks { first, due_at, count: 0 });
        missed.count = missed.count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
