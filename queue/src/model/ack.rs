//! Ack, save and note: every write carries its token.

use super::world::{Queue, Result, World, ms};
use crate::{Ack, Acked, BrokerError, ErrorInfo, EventKind, JobId, LOGS_MAX, Note, Outcome, Reason, Saves, State, Token};
use longshore_base::{Millis, Name};
use std::time::Duration;

impl World {
    /// Ends one attempt.
    pub fn ack(&mut self, now: Millis, queue: &Name, ack: Ack) -> Result<Acked> {
        let queue = self.queue(queue);
        match queue.jobs.get(&ack.id) {
            Some(record) if record.token == Some(ack.token) => {}
            Some(record) => {
                return match record.past {
                    Some((token, Some(state))) if token == ack.token && record.token.is_none() => Ok(Acked { state, repeated: true }),
                    _ => Err(queue.late()),
                };
            }
            None => return Err(queue.late()),
        }
        let state = queue.settle(now, ack);
        self.drain(now);
        Ok(Acked { state, repeated: false })
    }

    /// Keeps a cursor and steps.
    pub fn save(&mut self, id: JobId, token: Token, saves: Saves) -> Result<()> {
        let record = self.fenced(id, token)?;
        if saves.cursor.is_some() {
            record.saves.cursor = saves.cursor;
        }
        for (key, result) in saves.steps {
            if record.saves.steps.iter().all(|(there, _)| *there != key) {
                record.saves.steps.push((key, result));
            }
        }
        Ok(())
    }

    /// What was kept.
    pub fn saved(&self, id: JobId) -> Result<Saves> {
        self.record(id).map(|r| r.saves.clone()).ok_or(BrokerError::NotFound)
    }

    /// Keeps progress and log lines.
    pub fn note(&mut self, id: JobId, token: Token, note: Note) -> Result<()> {
        let record = self.fenced(id, token)?;
        if note.progress.is_some() {
            record.job.progress = note.progress;
        }
        record.logs.extend(note.logs);
        while record.logs.iter().map(|line| line.message.len()).sum::<usize>() > LOGS_MAX {
            record.logs.pop_front();
        }
        Ok(())
    }

    pub(super) fn fenced(&mut self, id: JobId, token: Token) -> Result<&mut super::Record> {
        let queue = self.queue_of(id).ok_or(BrokerError::NotFound)?;
        if queue.jobs.get(&id).is_some_and(|r| r.token == Some(token)) { Ok(queue.get(id)) } else { Err(queue.late()) }
    }
}

impl Queue {
    fn late(&mut self) -> BrokerError {
        self.lease_lost += 1;
        BrokerError::LeaseLost
    }

    /// The rows of the state table that leave Running by an ack.
    fn settle(&mut self, now: Millis, ack: Ack) -> State {
        let record = self.get(ack.id);
        let worker = record.job.worker.clone();
        let cancelled = record.job.cancel_requested;
        let exhausted = record.job.counters.attempts + 1 >= record.job.policy.attempts_max;
        let unknown = !record.job.policy.repeatable;
        let counters = &mut record.job.counters;
        match &ack.outcome {
            Outcome::Complete { .. } | Outcome::Retry { .. } | Outcome::Dead { .. } => {
                counters.attempts += 1;
                counters.crashes_in_row = 0;
            }
            Outcome::Release { started: true } => counters.interruptions += 1,
            Outcome::Release { started: false } => {}
            Outcome::Snooze { .. } | Outcome::Gate { .. } | Outcome::Wait(_) | Outcome::Cancel => counters.crashes_in_row = 0,
        }
        self.leave_running(ack.id, None);
        let (what, error) = match &ack.outcome {
            Outcome::Complete { .. } => (EventKind::Completed, None),
            Outcome::Retry { error, .. } => (if exhausted { EventKind::Died } else { EventKind::Retried }, Some(error.clone())),
            Outcome::Dead { error, .. } => (EventKind::Died, Some(error.clone())),
            Outcome::Snooze { .. } => (EventKind::Snoozed, None),
            Outcome::Gate { .. } => (EventKind::Gated, None),
            Outcome::Release { .. } => (EventKind::Released, None),
            Outcome::Wait(_) => (EventKind::Waited, None),
            Outcome::Cancel => (EventKind::Cancelled, None),
        };
        self.tell(ack.id, now, what, worker.as_deref(), error);
        match ack.outcome {
            Outcome::Complete { output } => {
                self.get(ack.id).job.output = output;
                self.end(ack.id, now, State::Completed, None, None);
            }
            Outcome::Dead { reason, error } => self.end(ack.id, now, State::Dead, Some(reason), Some(error)),
            Outcome::Retry { error, .. } if exhausted => self.end(ack.id, now, State::Dead, Some(Reason::Exhausted), Some(error)),
            Outcome::Release { started: true } if unknown => self.end(ack.id, now, State::Dead, Some(Reason::OutcomeUnknown), None),
            Outcome::Cancel => self.end(ack.id, now, State::Cancelled, Some(Reason::Cancelled), None),
            _ if cancelled => self.end(ack.id, now, State::Cancelled, Some(Reason::Cancelled), None),
            Outcome::Retry { after, .. } => self.rest(ack.id, now, State::Retrying, after),
            Outcome::Snooze { after } | Outcome::Gate { after, .. } => self.snooze(ack.id, now, after),
            Outcome::Release { .. } => self.get(ack.id).job.state = State::Ready,
            Outcome::Wait(wait) => self.fall_asleep(ack.id, now, wait),
        }
        let state = self.jobs[&ack.id].job.state;
        self.get(ack.id).past = Some((ack.token, Some(state)));
        state
    }

    fn snooze(&mut self, id: JobId, now: Millis, after: Duration) {
        let job = &self.jobs[&id].job;
        let age = u64::try_from(now - job.created_at).unwrap_or(0);
        if job.counters.runs >= job.policy.runs_max {
            self.end(id, now, State::Dead, Some(Reason::RunsExhausted), None);
        } else if job.policy.age_max_ms.is_some_and(|max| age > max) {
            self.end(id, now, State::Dead, Some(Reason::AgeExhausted), None);
        } else {
            self.rest(id, now, State::Scheduled, after);
        }
    }

    /// The job is due after a while.
    pub(super) fn rest(&mut self, id: JobId, now: Millis, state: State, after: Duration) {
        let job = &mut self.get(id).job;
        job.state = state;
        job.due_at = Some(now + ms(after));
    }

    /// The last error that the job's history tells.
    pub(super) fn last_error(&self, id: JobId) -> Option<ErrorInfo> {
        self.jobs[&id].job.history.iter().rev().find_map(|event| event.error.clone())
    }
}
