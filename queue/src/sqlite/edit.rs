//! What people change about a job that does not run: edit (letters too), bring forward, give up.

use super::{
    cancel::{conflict, seen},
    codec::Body,
    deliver, end,
    enqueue::due_at,
    history,
    row::{self, Row},
    tx::{DEAD, READY, RETRYING, SCHEDULED, Tx},
    unique::reschedule,
};
use crate::{BrokerError, Change, Edit, EventKind, JobId, PAYLOAD_MAX, Reason, Scope, State};
use longshore_base::{Code, Millis, Name, rfc3339};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Changes a Scheduled, Ready or Retrying job, or the args and tags of a letter that was not repeated. The history says what was there before.
pub(super) fn edit(tx: &mut Tx<'_>, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<Result<u32>> {
    let Some(mut job) = seen(tx, scope, id)? else { return Ok(Err(BrokerError::NotFound)) };
    let editable = match job.state {
        SCHEDULED | READY | RETRYING => true,
        DEAD => edit.priority.is_none() && edit.due.is_none(),
        _ => false,
    };
    if !editable {
        return Ok(Err(conflict(Code::NotEditable, &job)));
    }
    if job.revision != revision {
        return Ok(Err(conflict(Code::RevisionMismatch, &job)));
    }
    if edit.args.as_ref().is_some_and(|args| args.get().len() > PAYLOAD_MAX) {
        return Ok(Err(conflict(Code::ArgsTooLarge, &job)));
    }
    let (mut body, args) = row::body(tx.db, job.seq)?;
    job.edited(tx.db, tx.now, edit.by.as_deref(), &before(&job, &body, &args, &edit))?;
    tx.tell(&job, Change::Edited);
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

/// A line for each thing that an edit names, as it is now; args by their size only.
fn before(job: &Row, body: &Body, args: &str, edit: &Edit) -> String {
    let due = |due: Option<Millis>| due.map_or_else(|| "none".to_owned(), rfc3339);
    let tags = || body.tags.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
    let lines = [
        edit.priority.map(|_| format!("priority {}", 9_u8.saturating_sub(job.rank))),
        edit.due.map(|_| format!("due {}", due(job.due_at))),
        edit.tags.as_ref().map(|_| format!("tags {}", tags())),
        edit.args.as_ref().map(|_| format!("args {} bytes", args.len())),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
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
    let error = history::last_error(tx.db, job.seq)?;
    job.note(tx.db, tx.now, EventKind::Died, None, error.as_ref())?;
    end::end(tx, &mut job, DEAD, Some(Reason::GivenUp), error.as_ref())?;
    deliver::drain(tx)?;
    Ok(Ok(State::Dead))
}
