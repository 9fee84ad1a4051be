//! – → Scheduled, Ready or Waiting; or the job that is there already. The id first, then the unique key, then the job.

use super::{
    codec::{self, Body, after},
    deliver, follow, row,
    row::{NEVER, Row},
    scope::{RESOURCE, flag},
    tx::{READY, SCHEDULED, Tx, WAITING},
    unique,
};
use crate::{BrokerError, Counters, Due, Enqueued, JobId, KEY_MAX, Keep, NewJob, PAYLOAD_MAX, RESOURCES_MAX};
use longshore_base::{Code, Millis, Name};
use rusqlite::params;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Numbers of lanes that a batch has met, by (queue, tenant, kind, key).
#[derive(Debug, Default)]
pub(super) struct Lanes {
    turns: HashMap<(u16, String), i64>,
    lanes: HashMap<(i64, String, String, String), i64>,
}

/// Puts a batch into its queues, item by item.
pub(super) fn enqueue(tx: &mut Tx<'_>, jobs: Vec<NewJob>, homes: &HashMap<String, u16>) -> Result<Vec<Result<Enqueued>>> {
    let mut lanes = Lanes::default();
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        answers.push(match refusal(&job, homes) {
            Some(refused) => Err(refused),
            None => put(tx, &mut lanes, job)?,
        });
        deliver::drain(tx)?;
    }
    Ok(answers)
}

/// What is wrong with a job, whatever is there.
pub(super) fn refusal(job: &NewJob, homes: &HashMap<String, u16>) -> Option<BrokerError> {
    let conflict = |code, detail: String| Some(BrokerError::Conflict { code, detail });
    if homes.get(job.queue.as_str()) != Some(&job.id.home().0) {
        return Some(BrokerError::Refused(format!("{} was not made for the queue {}", job.id, job.queue)));
    }
    let size = job.args.get().len();
    if size > PAYLOAD_MAX {
        return conflict(Code::ArgsTooLarge, format!("args of {size} bytes; at most {PAYLOAD_MAX} are kept"));
    }
    let key = job.unique.as_ref().map_or(0, |unique| unique.key.len()).max(job.lane_key.len());
    if key > KEY_MAX {
        return conflict(Code::RequestInvalid, format!("a key of {key} bytes; at most {KEY_MAX} are kept"));
    }
    let uses = job.resources.len();
    if uses > RESOURCES_MAX {
        return conflict(Code::RequestInvalid, format!("{uses} resources; a job uses at most {RESOURCES_MAX}"));
    }
    job.wait.as_ref().and_then(|wait| wait.check_start(job.id).err())
}

/// Puts a job that [`refusal`] let through. What it has to tell waits in the outbox.
pub(super) fn put(tx: &mut Tx<'_>, lanes: &mut Lanes, new: NewJob) -> Result<Result<Enqueued>> {
    if let Some(there) = known(tx, new.id, new.unique.is_some())? {
        return Ok(Ok(there));
    }
    if let Some(met) = met(tx, lanes, &new)? {
        return Ok(Ok(met));
    }
    if let Some(refused) = follow::crowded(tx.db, &new)? {
        return Ok(Err(refused));
    }
    insert(tx, lanes, new).map(Ok)
}

/// A job that [`refusal`] let through and that is not [`known`]: itself, or the one that its unique key leads to. It may be one more than may
/// wait for the same job. What it has to tell waits in the outbox.
pub(super) fn put_tick(tx: &mut Tx<'_>, lanes: &mut Lanes, new: NewJob) -> Result<Enqueued> {
    match met(tx, lanes, &new)? {
        Some(met) => Ok(met),
        None => insert(tx, lanes, new),
    }
}

