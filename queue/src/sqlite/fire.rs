//! A scheduler's decision is carried out: the cursor moves, the overlap rule is asked tick by tick, jobs are made, the history grows.

use super::{
    cancel, deliver,
    enqueue::{self, Lanes},
    follow,
    schedule::{self, Line},
    tx::Tx,
};
use crate::{
    BrokerError, Enqueued, Fire, FireTick, Fired, JobId, MissedTicks, NewJob, Overlap, Scope, State, TICKS_KEPT, TickOutcome, TickRecord,
    Turn, Wait, WaitOn, WaitPolicy,
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
    let found = schedule::find(tx.db, &fire.tenant, &fire.name)?;
    let found = found.filter(|line| line.queue == home && line.incarnation == fire.incarnation);
    let stands = found.filter(|line| match fire.turn {
        Turn::Advance { revision, from, .. } => line.revision == revision && line.cursor == from && line.paused.is_none(),
        Turn::ByHand => true,
    });
    Ok(stands.ok_or_else(|| moved(fire)))
}

/// What a decision about a schedule that does not stand so any more is answered.
pub(super) fn moved(fire: &Fire) -> BrokerError {
    let detail = format!("the schedule {} of {} has moved on, or was changed, paused or removed", fire.name, fire.tenant);
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
        if let Some(fault) = enqueue::refusal(&job, self.homes) {
            return Ok((refused(record, fault.to_string()), false));
        }
        if let Some(there) = enqueue::known(tx, job.id, job.unique.is_some())? {
            (record.outcome, record.job) = (came(&there, job.id), Some(there.id));
            return Ok((record, true));
        }
        let Some(before) = self.before(tx)? else {
            return Ok((self.enqueue(tx, job, None, record)?, false));
        };
        let leader = match (self.line.overlap, self.line.held_job) {
            (Overlap::Allow, _) => None,
            (Overlap::Skip, _) => return Ok((overlapped(record, before), false)),
            (Overlap::Wait, Some(held)) => return Ok((overlapped(record, held), false)),
            (Overlap::Wait, None) => Some(before),
            (Overlap::Cancel, _) => {
                record.detail = Some(self.cancel(tx, before)?);
                alive(tx, Some(before))?
            }
        };
        Ok((self.enqueue(tx, job, leader, record)?, false))
    }

    /// The run before, while it has not ended. A held job takes its place when it has ended, and is held no more when it has ended itself.
    fn before(&mut self, tx: &Tx<'_>) -> Result<Option<JobId>> {
        let line = &mut self.line;
        let mut before = alive(tx, line.last_job)?;
        if before.is_none() && line.held_job.is_some() {
            line.last_job = line.held_job.take();
            before = alive(tx, line.last_job)?;
        }
        line.held_job = alive(tx, line.held_job)?;
        Ok(before)
    }

    /// Stops the run before, and whatever is held; answers what was done.
    fn cancel(&mut self, tx: &mut Tx<'_>, before: JobId) -> Result<String> {
        let mut done = String::new();
        // The held one first: the end of the other would start it. One that has ended in between needs no cancel.
        if let Some(held) = self.line.held_job.take() {
            drop(cancel::one(tx, &Scope::All, held)?);
            deliver::drain(tx)?;
            done = format!("{held}, which was held, was cancelled; ");
        }
        let left = cancel::one(tx, &Scope::All, before)?;
        deliver::drain(tx)?;
        let how = if matches!(left, Ok(State::Running)) { "asked to stop" } else { "cancelled" };
        Ok(format!("{done}{before} was {how}"))
    }

    /// Enqueues a tick's job, held until `leader` has ended.
    fn enqueue(&mut self, tx: &mut Tx<'_>, mut job: NewJob, leader: Option<JobId>, mut record: TickRecord) -> Result<TickRecord> {
        let asked = job.id;
        if let Some(leader) = leader {
            let (on, ignore) = (WaitOn::Job(leader), WaitPolicy::Ignore);
            job.wait = Some(Wait { on, timeout: None, on_timeout: ignore, on_child_failed: ignore });
        }
        let put = enqueue::put_tick(tx, self.lanes, job)?;
        deliver::drain(tx)?;
        (record.outcome, record.job) = (came(&put, asked), Some(put.id));
        match (put.id == asked, leader) {
            (true, Some(_)) => self.line.held_job = Some(asked),
            (true, None) => self.line.last_job = Some(asked),
            (false, _) => {}
        }
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

fn alive(tx: &Tx<'_>, job: Option<JobId>) -> Result<Option<JobId>> {
    match job {
        Some(job) if !follow::is_over(tx.db, job)? => Ok(Some(job)),
        _ => Ok(None),
    }
}

/// What came of a tick whose job was asked for under this id.
fn came(put: &Enqueued, asked: JobId) -> TickOutcome {
    match put.state {
        _ if put.id != asked => TickOutcome::Merged,
        State::Waiting => TickOutcome::Held,
        _ => TickOutcome::Started,
    }
}

fn blank(at: Millis, due_at: Millis, done_at: Millis, by_hand: bool) -> TickRecord {
    TickRecord { at, due_at, done_at, outcome: TickOutcome::Started, job: None, detail: None, by_hand, count: 1 }
}

fn refused(record: TickRecord, why: String) -> TickRecord {
    TickRecord { outcome: TickOutcome::Refused, detail: Some(why), ..record }
}

fn overlapped(record: TickRecord, by: JobId) -> TickRecord {
    TickRecord { outcome: TickOutcome::Overlapped, detail: Some(format!("{by} has not ended")), ..record }
}
