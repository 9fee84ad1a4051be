//! Scheduled, Ready, Retrying → Cancelled (moved), and a new job in another queue that goes on. Both queues live in one file, so that both
//! happen in one step: there is never one without the other, and nothing is left for a tick to carry over.

use super::{
    cancel::seen,
    codec::Body,
    deliver, end,
    enqueue::{self, Lanes},
    follow,
    row::{self, Row},
    tx::{CANCELLED, READY, RETRYING, SCHEDULED, Tx},
};
use crate::{BrokerError, Due, EventKind, JobId, NewJob, Priority, Reason, Relocation, Scope, Tick};
use longshore_base::Code;
use rusqlite::params;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Moves a batch, item by item.
pub(super) fn relocate(tx: &mut Tx<'_>, scope: &Scope, moves: Vec<Relocation>, homes: &HashMap<String, u16>) -> Result<Vec<Result<JobId>>> {
    let mut lanes = Lanes::default();
    let mut answers = Vec::with_capacity(moves.len());
    for relocation in moves {
        answers.push(one(tx, &mut lanes, scope, relocation, homes)?);
        deliver::drain(tx)?;
    }
    Ok(answers)
}

fn one(tx: &mut Tx<'_>, lanes: &mut Lanes, scope: &Scope, relocation: Relocation, homes: &HashMap<String, u16>) -> Result<Result<JobId>> {
    let Some(mut old) = seen(tx, scope, relocation.id)? else { return Ok(Err(BrokerError::NotFound)) };
    let (mut body, args) = row::body(tx.db, old.seq)?;
    let moved = old.state == CANCELLED && old.reason == Some(row::reason_code(Reason::Moved));
    if moved && body.moved_to == Some(*relocation.new_id.as_bytes()) {
        return Ok(Ok(relocation.new_id));
    }
    if let Some(why) = pinned(tx, &old, &relocation)? {
        return Ok(Err(BrokerError::Conflict { code: Code::NotMovable, detail: why }));
    }
    let new = next(tx, &old, &body, args, &relocation)?;
    if let Some(refused) = enqueue::refusal(&new, homes) {
        return Ok(Err(refused));
    }
    body.moved_to = Some(*relocation.new_id.as_bytes());
    tx.db.exec("job.set_body", params![old.seq, body.pack()?])?;
    old.note(tx.db, tx.now, EventKind::Moved, None, None)?;
    end::end(tx, &mut old, CANCELLED, Some(Reason::Moved), None)?;
    // One that is there already, or that a unique key leads to, stands for it. It waits for nobody, so that nothing refuses it here.
    Ok(enqueue::put(tx, lanes, new)?.map(|_| relocation.new_id))
}

/// Why a job stays where it is.
fn pinned(tx: &Tx<'_>, old: &Row, relocation: &Relocation) -> Result<Option<String>> {
    let id = old.id;
    if !matches!(old.state, SCHEDULED | READY | RETRYING) {
        return Ok(Some(format!("{id} is {}", old.state())));
    }
    if relocation.new_id.home().0 == old.queue {
        return Ok(Some(format!("{id} is in the queue {} already", relocation.queue)));
    }
    if old.parent.is_some() {
        return Ok(Some(format!("{id} has a parent")));
    }
    if tx.db.any("deliver.any", [old.seq])? {
        return Ok(Some(format!("{id} has children or signals")));
    }
    let followed = old.followed && follow::waited_for(tx.db, old.seq)?;
    Ok(followed.then(|| format!("other jobs wait for the end of {id}")))
}

/// The job that goes on, as it is enqueued in the other queue.
fn next(tx: &Tx<'_>, old: &Row, body: &Body, args: String, relocation: &Relocation) -> Result<NewJob> {
    let names = row::names(tx.db, old.lane)?;
    let due = match old.due_at {
        Some(at) if old.state != READY => Due::At(at),
        _ => Due::Now,
    };
    Ok(NewJob {
        kind_version: body.kind_version,
        client: body.client.clone(),
        lane_key: names.key,
        cost: old.cost,
        resources: names.resources,
        priority: Priority::new(9_u8.saturating_sub(old.rank)).unwrap_or_default(),
        due,
        unique: old.unique_key.clone().zip(old.unique_mode).map(|(key, mode)| body.unique(key, mode)),
        policy: body.policy(old.attempts_max, old.crashes_max, old.repeatable),
        // One that was leased has met it.
        expires_at: body.expires_at.filter(|_| old.counters.runs == 0),
        tags: body.tags.clone(),
        moved_from: Some(old.id),
        tick: body.tick.clone().map(|(schedule, at)| Tick { schedule, at }),
        trace: body.trace.clone(),
        ..NewJob::new(relocation.new_id, relocation.queue.clone(), names.kind, names.tenant, super::codec::json(args)?)
    })
}
