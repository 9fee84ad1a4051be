//! Ready → Running: promote what is due, then hand out what may run, under tokens that only grow.

use super::{
    admit::capped,
    codec,
    hold::{self, Scopes},
    pick::{Picked, Picker, Taken, Wanted},
    row::{self, NEVER, Row},
    signals::Signals,
    tick,
    tx::{RUNNING, Tx},
    workers,
};
use crate::{BrokerError, JobId, Lease, LeaseReply, LeaseRequest, Token};
use longshore_base::Millis;
use rusqlite::params;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

/// Leases of one call at most.
const LEASES_MAX: usize = 500;
/// A worker that finds nothing is written down as seen this often.
const SEEN_EVERY_MS: Millis = 20_000;

/// What a worker was answered: ids and tokens, in order.
type Remembered = Vec<([u8; 16], u64)>;

/// A queue as the lease sees it.
struct Queue {
    token: i64,
    running: u32,
    vt: f64,
    slots: Option<u32>,
    flags: i64,
}

/// One lease call.
pub(super) fn lease(tx: &mut Tx<'_>, queue: u16, request: &LeaseRequest, signals: &Signals) -> Result<LeaseReply> {
    let rung = signals.rung(queue);
    let call = i64::try_from(request.call).unwrap_or(i64::MAX);
    let leaser = leaser(tx, queue, request)?;
    if leaser.call == call && leaser.reply.is_some() {
        return repeat(tx, queue, &leaser);
    }
    if call < leaser.call {
        // An older call that was under way when a newer one came: whoever sent it has gone on.
        return Ok(LeaseReply { leases: Vec::new(), next_due: next_due(tx, queue)? });
    }
    tick::promote(tx, queue)?;
    tick::expire(tx, queue)?;
    tx.flush()?;
    let state = queue_state(tx, queue)?;
    let capped = capped(state.slots, u64::from(state.running)).is_some();
    let mut stops = None;
    let leases = if capped || request.n == 0 || request.kinds.is_empty() {
        Vec::new()
    } else {
        let n = request.n.min(LEASES_MAX).min(state.slots.map_or(usize::MAX, |slots| slots.saturating_sub(state.running) as usize));
        grant(tx, queue, request, &leaser, &state, n, &mut stops)?
    };
    if leases.is_empty() {
        if tx.now - leaser.seen_at > SEEN_EVERY_MS {
            tx.db.exec("extend.seen", params![leaser.worker, tx.now])?;
        }
    } else {
        let remembered: Remembered = leases.iter().map(|lease| (*lease.job.id.as_bytes(), lease.token.0)).collect();
        tx.db.exec("lease.remember", params![leaser.worker, call, codec::pack(&remembered)?, tx.now])?;
    }
    if leases.len() < request.n {
        signals.came_back_short(queue, rung);
    }
    let opens = hold::next(tx, queue, state.flags)?.into_iter().chain(stops).min().map(|until| millis(until - tx.now));
    let next_due = [next_due(tx, queue)?, opens].into_iter().flatten().min();
    Ok(LeaseReply { leases, next_due })
}

struct Leaser {
    worker: i64,
    call: i64,
    reply: Option<Vec<u8>>,
    seen_at: Millis,
}

fn leaser(tx: &mut Tx<'_>, queue: u16, request: &LeaseRequest) -> Result<Leaser> {
    let read = |row: &rusqlite::Row<'_>| Ok(Leaser { worker: row.get(0)?, call: row.get(1)?, reply: row.get(2)?, seen_at: row.get(3)? });
    if let Some(leaser) = tx.db.one("lease.leaser", params![queue, request.worker], read)? {
        return Ok(leaser);
    }
    let worker = tx.db.must("lease.new_leaser", params![queue, request.worker, tx.now], |row| row.get(0))?;
    // Who leases for the first time announces what it carries, as a report does.
    for kind in &*request.kinds {
        workers::open(tx, queue, kind.as_str(), &request.worker)?;
    }
    Ok(Leaser { worker, call: 0, reply: None, seen_at: tx.now })
}

/// The reply that was lost on its way: the same leases, without those that have been lost since.
fn repeat(tx: &Tx<'_>, queue: u16, leaser: &Leaser) -> Result<LeaseReply> {
    let remembered: Remembered = codec::unpack(leaser.reply.as_deref().unwrap_or_default())?;
    let mut leases = Vec::with_capacity(remembered.len());
    for (id, token) in remembered {
        let Some(job) = row::find(tx.db, JobId::from_bytes(id))? else { continue };
        if job.state == RUNNING && job.token == i64::try_from(token).ok() {
            let woken = job.woken.map(row::woken);
            leases.push(Lease { job: job.load(tx.db)?, token: Token(token), woken });
        }
    }
    Ok(LeaseReply { leases, next_due: next_due(tx, queue)? })
}

