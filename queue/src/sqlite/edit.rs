//! What people change about a job that does not run: edit, bring forward, give up.

use super::{
    cancel::{conflict, seen},
    deliver, end,
    enqueue::due_at,
    row,
    tx::{DEAD, READY, RETRYING, SCHEDULED, Tx},
    unique::reschedule,
};
use crate::{BrokerError, Edit, EventKind, JobId, PAYLOAD_MAX, Reason, Scope, State};
use longshore_base::Code;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Changes a Scheduled, Ready or Retrying job.
pub(super) fn edit(tx: &mut Tx<'_>, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<Result<u32>> {
    let Some(mut job) = seen(tx, scope, id)? else { return Ok(Err(BrokerError::NotFound)) };
    if !matches!(job.state, SCHEDULED | READY | RETRYING) {
        return Ok(Err(conflict(Code::NotEditable, &job)));
    }
    if job.revision != revision {
        return Ok(Err(conflict(Code::RevisionMismatch, &job)));
    }
    if edit.args.as_ref().is_some_and(|args| args.get().len() > PAYLOAD_MAX) {
        return Ok(Err(conflict(Code::ArgsTooLarge, &job)));
    }
    let (mut body, args) = row::body(tx.db, job.seq)?;
    if let Some(priority) = edit.priority {
        job.rank = 9 - priority.get();
        if job.state == READY {
            tx.moved(&job);
        }
    }
    if let Some(due) = edit.due {
        let due = due_at(tx.now, due);
        reschedule(tx, &mut job, due);
        if job.counters.runs == 0 {
            body.run_at = job.due_at;
        }
    }
    body.tags = edit.tags.unwrap_or(body.tags);
    let args = edit.args.map_or(args, |args| args.get().to_owned());
    job.revision += 1;
    tx.touched.job(job.id);
    tx.db.exec("job.put_body", params![job.seq, body.pack()?, args])?;
    job.put(tx.db)?;
    Ok(Ok(job.revision))
}

/// Retrying or Scheduled → Ready.
pub(super) fn retry_now(tx: &mut Tx<'_>, scope: &Scope, id: JobId) -> Result<Result<State>> {
    let Some(mut job) = seen(tx, scope, id)? else { return Ok(Err(BrokerError::NotFound)) };
    if !matches!(job.state, SCHEDULED | RETRYING) {
        return Ok(Err(conflict(Code::NotRetryable, &job)));
    }
    job.note(tx.db, tx.now, EventKind::RetriedNow, None, None)?;
    tx.shift(&mut job, READY);
    job.put(tx.db)?;
    Ok(Ok(State::Ready))
}

/// Retrying → Dead.
pub(super) fn give_up(tx: &mut Tx<'_>, scope: &Scope, id: JobId) -> Result<Result<State>> {
    let Some(mut job) = seen(tx, scope, id)? else { return Ok(Err(BrokerError::NotFound)) };
    if job.state != RETRYING {
        return Ok(Err(conflict(Code::NotRetryable, &job)));
    }
    let error = end::last_error(tx, &job)?;
    job.note(tx.db, tx.now, EventKind::Died, None, error.as_ref())?;
    end::end(tx, &mut job, DEAD, Some(Reason::GivenUp), error.as_ref())?;
    deliver::drain(tx)?;
    Ok(Ok(State::Dead))
}
