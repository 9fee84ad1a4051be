//! Cancel: at once unless Running; a running attempt is asked to stop.

use super::{
    deliver, end,
    row::{self, Row},
    tx::{CANCELLED, RUNNING, Tx},
};
use crate::{BrokerError, Change, EventKind, JobId, Reason, Scope, State};
use longshore_base::Code;

type Result<T> = std::result::Result<T, BrokerError>;

/// Cancels a batch, item by item.
pub(super) fn cancel(tx: &mut Tx<'_>, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(one(tx, scope, *id)?);
        deliver::drain(tx)?;
    }
    Ok(answers)
}

/// Cancels one; what its end has to tell waits in the outbox.
pub(super) fn one(tx: &mut Tx<'_>, scope: &Scope, id: JobId) -> Result<Result<State>> {
    let Some(mut job) = seen(tx, scope, id)? else { return Ok(Err(BrokerError::NotFound)) };
    if !job.is_live() {
        return Ok(Err(conflict(Code::NotCancellable, &job)));
    }
    if job.state == RUNNING {
        if !job.cancel {
            tx.tell(&job, Change::CancelRequested);
        }
        job.cancel = true;
        tx.touched.job(job.id);
        job.put(tx.db)?;
        return Ok(Ok(State::Running));
    }
    job.note(tx.db, tx.now, EventKind::Cancelled, None, None)?;
    end::end(tx, &mut job, CANCELLED, Some(Reason::Cancelled), None)?;
    Ok(Ok(State::Cancelled))
}

/// The job, for whoever may see it.
pub(super) fn seen(tx: &Tx<'_>, scope: &Scope, id: JobId) -> Result<Option<Row>> {
    let Some(job) = row::find(tx.db, id)? else { return Ok(None) };
    if let Scope::Tenant(own) = scope {
        let tenant: String = tx.db.must("job.tenant", [job.turn], |row| row.get(0))?;
        if tenant != own.as_str() {
            return Ok(None);
        }
    }
    Ok(Some(job))
}

/// The state or the revision does not allow it.
pub(super) fn conflict(code: Code, job: &Row) -> BrokerError {
    BrokerError::Conflict { code, detail: format!("{} is {} at revision {}", job.id, job.state(), job.revision) }
}
