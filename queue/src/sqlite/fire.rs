//! A scheduler's decision is carried out: the cursor moves, the overlap rule is asked tick by tick, jobs are made, the history grows.

use super::{
    cancel, deliver,
    enqueue::{self, Lanes},
    schedule::{self, Line},
    tx::{Tx, WAITING},
};
use crate::{
    BrokerError, Fire, FireTick, Fired, JobId, MissedTicks, NewJob, Overlap, Scope, State, TICKS_KEPT, TickOutcome, TickRecord, Turn, Wait,
    WaitOn, WaitPolicy, sqlite::row,
};
use longshore_base::{Code, Millis, Name};
use rusqlite::params;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Carries a batch out, each decision as a whole or not at all.
pub(super) fn fire(tx: &mut Tx<'_>, queue: &Name, home: u16, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
    let (mut lanes, homes) = (Lanes::default(), HashMap::from([(queue.to_string(), home)]));
    let mut answers = Vec::with_capacity(fires.len());
    for fire in fires {
        let answer = match decided(tx, home, &fire)? {
            Ok(line) => Ok(Firing { lanes: &mut lanes, homes: &homes, line, told: Vec::new() }.run(tx, fire)?),
            Err(refused) => Err(refused),
        };
        answers.push(answer);
    }
    Ok(answers)
}

/// The schedule, if it still stands as it did when the decision was made.
fn decided(tx: &Tx<'_>, home: u16, fire: &Fire) -> Result<Result<Line>> {
    let found = schedule::find(tx.db, &fire.tenant, &fire.name)?.filter(|line| line.queue == home);
    let Some(line) = found else {
        return Ok(Err(gone(fire)));
    };
    let stands = line.incarnation == fire.incarnation
        && match fire.turn {
            Turn::Advance { revision, from, .. } => line.revision == revision && line.cursor == from && line.paused.is_none(),
            Turn::ByHand => true,
        };
    Ok(if stands { Ok(line) } else { Err(moved(fire)) })
}

/// What a decision about a schedule that does not live here is answered.
pub(super) fn gone(fire: &Fire) -> BrokerError {
    match fire.turn {
        Turn::Advance { .. } => moved(fire),
        Turn::ByHand => schedule::missing(&fire.tenant, &fire.name),
    }
}

fn moved(fire: &Fire) -> BrokerError {
    let detail = format!("the schedule {} of {} has moved on, or was changed or paused", fire.name, fire.tenant);
    BrokerError::Conflict { code: Code::ScheduleMoved, detail }
}

/// One decision on its way.
struct Firing<'f> {
    lanes: &'f mut Lanes,
    homes: &'f HashMap<String, u16>,
    line: Line,
    /// New entries of the history.
    told: Vec<TickRecord>,
}

