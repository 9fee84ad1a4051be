//! A schedule and the entries of its history, as the scripts keep them (`scripts/include/sched.lua`, `scripts/fire.lua`).

use super::{Result, bytes::Reader, keys, queues::Queue, value};
use crate::{BrokerError, Incarnation, JobId, Overlap, Pause, Schedule, ScheduleState, TickOutcome, TickRecord};
use longshore_base::{Millis, Name};
use redis::Value;

/// As the scripts number them, from 1.
const OUTCOMES: [TickOutcome; 6] =
    [TickOutcome::Started, TickOutcome::Held, TickOutcome::Overlapped, TickOutcome::Missed, TickOutcome::Merged, TickOutcome::Refused];

/// A schedule in the slot of a queue.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) state: ScheduleState,
    /// Its parts as they are kept.
    parts: Vec<Vec<u8>>,
}

impl Stored {
    /// From what `shown` of the scripts tells.
    pub(super) fn read(queue: &Queue, answer: Value) -> Result<Self> {
        let parts: Vec<Vec<u8>> =
            value::list(answer, "a schedule")?.iter().map(|part| value::bytes(part).unwrap_or_default().to_vec()).collect();
        let mut stored = Self::state(queue, &parts).ok_or_else(|| BrokerError::Corrupt("a schedule".to_owned()))?;
        stored.parts = parts;
        Ok(stored)
    }

    fn state(queue: &Queue, parts: &[Vec<u8>]) -> Option<Self> {
        let part = |at: usize| parts.get(at).map(Vec::as_slice);
        let number = |at: usize| std::str::from_utf8(part(at)?).ok()?.parse::<i64>().ok();
        let job = |at: usize| keys::long(part(at)?, queue.home);
        let state = ScheduleState {
            schedule: serde_json::from_slice::<Schedule>(part(10)?).ok()?,
            incarnation: Incarnation(u128::from_be_bytes(part(0)?.try_into().ok()?)),
            revision: number(1)?.try_into().ok()?,
            created_at: number(2)?,
            changed_at: number(3)?,
            cursor: number(4)?,
            next_at: number(5),
            paused: if part(6)?.is_empty() { None } else { Some(serde_json::from_slice::<Pause>(part(6)?).ok()?) },
            last_job: job(7),
            held_job: job(8),
            last_tick: if part(9)?.is_empty() { None } else { Some(tick(part(9)?)?) },
        };
        Some(Self { state, parts: Vec::new() })
    }

    pub(super) fn incarnation(&self) -> &[u8] {
        &self.parts[0]
    }

    /// The claim of the name that it was last put by.
    pub(super) fn claim(&self) -> u64 {
        std::str::from_utf8(&self.parts[13]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The queue that it came from, where it may still stand frozen.
    pub(super) fn from(&self) -> Option<Name> {
        self.name(14)
    }

    /// The queue that it is on its way to: it fires nothing any more.
    pub(super) fn goes_to(&self) -> Option<Name> {
        self.name(15)
    }

    /// Spec, timing, overlap rule and pause that it has there.
    pub(super) fn goes_as(&self) -> &[Vec<u8>] {
        &self.parts[16..20]
    }

    fn name(&self, at: usize) -> Option<Name> {
        Name::new(std::str::from_utf8(self.parts.get(at)?).ok()?).ok()
    }
}

/// One entry of a history.
pub(super) fn tick(stored: &[u8]) -> Option<TickRecord> {
    let mut r = Reader::new(stored);
    let (at, due_at, done_at): (Millis, Millis, Millis) = (r.millis()?, r.millis()?, r.millis()?);
    let outcome = *OUTCOMES.get(usize::from(r.u8()?).checked_sub(1)?)?;
    let (by_hand, count, n) = (r.u8()? == 1, r.u32()?, r.u8()?);
    let job = if n == 0 { None } else { Some(JobId::from_bytes(r.take(n.into())?.try_into().ok()?)) };
    let detail = Some(r.rest_text()?).filter(|text| !text.is_empty());
    Some(TickRecord { at, due_at, done_at, outcome, job, detail, by_hand, count })
}

/// As `scripts/fire.lua` reads an overlap rule.
pub(super) const fn overlap(rule: Overlap) -> u8 {
    match rule {
        Overlap::Allow => 1,
        Overlap::Skip => 2,
        Overlap::Wait => 3,
        Overlap::Cancel => 4,
    }
}
