//! What every end of a job brings, and how it is told to whoever waits for it.

use super::{
    codec, follow, group, row,
    row::Row,
    tx::{CANCELLED, DEAD, Tx},
    unique,
};
use crate::{BrokerError, ChildOutcome, Delivery, ErrorInfo, JobId, Parent, Reason};

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
        group::join(tx, job, error, tx.now, true)?;
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
