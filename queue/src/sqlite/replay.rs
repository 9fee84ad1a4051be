//! Dead → Dead, out of the dead index, the counts and the groups; and a new job that names it. `undo.rs` is the way back.

use super::{
    cancel::{conflict, seen},
    deliver, enqueue, group,
    row::{self, REPLAYED},
    tx::{DEAD, Tx},
    unique,
};
use crate::{BrokerError, EventKind, JobId, NewJob, PAYLOAD_MAX, Parent, Priority, Replay, Scope, Tick};
use longshore_base::Code;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Replays a batch, item by item.
pub(super) fn replay(tx: &mut Tx<'_>, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
    let mut answers = Vec::with_capacity(replays.len());
    for replay in replays {
        answers.push(one(tx, scope, replay)?);
        deliver::drain(tx)?;
    }
    Ok(answers)
}

fn one(tx: &mut Tx<'_>, scope: &Scope, replay: Replay) -> Result<Result<JobId>> {
    let Some(mut old) = seen(tx, scope, replay.id)? else { return Ok(Err(BrokerError::NotFound)) };
    let (mut body, args) = row::body(tx.db, old.seq)?;
    if body.replays.contains(replay.new_id.as_bytes()) {
        return Ok(Ok(replay.new_id));
    }
    let taken = tx.db.any("enqueue.state", [replay.new_id.as_bytes()])?;
    if old.state != DEAD || taken || replay.new_id.home() != replay.id.home() {
        return Ok(Err(conflict(Code::NotRetryable, &old)));
    }
    if replay.args.as_ref().is_some_and(|args| args.get().len() > PAYLOAD_MAX) {
        return Ok(Err(conflict(Code::ArgsTooLarge, &old)));
    }
    let names = row::names(tx.db, old.lane)?;
    let args = match replay.args {
        Some(args) => args,
        None => super::codec::json(args.clone())?,
    };
    let new = NewJob {
        kind_version: body.kind_version,
        client: body.client.clone(),
        cost: old.cost,
        resources: names.resources,
        lane_key: names.key,
        priority: Priority::new(9_u8.saturating_sub(old.rank)).unwrap_or_default(),
        unique: old.unique_key.clone().zip(old.unique_mode).map(|(key, mode)| body.unique(key, mode)),
        policy: body.policy(old.attempts_max, old.crashes_max, old.repeatable),
        tags: body.tags.clone(),
        parent: old.parent.zip(body.parent_key.clone()).map(|(id, key)| Parent { id, key }),
        replay_of: Some(old.id),
        tick: body.tick.clone().map(|(schedule, at)| Tick { schedule, at }),
        trace: body.trace.clone(),
        ..NewJob::new(replay.new_id, names.queue, names.kind, names.tenant, args)
    };
    if let Some(key) = &old.unique_key
        && unique::holder(tx, old.turn, new.kind.as_str(), key)?.is_some()
    {
        return Ok(Err(conflict(Code::UniqueTaken, &old)));
    }
    enqueue::insert_one(tx, new)?;
    body.replays.push(*replay.new_id.as_bytes());
    tx.db.exec("job.set_body", params![old.seq, body.pack()?])?;
    group::leave(tx, &mut old)?;
    old.note(tx.db, tx.now, EventKind::Replayed, None, None)?;
    tx.shift(&mut old, REPLAYED);
    old.put(tx.db)?;
    Ok(Ok(replay.new_id))
}