/// The job that the unique key leads to.
fn met(tx: &mut Tx<'_>, lanes: &mut Lanes, new: &NewJob) -> Result<Option<Enqueued>> {
    let Some(unique) = &new.unique else { return Ok(None) };
    let Some(turn) = lanes.known_turn(tx, new)? else { return Ok(None) };
    match unique::holder(tx, turn, new.kind.as_str(), &unique.key)? {
        Some(holder) => unique::meet(tx, holder, new),
        None => Ok(None),
    }
}

/// The job of this id, or the one that it was merged into.
pub(super) fn known(tx: &Tx<'_>, id: JobId, unique: bool) -> Result<Option<Enqueued>> {
    let there = |id: JobId, state: u8| Enqueued { id, state: row::state(state), duplicate: true };
    if let Some(state) = tx.db.one("enqueue.state", [id.as_bytes()], |row| row.get::<_, u8>(0))? {
        return Ok(Some(there(id, state)));
    }
    if !unique {
        return Ok(None);
    }
    let merged = tx.db.one("enqueue.merged", [id.as_bytes()], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?)))?;
    Ok(merged.map(|(id, state)| there(JobId::from_bytes(id), state)))
}

/// A new job with `new`'s id; its unique key, if it has one, is its own from now on.
pub(super) fn insert_one(tx: &mut Tx<'_>, new: NewJob) -> Result<Enqueued> {
    insert(tx, &mut Lanes::default(), new)
}

fn insert(tx: &mut Tx<'_>, lanes: &mut Lanes, mut new: NewJob) -> Result<Enqueued> {
    if let Some(leader) = follow::leader(&new)
        && follow::is_over(tx.db, leader)?
    {
        new.wait = None;
    }
    let due = due_at(tx.now, new.due);
    let run_at = (due > tx.now).then_some(due);
    let (state, due_at) = match &new.wait {
        Some(wait) => (WAITING, Some(wait.timeout.map_or(NEVER, |timeout| after(tx.now, timeout).min(NEVER - 1)))),
        None => (if run_at.is_some() { SCHEDULED } else { READY }, run_at),
    };
    let (mut job, body) = record(tx, lanes, &new, state, due_at, run_at)?;
    store(tx, &mut job, &body, &new)?;
    if let Some(unique) = &new.unique {
        unique::take(tx, job.turn, new.kind.as_str(), unique, job.id)?;
    }
    tx.born(&job);
    if job.state == WAITING {
        if let Some(leader) = follow::leader(&new) {
            follow::begin(tx, &job, leader)?;
        }
        deliver::begin(tx, &mut job)?;
    }
    Ok(Enqueued { id: job.id, state: job.state(), duplicate: false })
}

/// Both halves of a new job, not yet stored.
pub(super) fn record(
    tx: &mut Tx<'_>,
    lanes: &mut Lanes,
    new: &NewJob,
    state: u8,
    due_at: Option<Millis>,
    run_at: Option<Millis>,
) -> Result<(Row, Vec<u8>)> {
    let turn = lanes.turn(tx, new)?;
    let lane = lanes.lane(tx, turn, new)?;
    let job = Row {
        seq: 0,
        id: new.id,
        queue: new.id.home().0,
        turn,
        lane,
        state,
        rank: 9 - new.priority.get(),
        suspect: false,
        due_at,
        ready_at: (state == READY).then_some(tx.now),
        expires_at: new.expires_at,
        created_at: tx.now,
        started_at: None,
        ended_at: None,
        counters: Counters::default(),
        attempts_max: new.policy.attempts_max,
        crashes_max: new.policy.crashes_max,
        repeatable: new.policy.repeatable,
        prune_after: new.policy.keep.map(|keep| match keep {
            Keep::None => super::purge::LIFE_MIN_MS,
            Keep::Ms(ms) => i64::try_from(ms).unwrap_or(i64::MAX),
        }),
        prune_at: None,
        token: None,
        worker: None,
        call: None,
        lease_until: None,
        cancel: false,
        prev_token: None,
        prev_state: None,
        revision: 0,
        unique_mode: new.unique.as_ref().map(|unique| codec::mode(unique.mode)),
        unique_key: new.unique.as_ref().map(|unique| unique.key.clone()),
        parent: new.parent.as_ref().map(|parent| parent.id),
        woken: None,
        events: 0,
        fingerprint: None,
        reason: None,
        wait: new.wait.as_ref().map(codec::pack).transpose()?,
        output: None,
        cost: new.cost,
        charged: None,
        weight: None,
        period: None,
        noted: None,
        followed: false,
        settled: false,
    };
    Ok((job, Body::of(new, run_at).pack()?))
}

