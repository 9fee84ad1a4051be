//! A job that waits for the end of another one of its queue. Followers hang on the row of the job that they wait for; a job that nobody has
//! followed says so itself, and its end looks for none.

use super::{db::Db, deliver, row::Row, tx::Tx};
use crate::{BrokerError, FOLLOWERS_MAX, JobId, NewJob, WaitOn};
use longshore_base::Code;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// The job whose end `new` waits for.
pub(super) const fn leader(new: &NewJob) -> Option<JobId> {
    match &new.wait {
        Some(wait) => match wait.on {
            WaitOn::Job(leader) => Some(leader),
            _ => None,
        },
        None => None,
    }
}

/// Why `new` may not wait: so many wait for the same job already.
pub(super) fn crowded(db: Db<'_>, new: &NewJob) -> Result<Option<BrokerError>> {
    let Some(leader) = leader(new) else { return Ok(None) };
    let Some(seq) = there(db, leader)? else { return Ok(None) };
    let (_, waiting) = crowd(db, seq)?;
    let detail = || format!("{waiting} jobs wait for the end of {leader}; no more than {FOLLOWERS_MAX} may");
    Ok((waiting >= FOLLOWERS_MAX).then(|| BrokerError::Conflict { code: Code::RequestInvalid, detail: detail() }))
}

/// The job has ended, or is not there any more.
pub(super) fn is_over(db: Db<'_>, leader: JobId) -> Result<bool> {
    Ok(there(db, leader)?.is_none())
}

/// Whether anybody waits for the end of this job.
pub(super) fn waited_for(db: Db<'_>, seq: i64) -> Result<bool> {
    Ok(crowd(db, seq)?.1 > 0)
}

/// `job`, just written, waits for the end of `leader` from now on, if that has not ended.
pub(super) fn begin(tx: &Tx<'_>, job: &Row, leader: JobId) -> Result<()> {
    let Some(seq) = there(tx.db, leader)? else { return Ok(()) };
    if crowd(tx.db, seq)?.0 >= FOLLOWERS_MAX {
        tx.db.exec("follow.forget", [seq])?;
    }
    tx.db.exec("follow.add", params![seq, job.seq])?;
    tx.db.exec("follow.mark", [seq])?;
    Ok(())
}

/// Wakes whoever waited for the end of `job`, whose row says that it has ended.
pub(super) fn wake(tx: &mut Tx<'_>, job: &Row) -> Result<()> {
    let waiting = tx.db.all("follow.waiting", [job.seq], Row::read)?;
    tx.db.exec("follow.drop", [job.seq])?;
    for mut follower in waiting {
        deliver::look(tx, &mut follower)?;
    }
    Ok(())
}

fn there(db: Db<'_>, leader: JobId) -> Result<Option<i64>> {
    db.one("follow.leader", [leader.as_bytes()], |row| row.get(0))
}

/// Everybody who ever followed, and those who still wait.
fn crowd(db: Db<'_>, seq: i64) -> Result<(usize, usize)> {
    db.must("follow.crowd", [seq], |row| Ok((row.get(0)?, row.get(1)?)))
}