fn queue_state(tx: &Tx<'_>, queue: u16) -> Result<Queue> {
    tx.db.must("lease.queue", [queue], |row| {
        Ok(Queue {
            token: row.get(0)?,
            running: row.get::<_, i64>(1)?.try_into().unwrap_or(0),
            vt: row.get(2)?,
            slots: row.get(3)?,
            flags: row.get(4)?,
        })
    })
}

/// Hands out up to `n` jobs. `stops`: when the queue's own rules let more start, where they do not now.
fn grant(
    tx: &mut Tx<'_>,
    queue: u16,
    request: &LeaseRequest,
    leaser: &Leaser,
    state: &Queue,
    n: usize,
    stops: &mut Option<Millis>,
) -> Result<Vec<Lease>> {
    let kinds = serde_json::to_string(&*request.kinds).map_err(|fault| BrokerError::Refused(fault.to_string()))?;
    open_gates(tx, queue, request, &kinds)?;
    let wanted = Wanted {
        queue,
        kinds: &kinds,
        worker: leaser.worker,
        call: i64::try_from(request.call).unwrap_or(i64::MAX),
        n,
        until: codec::after(tx.now, request.lease),
    };
    let mut scopes = Scopes::new(queue, state.flags, state.slots);
    let picked = Picked {
        jobs: Vec::with_capacity(n),
        token: state.token.max(tx.now.saturating_mul(1_000)),
        vt: None,
        stopped: None,
        suspect: !tx.db.any("lease.suspect", [leaser.worker])?,
    };
    let mut picker = Picker { wanted: &wanted, queue: request.queue.clone(), scopes: &mut scopes, picked };
    take_turns(tx, &mut picker)?;
    let picked = picker.picked;
    *stops = picked.stopped.flatten();
    if state.flags != 0 {
        scopes.save(tx)?;
    }
    if picked.jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut leases = Vec::with_capacity(picked.jobs.len());
    for Taken { mut job, token, names, body, args } in picked.jobs {
        super::unique::free(tx, &job, true)?;
        tx.durable |= !job.repeatable;
        tx.touched.job(job.id);
        taken(&mut job, tx.now, token);
        tx.tell_state(&job);
        let woken = job.woken.map(row::woken);
        let mut job = job.job(tx.db, &names, body, args)?;
        job.worker = Some(request.worker.clone());
        leases.push(Lease { job, token: Token(u64::try_from(token).unwrap_or_default()), woken });
    }
    tx.flush()?;
    let front = tx.db.one("lease.front", [queue], |row| row.get::<_, f64>(0))?;
    let vt = [front, picked.vt].into_iter().flatten().fold(state.vt, f64::max);
    tx.db.exec("lease.put_queue", params![queue, picked.token, vt])?;
    Ok(leases)
}

/// Takes what may run; what comes back from where it was parked is looked at too.
fn take_turns(tx: &mut Tx<'_>, picker: &mut Picker<'_>) -> Result<()> {
    let rules = picker.scopes.flags != 0;
    if rules {
        picker.scopes.offer(tx, picker.wanted.kinds, picker.left())?;
    }
    loop {
        if !tx.db.any("lease.any", params![picker.wanted.queue, picker.wanted.kinds])? {
            return Ok(());
        }
        picker.pick(tx)?;
        if !rules || picker.left() == 0 || picker.picked.stopped.is_some() {
            return Ok(());
        }
        if picker.scopes.offer(tx, picker.wanted.kinds, picker.left())? == 0 {
            return Ok(());
        }
    }
}

/// What `lease.take` has written, for the reply. The worker is filled in by name.
fn taken(job: &mut Row, now: Millis, token: i64) {
    job.state = RUNNING;
    job.token = Some(token);
    job.started_at = Some(now);
    job.counters.runs += 1;
    (job.worker, job.ready_at, job.expires_at) = (None, None, None);
}

/// A lease announces its kinds as a report does: their lanes may not stay parked.
fn open_gates(tx: &mut Tx<'_>, queue: u16, request: &LeaseRequest, kinds: &str) -> Result<()> {
    let parked: Vec<String> = tx.db.all("lease.parked", params![queue, kinds], |row| row.get(0))?;
    for kind in parked {
        workers::open(tx, queue, &kind, &request.worker)?;
    }
    tx.flush()
}

/// How long until something falls due.
fn next_due(tx: &Tx<'_>, queue: u16) -> Result<Option<Duration>> {
    let due = tx.db.one("lease.next_due", [queue], |row| row.get::<_, Millis>(0))?;
    Ok(due.filter(|due| *due != NEVER).map(|due| millis(due - tx.now)))
}

fn millis(ms: Millis) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