impl Firing<'_> {
    fn run(mut self, tx: &mut Tx<'_>, fire: Fire) -> Result<Fired> {
        let by_hand = fire.turn == Turn::ByHand;
        if let Turn::Advance { to, next_at, .. } = fire.turn {
            (self.line.cursor, self.line.next_at) = (self.line.cursor.max(to), next_at);
        }
        if let Some(MissedTicks { first, due_at, count }) = fire.missed {
            self.told.push(TickRecord { outcome: TickOutcome::Missed, count, ..blank(first, due_at, tx.now, by_hand) });
        }
        let mut answer = self.told.clone();
        for tick in fire.ticks {
            let record = blank(tick.at, tick.due_at, tx.now, by_hand);
            let (record, repeated) = self.tick(tx, tick, record)?;
            if !(repeated && by_hand) {
                self.told.push(record.clone());
            }
            answer.push(record);
        }
        if !by_hand || !self.told.is_empty() {
            self.write(tx)?;
        }
        Ok(answer)
    }

    /// One tick: its entry, and whether its job was there already.
    fn tick(&mut self, tx: &mut Tx<'_>, tick: FireTick, mut record: TickRecord) -> Result<(TickRecord, bool)> {
        let job = match tick.job {
            Ok(job) => *job,
            Err(why) => return Ok((refused(record, why), false)),
        };
        if let Some(there) = enqueue::known(tx, job.id, job.unique.is_some())? {
            record.job = Some(there.id);
            record.outcome = match there.state {
                _ if there.id != job.id => TickOutcome::Merged,
                State::Waiting => TickOutcome::Held,
                _ => TickOutcome::Started,
            };
            if !record.by_hand {
                self.adopt(tx, &record)?;
            }
            return Ok((record, true));
        }
        if let Some(fault) = enqueue::refusal(&job, self.homes) {
            return Ok((refused(record, fault.to_string()), false));
        }
        self.settle_held(tx)?;
        let record = match self.line.overlap {
            Overlap::Allow => self.enqueue(tx, job, None, record)?,
            Overlap::Skip => match self.alive(tx)? {
                Some(alive) => overlapped(record, format!("{alive} has not ended")),
                None => self.enqueue(tx, job, None, record)?,
            },
            Overlap::Wait => match (self.alive(tx)?, self.line.held_job) {
                (Some(_), Some(held)) => overlapped(record, format!("{held} is held already")),
                (alive, _) => self.enqueue(tx, job, alive, record)?,
            },
            Overlap::Cancel => {
                record.detail = self.cancel(tx)?;
                let alive = self.alive(tx)?;
                self.enqueue(tx, job, alive, record)?
            }
        };
        Ok((record, false))
    }

    /// A held job that is not held any more is the run before from now on; unless it has ended while the one that it waited for has not.
    fn settle_held(&mut self, tx: &Tx<'_>) -> Result<()> {
        let Some(held) = self.line.held_job else { return Ok(()) };
        let stands = stands(tx, held)?;
        if stands.is_some_and(|(state, runs)| state == WAITING && runs == 0) {
            return Ok(());
        }
        self.line.held_job = None;
        if is_alive(stands) || self.alive(tx)?.is_none() {
            self.line.last_job = Some(held);
        }
        Ok(())
    }

    /// The run before, while it has not ended: the one that runs, else the one that is held.
    fn alive(&self, tx: &Tx<'_>) -> Result<Option<JobId>> {
        for job in [self.line.last_job, self.line.held_job].into_iter().flatten() {
            if is_alive(stands(tx, job)?) {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// The job of a tick that was there already is a run of this schedule, unless it has ended while the run before has not.
    fn adopt(&mut self, tx: &Tx<'_>, record: &TickRecord) -> Result<()> {
        self.settle_held(tx)?;
        let Some(job) = record.job.filter(|job| Some(*job) != self.line.held_job) else { return Ok(()) };
        let takes = record.outcome == TickOutcome::Started && (is_alive(stands(tx, job)?) || self.alive(tx)?.is_none());
        if takes {
            self.line.last_job = Some(job);
        }
        Ok(())
    }

    /// Stops the run before and whatever is held; answers what was done.
    fn cancel(&mut self, tx: &mut Tx<'_>) -> Result<Option<String>> {
        let mut done = Vec::new();
        // The held one first: the end of the other would start it.
        for job in [self.line.held_job.take(), self.line.last_job].into_iter().flatten() {
            match cancel::one(tx, &Scope::All, job)? {
                Ok(State::Running) => done.push(format!("{job} was asked to stop")),
                Ok(_) => done.push(format!("{job} was cancelled")),
                // It has ended by itself, or is not there any more.
                Err(_) => {}
            }
            deliver::drain(tx)?;
        }
        Ok((!done.is_empty()).then(|| done.join("; ")))
    }

    /// Enqueues a tick's job, held until `after` has ended.
    fn enqueue(&mut self, tx: &mut Tx<'_>, mut job: NewJob, after: Option<JobId>, mut record: TickRecord) -> Result<TickRecord> {
        let id = job.id;
        if let Some(leader) = after {
            let (on, ignore) = (WaitOn::Job(leader), WaitPolicy::Ignore);
            job.wait = Some(Wait { on, timeout: None, on_timeout: ignore, on_child_failed: ignore });
        }
        let put = enqueue::put(tx, self.lanes, job)?;
        deliver::drain(tx)?;
        let put = match put {
            Ok(put) => put,
            Err(fault) => return Ok(refused(record, fault.to_string())),
        };
        record.job = Some(put.id);
        record.outcome = if put.id != id {
            TickOutcome::Merged
        } else if put.state == State::Waiting {
            self.line.held_job = Some(id);
            TickOutcome::Held
        } else {
            self.line.last_job = Some(id);
            TickOutcome::Started
        };
        Ok(record)
    }

    fn write(&mut self, tx: &Tx<'_>) -> Result<()> {
        let line = &mut self.line;
        for told in &self.told {
            line.ticks += 1;
            let (outcome, job) = (schedule::outcome_code(told.outcome), told.job.as_ref().map(JobId::as_bytes));
            let (detail, by_hand) = (told.detail.as_deref(), told.by_hand);
            let (at, due_at, done_at) = (told.at, told.due_at, told.done_at);
            tx.db.exec("fire.add", params![line.schedule, line.ticks, at, due_at, done_at, outcome, job, detail, by_hand, told.count])?;
        }
        let over = line.ticks - i64::try_from(TICKS_KEPT).unwrap_or(i64::MAX);
        if over > 0 && !self.told.is_empty() {
            tx.db.exec("fire.trim", params![line.schedule, over])?;
        }
        let (last, held) = (line.last_job.as_ref().map(JobId::as_bytes), line.held_job.as_ref().map(JobId::as_bytes));
        tx.db.exec("fire.moved", params![line.schedule, line.next_at, line.cursor, last, held, line.ticks])?;
        Ok(())
    }
}

fn stands(tx: &Tx<'_>, job: JobId) -> Result<Option<(u8, u32)>> {
    tx.db.one("fire.stands", [job.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn is_alive(stands: Option<(u8, u32)>) -> bool {
    stands.is_some_and(|(state, _)| !row::state(state).is_ended())
}

fn blank(at: Millis, due_at: Millis, done_at: Millis, by_hand: bool) -> TickRecord {
    TickRecord { at, due_at, done_at, outcome: TickOutcome::Started, job: None, detail: None, by_hand, count: 1 }
}

fn refused(record: TickRecord, why: String) -> TickRecord {
    let detail = Some(record.detail.map_or_else(|| why.clone(), |before| format!("{before}; {why}")));
    TickRecord { outcome: TickOutcome::Refused, detail, ..record }
}

fn overlapped(record: TickRecord, why: String) -> TickRecord {
    TickRecord { outcome: TickOutcome::Overlapped, detail: Some(why), ..record }
}
