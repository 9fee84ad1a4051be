//! What every end of a job brings, and how it is told to whoever waits for it.

use super::{
    codec, follow, row,
    row::Row,
    tx::{CANCELLED, DEAD, Tx},
    unique,
};
use crate::{BrokerError, ChildOutcome, Delivery, ErrorInfo, JobId, Parent, Reason};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Ends a job and writes its row: the unique key is freed, dead letters are counted by their fingerprint, the parent is told, who
/// waited for this end is woken, and the open children of a cancelled job are cancelled. `deliver::drain` carries what is told, in the same transaction.
pub(super) fn end(tx: &mut Tx<'_>, job: &mut Row, to: u8, reason: Option<Reason>, error: Option<&ErrorInfo>) -> Result<()> {
    tx.shift(job, to);
    job.ended_at = Some(tx.now);
    job.expires_at = None;
    job.woken = None;
    job.reason = reason.map(row::reason_code);
    job.prune_at = job.prune_after.map(|after| tx.now.saturating_add(after)).filter(|_| to != DEAD);
    unique::free(tx, job, false)?;
    if to == DEAD {
        letter(tx, job, error)?;
    }
    job.put(tx.db)?;
    if to == CANCELLED {
        let open = tx.db.all("deliver.open", [job.seq], |row| row.get::<_, [u8; 16]>(0))?;
        tx.cancels.extend(open.into_iter().map(JobId::from_bytes));
    }
    if job.followed {
        follow::wake(tx, job)?;
    }
    tell_parent(tx, job, error)
}

fn tell_parent(tx: &mut Tx<'_>, job: &Row, error: Option<&ErrorInfo>) -> Result<()> {
    let Some(parent) = job.parent else { return Ok(()) };
    let (body, _) = row::body(tx.db, job.seq)?;
    let output = job.output.clone().map(codec::json).transpose()?;
    let outcome = ChildOutcome { state: job.state(), output, error: error.cloned() };
    let told: Delivery = Parent { id: parent, key: body.parent_key.unwrap_or_default() }.ended(job.id, outcome);
    tx.outbox.push_back(told);
    Ok(())
}

/// Counts a dead letter by its error: the one that ended it, or the last one of its history.
fn letter(tx: &Tx<'_>, job: &mut Row, error: Option<&ErrorInfo>) -> Result<()> {
    let last = match error {
        Some(error) => Some(error.clone()),
        None => last_error(tx, job)?,
    };
    let Some(error) = last else { return Ok(()) };
    let kind: String = tx.db.must("job.kind", [job.lane], |row| row.get(0))?;
    tx.db.exec("ack.letter", params![job.turn, kind, error.fingerprint, codec::pack(&error)?, tx.now])?;
    job.fingerprint = Some(error.fingerprint);
    Ok(())
}

/// Takes a dead letter out of its group.
pub(super) fn unletter(tx: &Tx<'_>, job: &mut Row) -> Result<()> {
    if let Some(fingerprint) = job.fingerprint.take() {
        let kind: String = tx.db.must("job.kind", [job.lane], |row| row.get(0))?;
        tx.db.exec("ack.unletter", params![job.turn, kind, fingerprint])?;
        tx.db.exec("ack.drop_group", params![job.turn, kind, fingerprint])?;
    }
    Ok(())
}

/// The newest error that the job's history tells.
pub(super) fn last_error(tx: &Tx<'_>, job: &Row) -> Result<Option<ErrorInfo>> {
    let bytes = tx.db.one("job.last_error", [job.seq], |row| row.get::<_, Vec<u8>>(0))?;
    bytes.as_deref().map(codec::unpack).transpose()
}
