//! Ack, save and note: every write carries its token.

use super::world::{Queue, Result, World, ms};
use crate::{
    Ack, Acked, BrokerError, CHARGE_LEAST_MS, Change, ErrorInfo, EventKind, GateCause, JobId, LOGS_MAX, Note, Outcome, Reason, RuleScope,
    Saves, State, Token, cause, fair,
};
use longshore_base::{Millis, Name};
use std::time::Duration;

/// Over which the rate of ends is told.
const RATE_WINDOW: Duration = Duration::from_secs(10);

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
        if let Outcome::Wait(wait) = &ack.outcome {
            wait.check_ack()?;
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
    pub fn note(&mut self, now: Millis, id: JobId, token: Token, note: Note) -> Result<()> {
        let record = self.fenced(id, token)?;
        if note.progress.is_some() {
            record.job.progress.clone_from(&note.progress);
        }
        record.noted = note.used.or(record.noted);
        record.logs.extend(note.logs.iter().cloned());
        while record.logs.iter().map(|line| line.message.len()).sum::<usize>() > LOGS_MAX {
            record.logs.pop_front();
            record.dropped += 1;
        }
        if let Some(told) = Change::told(note) {
            self.queue_of(id).expect("it has the job").feed.push(now, Some(id), told);
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
        let units = ack.used.or(record.noted).unwrap_or(u64::from(record.job.cost));
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
        self.count(now, &ack, units);
        self.leave_running(ack.id, None);
        let worn = match &ack.outcome {
            Outcome::Snooze { .. } | Outcome::Gate { .. } if !cancelled => self.worn_out(ack.id, now),
            _ => None,
        };
        let (what, error) = match &ack.outcome {
            Outcome::Complete { .. } => (EventKind::Completed, None),
            Outcome::Retry { error, .. } => (if exhausted { EventKind::Died } else { EventKind::Retried }, Some(error.clone())),
            Outcome::Dead { error, .. } => (EventKind::Died, Some(error.clone())),
            Outcome::Snooze { .. } => (EventKind::Snoozed, None),
            Outcome::Gate { reason, .. } => (EventKind::Gated, Some(cause::gated(reason))),
            Outcome::Release { started } => (EventKind::Released, (unknown && *started).then(cause::stopped)),
            Outcome::Wait(_) => (EventKind::Waited, None),
            Outcome::Cancel => (EventKind::Cancelled, None),
        };
        let error = worn.map(|reason| cause::ended(reason, self.jobs[&ack.id].job.counters.runs)).or(error);
        self.tell(ack.id, now, what, worker.as_deref(), error.clone());
        match ack.outcome {
            Outcome::Complete { output } => {
                self.get(ack.id).job.output = output;
                self.end(ack.id, now, State::Completed, None, None);
            }
            Outcome::Dead { reason, error } => self.end(ack.id, now, State::Dead, Some(reason), Some(error)),
            Outcome::Retry { error, .. } if exhausted => self.end(ack.id, now, State::Dead, Some(Reason::Exhausted), Some(error)),
            Outcome::Release { started: true } if unknown => self.end(ack.id, now, State::Dead, Some(Reason::OutcomeUnknown), error),
            Outcome::Cancel => self.end(ack.id, now, State::Cancelled, Some(Reason::Cancelled), None),
            _ if cancelled => self.end(ack.id, now, State::Cancelled, Some(Reason::Cancelled), None),
            _ if worn.is_some() => self.end(ack.id, now, State::Dead, worn, error),
            Outcome::Retry { after, .. } => self.rest(ack.id, now, State::Retrying, after),
            Outcome::Snooze { after } => self.rest(ack.id, now, State::Scheduled, after),
            Outcome::Gate { .. } | Outcome::Release { .. } => self.make_ready(ack.id, now),
            Outcome::Wait(wait) => self.fall_asleep(ack.id, now, wait),
        }
        let state = self.jobs[&ack.id].job.state;
        self.get(ack.id).past = Some((ack.token, Some(state)));
        state
    }

    /// What the attempt took, and what its end says of its (tenant, key).
    fn count(&mut self, now: Millis, ack: &Ack, units: u64) {
        let job = &self.jobs[&ack.id].job;
        let scope = RuleScope::Key { tenant: job.tenant.clone(), key: job.lane_key.clone() };
        match &ack.outcome {
            Outcome::Release { started: false } => return self.give_back(now, ack.id),
            Outcome::Complete { .. } => self.count_failure(now, ack.id, true),
            Outcome::Retry { .. } | Outcome::Dead { .. } => self.count_failure(now, ack.id, false),
            Outcome::Gate { after, reason } => {
                self.close(now, &scope, now + ms(*after), cause::gated(reason).message, GateCause::Handler);
            }
            _ => {}
        }
        let ran_ms = ack.ran.as_secs_f64() * 1_000.0;
        self.correct(ack.id, ran_ms.max(CHARGE_LEAST_MS));
        self.settle_budget(ack.id, units);
        let kind = self.jobs[&ack.id].job.kind.clone();
        let mean = fair::mean(self.means.get(&kind).copied(), ran_ms, 1);
        self.means.insert(kind, mean);
        self.mean_ms = Some(fair::mean(self.mean_ms, ran_ms, 1));
        self.ends.push_back(now);
    }

    /// Attempts that ended, per second.
    pub(super) fn rate(&self, now: Millis) -> f64 {
        let window = ms(RATE_WINDOW);
        self.ends.iter().filter(|at| **at > now - window).count() as f64 / RATE_WINDOW.as_secs_f64()
    }

    /// An end that moves no counter is bounded by how often the job ran and how old it is.
    fn worn_out(&self, id: JobId, now: Millis) -> Option<Reason> {
        let job = &self.jobs[&id].job;
        let age = u64::try_from(now - job.created_at).unwrap_or(0);
        if job.counters.runs >= job.policy.runs_max {
            Some(Reason::RunsExhausted)
        } else {
            job.policy.age_max_ms.is_some_and(|max| age > max).then_some(Reason::AgeExhausted)
        }
    }

    /// The job is due after a while.
    pub(super) fn rest(&mut self, id: JobId, now: Millis, state: State, after: Duration) {
        let job = &mut self.get(id).job;
        job.state = state;
        job.due_at = Some(now + ms(after));
        self.stands(id, now);
    }

    /// The job is in its lane again.
    pub(super) fn make_ready(&mut self, id: JobId, now: Millis) {
        let job = &mut self.get(id).job;
        job.state = State::Ready;
        job.due_at = None;
        self.stands(id, now);
    }

    /// The last error that the job's history tells.
    pub(super) fn last_error(&self, id: JobId) -> Option<ErrorInfo> {
        self.jobs[&id].job.history.iter().rev().find_map(|event| event.error.clone())
    }
}
