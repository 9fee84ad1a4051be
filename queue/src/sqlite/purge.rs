//! Ended → removed, and which jobs retention wants removed.

use super::{
    cancel::seen,
    db::Db,
    group, row,
    row::Row,
    tx::{CANCELLED, COMPLETED, Tx},
};
use crate::{BrokerError, Job, JobId, Scope};
use longshore_base::Millis;
use rusqlite::params;
use std::collections::HashSet;

type Result<T> = std::result::Result<T, BrokerError>;

/// An ended job of which nothing is kept stays this long, so that a repeated call finds it.
pub(super) const LIFE_MIN_MS: Millis = 600_000;

const HANGING: [&str; 9] = [
    "purge.body",
    "purge.events",
    "purge.notes",
    "purge.logs",
    "purge.saves",
    "purge.steps",
    "purge.children",
    "purge.signals",
    "purge.merged",
];

/// Removes what has ended; answers whether each is gone.
pub(super) fn purge(tx: &mut Tx<'_>, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
    ids.iter().map(|id| one(tx, scope, *id)).collect()
}

fn one(tx: &mut Tx<'_>, scope: &Scope, id: JobId) -> Result<bool> {
    let Some(mut job) = seen(tx, scope, id)? else { return Ok(row::find(tx.db, id)?.is_none()) };
    if job.is_live() || pinned(tx, &job)? {
        return Ok(false);
    }
    group::leave(tx, &mut job)?;
    tx.db.exec("purge.job", [job.seq])?;
    for table in HANGING {
        tx.db.exec(table, [job.seq])?;
    }
    tx.gone(&job);
    Ok(true)
}

fn pinned(tx: &Tx<'_>, job: &Row) -> Result<bool> {
    job.parent.map_or(Ok(false), |parent| tx.db.any("purge.pinned", [parent.as_bytes()]))
}

/// Ended jobs whose retention is over, oldest first.
pub(super) fn expired(db: Db<'_>, queue: u16, now: Millis, keep: Millis, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
    let before = now.saturating_sub(keep);
    let mut late = db.all("purge.own", params![queue, now, limit], Row::read)?;
    for state in [COMPLETED, CANCELLED] {
        late.extend(db.all("purge.expired", params![queue, state, before, limit], Row::read)?);
    }
    let ended: u64 = db.must("purge.ended", [queue], |row| row.get(0))?;
    let over = usize::try_from(ended.saturating_sub(keep_count)).unwrap_or(usize::MAX).min(limit);
    if over > 0 {
        let mut oldest = Vec::new();
        for state in [COMPLETED, CANCELLED] {
            oldest.extend(db.all("purge.oldest", params![queue, state, over], Row::read)?);
        }
        oldest.sort_by_key(|job| (job.ended_at, job.seq));
        oldest.truncate(over);
        late.extend(oldest);
    }
    late.sort_by_key(|job| (job.ended_at, job.seq));
    let mut seen = HashSet::new();
    late.into_iter().filter(|job| seen.insert(job.seq)).take(limit).map(|job| job.load(db)).collect()
}
