//! A schedule's rows, and how people change them. `calendar.rs` shows them, `fire.rs` carries their ticks out.

use super::{
    around,
    db::Db,
    scope::{number, text},
    tx::Tx,
};
use crate::{BrokerError, Incarnation, JobId, Overlap, Pause, Schedule, ScheduleChange, ScheduleState, TickOutcome, TickRecord};
use longshore_base::{Code, Millis, Name};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// The changing half of a schedule, in the order of `schedule.columns`.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) schedule: i64,
    pub(super) queue: u16,
    pub(super) next_at: Option<Millis>,
    pub(super) cursor: Millis,
    pub(super) revision: u64,
    pub(super) incarnation: Incarnation,
    created_at: Millis,
    changed_at: Millis,
    pub(super) paused: Option<String>,
    pub(super) last_job: Option<JobId>,
    pub(super) held_job: Option<JobId>,
    pub(super) overlap: Overlap,
    /// How many entries its history ever had.
    pub(super) ticks: i64,
}

impl Line {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Self::read_at(row, 0)
    }

    pub(super) fn read_at(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Self> {
        let id = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(at)?.map(JobId::from_bytes));
        Ok(Self {
            schedule: row.get(at)?,
            queue: row.get(at + 1)?,
            next_at: row.get(at + 2)?,
            cursor: row.get(at + 3)?,
            revision: row.get(at + 4)?,
            incarnation: Incarnation(u128::from_be_bytes(row.get(at + 5)?)),
            created_at: row.get(at + 6)?,
            changed_at: row.get(at + 7)?,
            paused: row.get(at + 8)?,
            last_job: id(at + 9)?,
            held_job: id(at + 10)?,
            overlap: overlap(row.get(at + 11)?),
            ticks: row.get(at + 12)?,
        })
    }

    /// How it stands, with what it says.
    pub(super) fn state(self, db: Db<'_>) -> Result<ScheduleState> {
        let schedule = says(db, self.schedule)?;
        Ok(ScheduleState {
            schedule,
            revision: self.revision,
            incarnation: self.incarnation,
            created_at: self.created_at,
            changed_at: self.changed_at,
            cursor: self.cursor,
            next_at: self.next_at,
            paused: self.paused.as_deref().map(parse).transpose()?,
            last_job: self.last_job,
            held_job: self.held_job,
            last_tick: history(db, self.schedule, 1)?.pop(),
        })
    }

    /// Writes what a person's change may have changed.
    fn save(&self, db: Db<'_>) -> Result<()> {
        let (last, held) = (self.last_job.as_ref().map(JobId::as_bytes), self.held_job.as_ref().map(JobId::as_bytes));
        let revision = number(self.revision);
        let wrote = params![self.schedule, self.queue, self.next_at, self.cursor, revision, self.changed_at, self.paused, last, held];
        db.exec("schedule.change", wrote)?;
        Ok(())
    }
}

/// Changes a schedule; a refused change leaves everything as it was. Answers how it stands, and its queue's number.
pub(super) fn schedule(
    tx: &mut Tx<'_>,
    tenant: &Name,
    name: &Name,
    change: ScheduleChange,
    expected: Option<u64>,
) -> Result<Result<(ScheduleState, u16)>> {
    let found = find(tx.db, tenant, name)?;
    let revision = found.as_ref().map_or(0, |line| line.revision);
    if found.is_none() && !matches!(change, ScheduleChange::Put { .. }) {
        return Ok(Err(missing(tenant, name)));
    }
    if expected.is_some_and(|expected| expected != revision) {
        let detail = format!("the schedule {name} of {tenant} is at revision {revision}");
        return Ok(Err(BrokerError::Conflict { code: Code::ScheduleMismatch, detail }));
    }
    let line = match (change, found) {
        (ScheduleChange::Put { schedule, .. }, _) if schedule.tenant != *tenant || schedule.name != *name => {
            let detail = format!("the schedule says that it is {} of {}, not {name} of {tenant}", schedule.name, schedule.tenant);
            return Ok(Err(BrokerError::Conflict { code: Code::RequestInvalid, detail }));
        }
        (ScheduleChange::Put { schedule, paused, incarnation }, found) => put(tx, found, &schedule, paused, incarnation)?,
        (_, None) => return Ok(Err(missing(tenant, name))),
        (ScheduleChange::Pause(pause), Some(mut line)) => {
            (line.paused, line.next_at) = (Some(text(&pause)?), None);
            changed(tx, line)?
        }
        (ScheduleChange::Resume, Some(line)) if line.paused.is_none() => line,
        (ScheduleChange::Resume, Some(mut line)) => {
            (line.paused, line.next_at, line.cursor) = (None, Some(tx.now), line.cursor.max(tx.now));
            changed(tx, line)?
        }
        (ScheduleChange::Remove, Some(line)) => {
            let (schedule, queue) = (line.schedule, line.queue);
            let last = line.state(tx.db)?;
            for table in ["schedule.remove", "schedule.unsay", "schedule.forget"] {
                tx.db.exec(table, [schedule])?;
            }
            return Ok(Ok((last, queue)));
        }
    };
    let queue = line.queue;
    Ok(Ok((line.state(tx.db)?, queue)))
}

