//! The end of an attempt: every row of the state table that leaves Running by an ack.

use super::{
    codec::{self, after},
    deliver, end, gate,
    row::{self, NEVER, Row},
    settle::{self, Ending, Verdict},
    tx::{CANCELLED, COMPLETED, DEAD, READY, RETRYING, RUNNING, SCHEDULED, Tx, WAITING},
};
use crate::{Ack, Acked, BrokerError, ErrorInfo, EventKind, Json, Outcome, PAYLOAD_MAX, Reason, Wait, cause};
use longshore_base::Code;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

/// Ends a batch of attempts, item by item.
pub(super) fn ack(tx: &mut Tx<'_>, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
    let mut answers = Vec::with_capacity(acks.len());
    for ack in acks {
        answers.push(one(tx, worker, ack)?);
        deliver::drain(tx)?;
    }
    Ok(answers)
}

fn one(tx: &mut Tx<'_>, worker: &str, ack: Ack) -> Result<Result<Acked>> {
    let token = i64::try_from(ack.token.0).ok();
    let Some(mut job) = row::find(tx.db, ack.id)? else {
        tx.lease_lost(ack.id.home().0, 1)?;
        return Ok(Err(BrokerError::LeaseLost));
    };
    if job.state != RUNNING || job.token != token {
        // The first payload of a token won; an older token, or one whose lease was lost, is refused.
        return match job.prev_state {
            Some(state) if job.state != RUNNING && job.prev_token == token => Ok(Ok(Acked { state: row::state(state), repeated: true })),
            _ => {
                tx.lease_lost(job.queue, 1)?;
                Ok(Err(BrokerError::LeaseLost))
            }
        };
    }
    if let Outcome::Wait(wait) = &ack.outcome
        && let Err(refused) = wait.check_ack()
    {
        return Ok(Err(refused));
    }
    let outcome = bounded(ack.outcome);
    settle::settle(tx, &mut job, ending(ack.ran, ack.used, &outcome))?;
    end_attempt(tx, &mut job, worker, outcome)?;
    Ok(Ok(Acked { state: job.state(), repeated: false }))
}

fn ending(ran: Duration, used: Option<u64>, outcome: &Outcome) -> Ending {
    let verdict = match outcome {
        Outcome::Complete { .. } => Verdict::Good,
        Outcome::Retry { .. } | Outcome::Dead { .. } => Verdict::Bad,
        Outcome::Release { started: false } => return Ending::Unstarted,
        Outcome::Release { started: true } => return Ending::Interrupted { used },
        Outcome::Snooze { .. } | Outcome::Gate { .. } | Outcome::Wait(_) | Outcome::Cancel => Verdict::Open,
    };
    Ending::Ran { ran, used, verdict }
}

fn end_attempt(tx: &mut Tx<'_>, job: &mut Row, worker: &str, outcome: Outcome) -> Result<()> {
    let cancelled = job.cancel;
    job.settled = true;
    let exhausted = job.counters.attempts.saturating_add(1) >= job.attempts_max;
    let counters = &mut job.counters;
    match &outcome {
        Outcome::Complete { .. } | Outcome::Retry { .. } | Outcome::Dead { .. } => {
            counters.attempts = counters.attempts.saturating_add(1);
            counters.crashes_in_row = 0;
        }
        Outcome::Release { started } => counters.interruptions = counters.interruptions.saturating_add(u16::from(*started)),
        Outcome::Snooze { .. } | Outcome::Gate { .. } | Outcome::Wait(_) | Outcome::Cancel => counters.crashes_in_row = 0,
    }
    let worn = match &outcome {
        Outcome::Snooze { .. } | Outcome::Gate { .. } if !cancelled => worn_out(tx, job)?,
        _ => None,
    };
    let (what, told) = line(&outcome, exhausted, job.repeatable);
    let error = worn.map(|reason| cause::ended(reason, job.counters.runs)).or(told);
    job.note(tx.db, tx.now, what, Some(worker), error.as_ref())?;
    job.woken = None;
    if let Outcome::Gate { after, reason } = &outcome {
        gate::close(tx, job, *after, reason)?;
    }
    match outcome {
        Outcome::Complete { output } => complete(tx, job, output),
        Outcome::Dead { reason, .. } => end::end(tx, job, DEAD, Some(reason), error.as_ref()),
        Outcome::Retry { .. } if exhausted => end::end(tx, job, DEAD, Some(Reason::Exhausted), error.as_ref()),
        Outcome::Release { started: true } if !job.repeatable => end::end(tx, job, DEAD, Some(Reason::OutcomeUnknown), error.as_ref()),
        Outcome::Cancel => end::end(tx, job, CANCELLED, Some(Reason::Cancelled), None),
        _ if cancelled => end::end(tx, job, CANCELLED, Some(Reason::Cancelled), None),
        _ if worn.is_some() => end::end(tx, job, DEAD, worn, error.as_ref()),
        Outcome::Retry { after, .. } => rest(tx, job, RETRYING, after),
        Outcome::Snooze { after } => rest(tx, job, SCHEDULED, after),
        Outcome::Gate { .. } | Outcome::Release { .. } => back(tx, job),
        Outcome::Wait(wait) => fall_asleep(tx, job, &wait),
    }
}

