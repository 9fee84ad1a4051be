//! A replay is taken back: its job, which never started, is Cancelled, and the letter is Dead again, in the index, the counts and its group.

use super::{
    cancel::seen,
    deliver, end, group,
    row::{self, REPLAYED, Row},
    tx::{CANCELLED, DEAD, READY, SCHEDULED, Tx, WAITING},
};
use crate::{BrokerError, EventKind, Reason, Scope, Undo};
use longshore_base::Code;

type Result<T> = std::result::Result<T, BrokerError>;

/// Takes a batch back, item by item.
pub(super) fn undo(tx: &mut Tx<'_>, scope: &Scope, undos: &[Undo]) -> Result<Vec<Result<()>>> {
    let mut answers = Vec::with_capacity(undos.len());
    for undo in undos {
        answers.push(one(tx, scope, *undo)?);
        deliver::drain(tx)?;
    }
    Ok(answers)
}

fn one(tx: &mut Tx<'_>, scope: &Scope, undo: Undo) -> Result<Result<()>> {
    let Some(mut letter) = seen(tx, scope, undo.id)? else { return Ok(Err(BrokerError::NotFound)) };
    let (body, _) = row::body(tx.db, letter.seq)?;
    if !body.replays.contains(undo.replay.as_bytes()) {
        return Ok(Err(BrokerError::NotFound));
    }
    let replay = row::find(tx.db, undo.replay)?;
    let stands = letter.state == REPLAYED && body.replays.last() == Some(undo.replay.as_bytes());
    match replay {
        Some(mut job) if stands && untouched(&job) => {
            job.note(tx.db, tx.now, EventKind::Cancelled, None, None)?;
            end::end(tx, &mut job, CANCELLED, Some(Reason::Undone), None)?;
            come_back(tx, &mut letter)?;
            Ok(Ok(()))
        }
        // It was taken back before; retention may have removed it since.
        Some(job) if !stands && job.reason == Some(row::reason_code(Reason::Undone)) => Ok(Ok(())),
        None if !stands => Ok(Ok(())),
        other => Ok(Err(started(undo, other.as_ref()))),
    }
}

/// Never leased, and not ended.
fn untouched(job: &Row) -> bool {
    job.counters.runs == 0 && matches!(job.state, SCHEDULED | READY | WAITING)
}

/// The letter is one again, from when it died.
fn come_back(tx: &mut Tx<'_>, letter: &mut Row) -> Result<()> {
    letter.note(tx.db, tx.now, EventKind::Undone, None, None)?;
    tx.shift(letter, DEAD);
    let died_at = letter.ended_at.unwrap_or(tx.now);
    group::join(tx, letter, None, died_at, false)?;
    letter.put(tx.db)
}

fn started(undo: Undo, replay: Option<&Row>) -> BrokerError {
    let detail = match replay {
        Some(job) => {
            let leased = if job.counters.runs == 1 { "once".to_owned() } else { format!("{} times", job.counters.runs) };
            format!("{}, which repeats {}, is {} and was leased {leased}", job.id, undo.id, job.state())
        }
        None => format!("{}, which repeats {}, has ended and is not there any more", undo.replay, undo.id),
    };
    BrokerError::Conflict { code: Code::ReplayStarted, detail }
}
