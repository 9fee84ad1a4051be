//! What is told to a job: a child was opened or has ended, a signal came. Wakes the job if that is what it waits for.

use super::{
    codec, end,
    row::{self, Row},
    tx::{DEAD, READY, RUNNING, Tx, WAITING},
};
use crate::{
    BrokerError, Child, ChildOutcome, Delivered, Delivery, EventKind, Inbox, JobId, Json, MAILBOX_MAX, Reason, Signal, State, Wait, WaitOn,
    WaitPolicy, Woken, cause,
};
use longshore_base::Millis;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Longest name and sender's id of a signal, in bytes.
const SIGNAL_NAME_MAX: usize = 128;
/// Largest payload of a signal, in bytes.
const SIGNAL_MAX: usize = 8 * 1024;

/// Tells a batch, item by item.
pub(super) fn deliver(tx: &mut Tx<'_>, deliveries: &[Delivery]) -> Result<Vec<Result<Delivered>>> {
    let mut answers = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        answers.push(tell(tx, delivery)?);
        drain(tx)?;
    }
    Ok(answers)
}

/// Carries what the last job's end has to tell: its parent hears of it, the children of a cancelled job are cancelled.
pub(super) fn drain(tx: &mut Tx<'_>) -> Result<u32> {
    let mut carried = 0;
    loop {
        if let Some(delivery) = tx.outbox.pop_front() {
            // A parent that has gone needs nothing more.
            drop(tell(tx, &delivery)?);
        } else if let Some(child) = tx.cancels.pop_front() {
            // A child that has ended by itself needs no cancel.
            drop(super::cancel::one(tx, &longshore_base::Scope::All, child)?);
        } else {
            return Ok(carried);
        }
        carried += 1;
    }
}