/// The history's line for this end.
fn line(outcome: &Outcome, exhausted: bool, repeatable: bool) -> (EventKind, Option<ErrorInfo>) {
    match outcome {
        Outcome::Complete { .. } => (EventKind::Completed, None),
        Outcome::Retry { error, .. } => (if exhausted { EventKind::Died } else { EventKind::Retried }, Some(error.clone())),
        Outcome::Dead { error, .. } => (EventKind::Died, Some(error.clone())),
        Outcome::Snooze { .. } => (EventKind::Snoozed, None),
        Outcome::Gate { reason, .. } => (EventKind::Gated, Some(cause::gated(reason))),
        Outcome::Release { started } => (EventKind::Released, (*started && !repeatable).then(cause::stopped)),
        Outcome::Wait(_) => (EventKind::Waited, None),
        Outcome::Cancel => (EventKind::Cancelled, None),
    }
}

/// What is kept of a payload: errors are cut, an output beyond the limit makes the attempt a final failure.
fn bounded(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Complete { output: Some(output) } if output.get().len() > PAYLOAD_MAX => {
            let code = Code::OutputTooLarge.as_str().to_owned();
            let message = format!("the output has {} bytes; at most {PAYLOAD_MAX} are kept", output.get().len());
            Outcome::Dead { reason: Reason::OutputTooLarge, error: ErrorInfo { fingerprint: code.clone(), code, message } }
        }
        Outcome::Retry { after, error } => Outcome::Retry { after, error: codec::cut(error) },
        Outcome::Dead { reason, error } => Outcome::Dead { reason, error: codec::cut(error) },
        other => other,
    }
}

fn complete(tx: &mut Tx<'_>, job: &mut Row, output: Option<Json>) -> Result<()> {
    job.output = output.map(|output| output.get().to_owned());
    end::end(tx, job, COMPLETED, None, None)
}

/// The job is due after a while.
pub(super) fn rest(tx: &mut Tx<'_>, job: &mut Row, to: u8, wait: Duration) -> Result<()> {
    job.due_at = Some(after(tx.now, wait).min(NEVER - 1));
    tx.shift(job, to);
    job.put(tx.db)
}

/// The job is Ready again, at its place.
fn back(tx: &mut Tx<'_>, job: &mut Row) -> Result<()> {
    tx.shift(job, READY);
    job.put(tx.db)
}

/// An end that moves no counter is bounded by how often the job ran and how old it is.
fn worn_out(tx: &Tx<'_>, job: &Row) -> Result<Option<Reason>> {
    let (body, _) = row::body(tx.db, job.seq)?;
    let age = u64::try_from(tx.now.saturating_sub(job.created_at)).unwrap_or(0);
    Ok(if job.counters.runs >= body.runs_max {
        Some(Reason::RunsExhausted)
    } else if body.age_max_ms.is_some_and(|max| age > max) {
        Some(Reason::AgeExhausted)
    } else {
        None
    })
}

/// The job waits, unless what it waits for is there already.
fn fall_asleep(tx: &mut Tx<'_>, job: &mut Row, wait: &Wait) -> Result<()> {
    job.wait = Some(codec::pack(wait)?);
    job.due_at = Some(wait.timeout.map_or(NEVER, |timeout| after(tx.now, timeout).min(NEVER - 1)));
    tx.shift(job, WAITING);
    job.put(tx.db)?;
    deliver::begin(tx, job)
}
