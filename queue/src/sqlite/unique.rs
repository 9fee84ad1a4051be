//! Unique keys in (queue, tenant, kind): who holds one, what happens to the second job, when a key is free again.

use super::{
    codec::{self, after},
    enqueue::due_at,
    row::{self, Row},
    tx::{READY, SCHEDULED, Tx},
};
use crate::{BrokerError, Enqueued, JobId, NewJob, Unique, UniqueMode};
use longshore_base::Millis;
use rusqlite::params;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

/// How far *replace* pushes a due time unless the caller says otherwise.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// Ids merged into one job that are remembered.
const MERGED_MAX: u32 = 1_000;

/// The job that holds the key now.
pub(super) fn holder(tx: &Tx<'_>, turn: i64, kind: &str, key: &str) -> Result<Option<Row>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Option<Millis>>(1)?));
    match tx.db.one("unique.holder", params![turn, kind, key], read)? {
        Some((id, until)) if until.is_none_or(|until| until > tx.now) => row::find(tx.db, JobId::from_bytes(id)),
        _ => Ok(None),
    }
}

/// The second job with a taken key: the holder is answered, or takes over what is newest. None: the key moves to the second job.
pub(super) fn meet(tx: &mut Tx<'_>, mut holder: Row, new: &NewJob) -> Result<Option<Enqueued>> {
    let Some(UniqueMode::Replace { wait_max }) = new.unique.as_ref().map(|unique| unique.mode) else {
        return Ok(Some(Enqueued { id: holder.id, state: holder.state(), duplicate: true }));
    };
    if holder.counters.runs > 0 || !matches!(holder.state, SCHEDULED | READY) {
        return Ok(None);
    }
    let due = due_at(tx.now, new.due).min(after(holder.created_at, wait_max.unwrap_or(WAIT_MAX)));
    reschedule(tx, &mut holder, due);
    let (mut body, _) = row::body(tx.db, holder.seq)?;
    body.kind_version = new.kind_version;
    holder.cost = new.cost;
    body.run_at = holder.due_at;
    tx.db.exec("job.put_body", params![holder.seq, body.pack()?, new.args.get()])?;
    holder.put(tx.db)?;
    tx.db.exec("unique.merge", params![new.id.as_bytes(), holder.seq])?;
    tx.db.exec("unique.forget_merged", params![holder.seq, MERGED_MAX])?;
    Ok(Some(Enqueued { id: holder.id, state: holder.state(), duplicate: true }))
}

/// Gives a job that does not run another due time: Ready if that is over, Scheduled otherwise. The caller writes the row.
pub(super) fn reschedule(tx: &mut Tx<'_>, job: &mut Row, due: Millis) {
    if due <= tx.now {
        tx.shift(job, READY);
    } else {
        job.due_at = Some(due);
        let to = if job.state == READY { SCHEDULED } else { job.state };
        tx.shift(job, to);
    }
}

/// The key is this job's from now on.
pub(super) fn take(tx: &Tx<'_>, turn: i64, kind: &str, unique: &Unique, id: JobId) -> Result<()> {
    let until = match unique.mode {
        UniqueMode::Throttle { window } => Some(after(tx.now, window)),
        UniqueMode::Keep | UniqueMode::KeepUntilStarted | UniqueMode::Replace { .. } => None,
    };
    tx.db.exec("unique.take", params![turn, kind, unique.key, id.as_bytes(), until])?;
    Ok(())
}

/// Frees the key at the job's end, or at its start for *keep until started*. A throttle's window stays.
pub(super) fn free(tx: &Tx<'_>, job: &Row, starts: bool) -> Result<()> {
    let (Some(key), Some(mode)) = (&job.unique_key, job.unique_mode) else { return Ok(()) };
    let throttles = mode == codec::mode(UniqueMode::Throttle { window: Duration::ZERO });
    if throttles || (starts && mode != codec::mode(UniqueMode::KeepUntilStarted)) {
        return Ok(());
    }
    let kind: String = tx.db.must("job.kind", [job.lane], |row| row.get(0))?;
    tx.db.exec("unique.free", params![job.turn, kind, key, job.id.as_bytes()])?;
    Ok(())
}