/// Writes both halves of a new job; its `seq` is known from then on.
pub(super) fn store(tx: &Tx<'_>, job: &mut Row, body: &[u8], new: &NewJob) -> Result<()> {
    let written = tx.db.exec(
        "enqueue.job",
        params![
            job.id.as_bytes(),
            job.queue,
            job.turn,
            job.lane,
            job.state,
            job.rank,
            job.due_at,
            job.ready_at,
            job.expires_at,
            job.created_at,
            job.attempts_max,
            job.crashes_max,
            job.repeatable,
            job.prune_after,
            job.unique_key,
            job.unique_mode,
            job.parent.as_ref().map(JobId::as_bytes),
            job.woken,
            job.wait,
            job.cost,
        ],
    )?;
    if written != 1 {
        return Err(BrokerError::Corrupt(format!("{} is there and is not", job.id)));
    }
    job.seq = tx.db.0.last_insert_rowid();
    tx.db.exec("enqueue.body", params![job.seq, body, new.args.get()])?;
    Ok(())
}

impl Lanes {
    fn turn(&mut self, tx: &Tx<'_>, new: &NewJob) -> Result<i64> {
        if let Some(turn) = self.known_turn(tx, new)? {
            return Ok(turn);
        }
        let (queue, tenant) = (new.id.home().0, new.tenant.as_str());
        let turn = tx.db.must("enqueue.new_turn", params![queue, tenant], |row| row.get(0))?;
        self.turns.insert((queue, tenant.to_owned()), turn);
        Ok(turn)
    }

    fn known_turn(&mut self, tx: &Tx<'_>, new: &NewJob) -> Result<Option<i64>> {
        let place = (new.id.home().0, new.tenant.to_string());
        if let Some(turn) = self.turns.get(&place) {
            return Ok(Some(*turn));
        }
        let found = tx.db.one("enqueue.turn", params![place.0, place.1], |row| row.get(0))?;
        self.turns.extend(found.map(|turn| (place, turn)));
        Ok(found)
    }

    fn lane(&mut self, tx: &mut Tx<'_>, turn: i64, new: &NewJob) -> Result<i64> {
        let (kind, key) = (new.kind.as_str(), new.lane_key.as_str());
        let resources = new.resources.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
        let place = (turn, kind.to_owned(), key.to_owned(), resources.clone());
        if let Some(lane) = self.lanes.get(&place) {
            return Ok(*lane);
        }
        let queue = new.id.home().0;
        let lane = match tx.db.one("enqueue.lane", params![turn, kind, key, resources], |row| row.get(0))? {
            Some(lane) => lane,
            None => {
                if !resources.is_empty() && tx.flags(queue)? & flag(RESOURCE) == 0 {
                    tx.db.exec("enqueue.uses", params![queue, flag(RESOURCE)])?;
                    tx.flags.remove(&queue);
                }
                tx.db.must("enqueue.new_lane", params![queue, turn, kind, key, resources], |row| row.get(0))?
            }
        };
        self.lanes.insert(place, lane);
        Ok(lane)
    }
}

/// When a job with this wish is due.
pub(super) fn due_at(now: Millis, due: Due) -> Millis {
    match due {
        Due::Now => now,
        Due::In(wait) => after(now, wait).min(NEVER - 1),
        Due::At(time) => time.min(NEVER - 1),
    }
}