fn tell(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<Result<Delivered>> {
    let Some(mut job) = row::find(tx.db, delivery.target())? else { return Ok(Ok(Delivered::Gone)) };
    let told = match delivery {
        Delivery::ChildOpened { token, key, child, .. } => {
            if job.state != RUNNING || job.token != i64::try_from(token.0).ok() {
                tx.lease_lost(job.queue, 1)?;
                return Ok(Err(BrokerError::LeaseLost));
            }
            if known(tx, job.seq, key)?.is_some() {
                return Ok(Ok(Delivered::Repeated));
            }
            put_child(tx, job.seq, key, *child, None)?;
            return Ok(Ok(Delivered::Kept));
        }
        _ if !job.is_live() => return Ok(Ok(Delivered::Gone)),
        Delivery::ChildEnded { key, child, outcome, .. } => {
            if known(tx, job.seq, key)?.is_some_and(|(there, ended)| ended && there == *child) {
                return Ok(Ok(Delivered::Repeated));
            }
            put_child(tx, job.seq, key, *child, Some(outcome))?;
            Delivered::Kept
        }
        Delivery::Signal { once, name, payload, .. } => match signal(tx, job.seq, once, name, payload)? {
            Ok(true) => Delivered::Kept,
            Ok(false) => return Ok(Ok(Delivered::Repeated)),
            Err(refused) => return Ok(Err(refused)),
        },
    };
    tx.touched.job(job.id);
    look(tx, &mut job)?;
    Ok(Ok(told))
}

fn known(tx: &Tx<'_>, seq: i64, key: &str) -> Result<Option<(JobId, bool)>> {
    let read = |row: &rusqlite::Row<'_>| Ok((JobId::from_bytes(row.get(0)?), row.get::<_, Option<u8>>(1)?.is_some()));
    tx.db.one("deliver.child", params![seq, key], read)
}

fn put_child(tx: &Tx<'_>, seq: i64, key: &str, child: JobId, outcome: Option<&ChildOutcome>) -> Result<()> {
    let state = outcome.map(|outcome| row::code(outcome.state));
    let output = outcome.and_then(|outcome| outcome.output.as_ref()).map(|output| output.get());
    let error = outcome.and_then(|outcome| outcome.error.as_ref()).map(codec::pack).transpose()?;
    tx.db.exec("deliver.put_child", params![seq, key, child.as_bytes(), state, output, error])?;
    Ok(())
}

fn signal(tx: &Tx<'_>, seq: i64, once: &str, name: &str, payload: &Json) -> Result<Result<bool>> {
    if tx.db.any("deliver.has_signal", params![seq, once])? {
        return Ok(Ok(false));
    }
    let (held, last): (usize, i64) = tx.db.must("deliver.mailbox", [seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if held >= MAILBOX_MAX {
        return Ok(Err(BrokerError::Refused(format!("the mailbox holds {held} signals; no more are taken"))));
    }
    if once.len() > SIGNAL_NAME_MAX || name.len() > SIGNAL_NAME_MAX || payload.get().len() > SIGNAL_MAX {
        let limits = format!("a signal's name has at most {SIGNAL_NAME_MAX} bytes, its payload {SIGNAL_MAX}");
        return Ok(Err(BrokerError::Refused(limits)));
    }
    tx.db.exec("deliver.add_signal", params![seq, last + 1, once, name, payload.get(), tx.now])?;
    Ok(Ok(true))
}

/// A job that has just begun to wait, unless what it waits for is there already.
pub(super) fn begin(tx: &mut Tx<'_>, job: &mut Row) -> Result<()> {
    look(tx, job)?;
    if job.state == WAITING {
        tx.tell_state(job);
    }
    Ok(())
}

/// Wakes the job if its wait has ended by what it was told, and writes its row if that changed it.
pub(super) fn look(tx: &mut Tx<'_>, job: &mut Row) -> Result<()> {
    let Some(wait) = job.wait.as_deref().filter(|_| job.state == WAITING) else { return Ok(()) };
    let wait: Wait = codec::unpack(wait)?;
    let count = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?));
    let (open, ended, failed) = tx.db.must("deliver.count", [job.seq], count)?;
    let met = match &wait.on {
        WaitOn::AllChildren => open == 0,
        WaitOn::AnyChild => ended > 0,
        WaitOn::Signal(name) => tx.db.any("deliver.signalled", params![job.seq, name])?,
        WaitOn::Job(leader) => super::follow::is_over(tx.db, *leader)?,
    };
    let failed = failed > 0 && !matches!(wait.on, WaitOn::Signal(_) | WaitOn::Job(_));
    match wait.on_child_failed {
        WaitPolicy::Die if failed => die(tx, job, Reason::ChildFailed),
        WaitPolicy::Wake if failed => wake(tx, job, Woken::ChildFailed),
        _ if met => wake(tx, job, Woken::Met),
        _ => Ok(()),
    }
}

fn wake(tx: &mut Tx<'_>, job: &mut Row, why: Woken) -> Result<()> {
    job.note(tx.db, tx.now, EventKind::Woken, None, None)?;
    job.woken = Some(row::woken_code(why));
    tx.shift(job, READY);
    job.put(tx.db)
}

fn die(tx: &mut Tx<'_>, job: &mut Row, reason: Reason) -> Result<()> {
    let error = cause::ended(reason, 0);
    job.note(tx.db, tx.now, EventKind::Died, None, Some(&error))?;
    end::end(tx, job, DEAD, Some(reason), Some(&error))
}

/// The wait's time is over.
pub(super) fn time_out(tx: &mut Tx<'_>, job: &mut Row) -> Result<()> {
    let wait: Option<Wait> = job.wait.as_deref().map(codec::unpack).transpose()?;
    match wait.map(|wait| wait.on_timeout) {
        Some(WaitPolicy::Wake) => wake(tx, job, Woken::TimedOut),
        Some(WaitPolicy::Die) => die(tx, job, Reason::WaitTimedOut),
        Some(WaitPolicy::Ignore) | None => {
            job.due_at = Some(row::NEVER);
            job.put(tx.db)
        }
    }
}

/// A job's children and mailbox.
pub(super) fn inbox(db: super::db::Db<'_>, id: JobId) -> Result<Inbox> {
    let job = row::find(db, id)?.ok_or(BrokerError::NotFound)?;
    type Line = (String, [u8; 16], Option<u8>, Option<String>, Option<Vec<u8>>);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let lines: Vec<Line> = db.all("deliver.children", [job.seq], read)?;
    let child = |(key, id, state, output, error): Line| {
        let outcome = |state: State| {
            let output = output.map(codec::json).transpose()?;
            Ok::<_, BrokerError>(ChildOutcome { state, output, error: error.as_deref().map(codec::unpack).transpose()? })
        };
        Ok(Child { key, id: JobId::from_bytes(id), outcome: state.map(row::state).map(outcome).transpose()? })
    };
    let mail = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let signals: Vec<(String, String, String, Millis)> = db.all("deliver.signals", [job.seq], mail)?;
    let signal = |(once, name, payload, at)| Ok(Signal { once, name, payload: codec::json(payload)?, at });
    Ok(Inbox {
        children: lines.into_iter().map(child).collect::<Result<_>>()?,
        signals: signals.into_iter().map(signal).collect::<Result<_>>()?,
    })
}
