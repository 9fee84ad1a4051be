//! – → Dead: a letter from elsewhere, with its history, joins the dead index, the counts and its group.

use super::{
    enqueue::{self, Lanes},
    group, row,
    tx::{DEAD, Tx},
};
use crate::{BrokerError, Enqueued, EventKind, Letter, State};
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Takes a batch in, item by item.
pub(super) fn bury(tx: &mut Tx<'_>, letters: Vec<Letter>, homes: &HashMap<String, u16>) -> Result<Vec<Result<Enqueued>>> {
    let mut lanes = Lanes::default();
    let mut answers = Vec::with_capacity(letters.len());
    for letter in letters {
        answers.push(match refusal(&letter, homes) {
            Some(refused) => Err(refused),
            None => Ok(one(tx, &mut lanes, letter)?),
        });
    }
    Ok(answers)
}

fn refusal(letter: &Letter, homes: &HashMap<String, u16>) -> Option<BrokerError> {
    let job = &letter.job;
    if job.parent.is_some() || job.wait.is_some() {
        return Some(BrokerError::Refused(format!("{} has a parent or waits; a letter from elsewhere does neither", job.id)));
    }
    enqueue::refusal(job, homes)
}

fn one(tx: &mut Tx<'_>, lanes: &mut Lanes, letter: Letter) -> Result<Enqueued> {
    let Letter { job: new, counters, reason, history, started_at, ended_at } = letter;
    if let Some(there) = enqueue::known(tx, new.id, false)? {
        return Ok(there);
    }
    let (mut job, body) = enqueue::record(tx, lanes, &new, DEAD, None, None)?;
    job.expires_at = None;
    (job.counters, job.reason) = (counters, Some(row::reason_code(reason)));
    (job.started_at, job.ended_at) = (started_at, Some(ended_at));
    enqueue::store(tx, &mut job, &body, &new)?;
    for event in &history {
        job.copy(tx.db, event)?;
    }
    job.note(tx.db, tx.now, EventKind::Imported, None, None)?;
    group::join(tx, &mut job, None, ended_at, true)?;
    job.put(tx.db)?;
    tx.born(&job);
    Ok(Enqueued { id: job.id, state: State::Dead, duplicate: false })
}