fn changed(tx: &Tx<'_>, mut line: Line) -> Result<Line> {
    (line.revision, line.changed_at) = (line.revision + 1, tx.now);
    line.save(tx.db)?;
    Ok(line)
}

/// Makes it, or replaces what it says. What it made in another queue stands in nobody's way in this one.
fn put(tx: &Tx<'_>, found: Option<Line>, schedule: &Schedule, paused: Option<Pause>, incarnation: Incarnation) -> Result<Line> {
    let queue = around::home(tx, schedule.queue.as_str())?;
    let paused = paused.as_ref().map(text).transpose()?;
    let managed_by = schedule.managed_by.as_ref().map(Name::as_str);
    let line = match found {
        None => {
            let next_at = paused.is_none().then_some(tx.now);
            let (tenant, name, life) = (schedule.tenant.as_str(), schedule.name.as_str(), incarnation.0.to_be_bytes());
            let overlap = overlap_code(schedule.overlap);
            let wrote = params![tenant, name, queue, next_at, tx.now, life, tx.now, paused, overlap, managed_by];
            tx.db.exec("schedule.insert", wrote)?;
            find(tx.db, &schedule.tenant, &schedule.name)?
                .ok_or_else(|| BrokerError::Corrupt(format!("the schedule {name} is there and is not")))?
        }
        Some(mut line) => {
            let before = says(tx.db, line.schedule)?;
            if before.timing != schedule.timing || line.queue != queue {
                line.cursor = line.cursor.max(tx.now);
            }
            if line.queue != queue {
                (line.queue, line.last_job, line.held_job) = (queue, None, None);
            }
            line.paused = paused.or(line.paused);
            line.next_at = line.paused.is_none().then_some(tx.now);
            tx.db.exec("schedule.put", params![line.schedule, overlap_code(schedule.overlap), managed_by])?;
            changed(tx, line)?
        }
    };
    tx.db.exec("schedule.say", params![line.schedule, text(schedule)?])?;
    Ok(line)
}

/// The schedule of that name.
pub(super) fn find(db: Db<'_>, tenant: &Name, name: &Name) -> Result<Option<Line>> {
    db.one("schedule.find", params![tenant.as_str(), name.as_str()], Line::read)
}

pub(super) fn history(db: Db<'_>, schedule: i64, limit: usize) -> Result<Vec<TickRecord>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(TickRecord {
            at: row.get(0)?,
            due_at: row.get(1)?,
            done_at: row.get(2)?,
            outcome: OUTCOMES.get(row.get::<_, usize>(3)?).copied().unwrap_or(TickOutcome::Refused),
            job: row.get::<_, Option<[u8; 16]>>(4)?.map(JobId::from_bytes),
            detail: row.get(5)?,
            by_hand: row.get(6)?,
            count: row.get(7)?,
        })
    };
    db.all("schedule.ticks", params![schedule, limit], read)
}

fn says(db: Db<'_>, schedule: i64) -> Result<Schedule> {
    parse(&db.must("schedule.says", [schedule], |row| row.get::<_, String>(0))?)
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|fault| BrokerError::Corrupt(fault.to_string()))
}

fn missing(tenant: &Name, name: &Name) -> BrokerError {
    BrokerError::Conflict { code: Code::ScheduleNotFound, detail: format!("{tenant} has no schedule {name}") }
}

const OVERLAPS: [Overlap; 4] = [Overlap::Allow, Overlap::Skip, Overlap::Wait, Overlap::Cancel];

fn overlap(code: u8) -> Overlap {
    OVERLAPS.get(usize::from(code)).copied().unwrap_or_default()
}

fn overlap_code(overlap: Overlap) -> u8 {
    position(OVERLAPS.iter().position(|known| *known == overlap))
}

const OUTCOMES: [TickOutcome; 6] =
    [TickOutcome::Started, TickOutcome::Held, TickOutcome::Overlapped, TickOutcome::Missed, TickOutcome::Merged, TickOutcome::Refused];

/// The number of an outcome in its column.
pub(super) fn outcome_code(outcome: TickOutcome) -> u8 {
    position(OUTCOMES.iter().position(|known| *known == outcome))
}

fn position(at: Option<usize>) -> u8 {
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}
