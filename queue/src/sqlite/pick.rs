//! Which jobs run next: tenants by virtual time, a quantum each; inside a tenant lanes by (rank of the head, virtual time); inside a
//! lane jobs by (rank, order of enqueue). The cost does not depend on how many jobs wait, nor on tenants that have nothing to run.

use super::{
    codec::{self, Body},
    deliver, end,
    row::{Names, Row},
    tx::{CANCELLED, Tx},
};
use crate::{BrokerError, EventKind, Reason};
use longshore_base::{Millis, Name};
use rusqlite::params;
use std::collections::VecDeque;

type Result<T> = std::result::Result<T, BrokerError>;

/// Jobs that a tenant starts in its turn while others wait.
const QUANTUM: usize = 4;
/// What one start costs in virtual time, until starts are charged with their duration.
const CHARGE: i64 = 1_000;
/// Lanes of one tenant that one turn looks at, so that a crowd of suspects cannot hold a lease up.
const LANES_MAX: usize = 1_000;

/// Who asks for what.
pub(super) struct Wanted<'a> {
    pub(super) queue: u16,
    /// A JSON array of names.
    pub(super) kinds: &'a str,
    /// The worker's number, and its call.
    pub(super) worker: i64,
    pub(super) call: i64,
    pub(super) n: usize,
    /// When the leases end.
    pub(super) until: Millis,
    /// The last token, and the queue's virtual time.
    pub(super) token: i64,
    pub(super) vt: i64,
}

/// What was taken, with the token and the virtual time that the queue has now.
pub(super) struct Picked {
    pub(super) jobs: Vec<Taken>,
    pub(super) token: i64,
    pub(super) vt: i64,
}

/// A job that runs from now on, with its other half. Its row is written; `job` is as it was before.
pub(super) struct Taken {
    pub(super) job: Row,
    pub(super) token: i64,
    pub(super) names: Names,
    pub(super) body: Body,
    pub(super) args: String,
}

/// A tenant whose turn it is.
struct Turn {
    turn: i64,
    vt: i64,
    lane_vt: i64,
    tenant: Name,
}

/// A lane, with as many of its first jobs as were looked at so far.
struct Lane {
    lane: i64,
    head: u8,
    vt: i64,
    names: Names,
    jobs: VecDeque<(Row, Vec<u8>, String)>,
    taken: i64,
    done: bool,
}

struct Picker<'a> {
    wanted: &'a Wanted<'a>,
    queue: Name,
    /// Whether the worker may take a suspect: it may run one at a time.
    suspect: bool,
    picked: Picked,
}

/// Takes up to `wanted.n` jobs.
pub(super) fn pick(tx: &mut Tx<'_>, wanted: &Wanted<'_>) -> Result<Picked> {
    let suspect = !tx.db.any("lease.suspect", [wanted.worker])?;
    let queue = tx.db.must("lease.name", [wanted.queue], |row| row.get::<_, String>(0))?;
    let picked = Picked { jobs: Vec::with_capacity(wanted.n), token: wanted.token, vt: wanted.vt };
    let mut picker = Picker { wanted, queue: codec::name(&queue)?, suspect, picked };
    let mut after = (i64::MIN, i64::MIN);
    while picker.left() > 0 {
        let mut turns = turns(tx, wanted.queue, after)?;
        let alone = turns.len() == 1 && after.0 == i64::MIN;
        if turns.is_empty() {
            break;
        }
        let turn = turns.swap_remove(0);
        after = (turn.vt, turn.turn);
        picker.serve(tx, &turn, if alone { picker.left() } else { picker.left().min(QUANTUM) })?;
    }
    Ok(picker.picked)
}

fn turns(tx: &Tx<'_>, queue: u16, after: (i64, i64)) -> Result<Vec<Turn>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?));
    let turns: Vec<(i64, i64, i64, String)> = tx.db.all("lease.turns", params![queue, after.0, after.1], read)?;
    turns.into_iter().map(|(turn, vt, lane_vt, tenant)| Ok(Turn { turn, vt, lane_vt, tenant: codec::name(&tenant)? })).collect()
}

impl Picker<'_> {
    fn left(&self) -> usize {
        self.wanted.n.saturating_sub(self.picked.jobs.len())
    }

    /// One tenant's turn: up to `quantum` jobs, always from the lane that stands first. The n jobs that come first are in the n lanes
    /// that come first, unless some of those hold nothing but suspects; then more lanes are looked at.
    fn serve(&mut self, tx: &mut Tx<'_>, turn: &Turn, quantum: usize) -> Result<()> {
        let end = self.picked.jobs.len() + quantum;
        let (mut lanes, mut seen, mut lane_vt) = (self.lanes(tx, turn, quantum, 0)?, quantum, turn.lane_vt);
        let mut more = lanes.len() == quantum;
        while self.picked.jobs.len() < end {
            let first = lanes.iter().enumerate().filter(|(_, lane)| !lane.done).min_by_key(|(_, lane)| (lane.head, lane.vt, lane.lane));
            let Some(at) = first.map(|(at, _)| at) else {
                if !more || seen >= LANES_MAX {
                    break;
                }
                let next = self.lanes(tx, turn, quantum, seen)?;
                more = next.len() == quantum;
                seen += quantum;
                lanes.extend(next);
                continue;
            };
            let share = (end - self.picked.jobs.len()).div_ceil(lanes.len());
            let Some(lane) = lanes.get_mut(at) else { break };
            if lane.jobs.is_empty() {
                self.fill(tx, lane, share)?;
                continue;
            }
            if let Some((job, body, args)) = lane.jobs.pop_front()
                && self.take(tx, lane, job, &body, args)?
            {
                lane_vt = lane_vt.max(lane.vt);
                lane.vt += CHARGE;
                lane.taken += 1;
            }
            lane.head = lane.jobs.front().map_or(lane.head, |(job, ..)| job.rank);
        }
        self.charge(tx, turn, &lanes, lane_vt)
    }

    fn charge(&mut self, tx: &mut Tx<'_>, turn: &Turn, lanes: &[Lane], lane_vt: i64) -> Result<()> {
        let mut starts = 0;
        for lane in lanes.iter().filter(|lane| lane.taken > 0) {
            starts += lane.taken;
            tx.db.exec("lease.charge_lane", params![lane.lane, lane.vt])?;
            tx.taken(turn.turn, lane.lane, self.wanted.queue, lane.taken);
        }
        if starts > 0 {
            self.picked.vt = self.picked.vt.max(turn.vt);
            tx.db.exec("lease.charge_turn", params![turn.turn, turn.vt.saturating_add(starts * CHARGE), lane_vt])?;
        }
        // Heads and counts have to be true before this tenant's next turn.
        tx.flush()
    }

    fn lanes(&self, tx: &Tx<'_>, turn: &Turn, n: usize, offset: usize) -> Result<Vec<Lane>> {
        type Line = (i64, u8, i64, String, String);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        let lines: Vec<Line> = tx.db.all("lease.lanes", params![turn.turn, self.wanted.kinds, n, offset], read)?;
        let lane = |(lane, head, vt, kind, key): Line| {
            let names = Names { queue: self.queue.clone(), tenant: turn.tenant.clone(), kind: codec::name(&kind)?, key };
            Ok(Lane { lane, head, vt, names, jobs: VecDeque::new(), taken: 0, done: false })
        };
        lines.into_iter().map(lane).collect()
    }

    /// Looks at the next `share` jobs of a lane. What was taken has left the index, so its first are always the next.
    fn fill(&self, tx: &Tx<'_>, lane: &mut Lane, share: usize) -> Result<()> {
        let head = |row: &rusqlite::Row<'_>| Ok((Row::read(row)?, row.get(41)?, row.get(42)?));
        let mut jobs: Vec<_> = tx.db.all("lease.heads", params![lane.lane, false, share], head)?;
        if self.suspect {
            jobs.extend(tx.db.all("lease.heads", params![lane.lane, true, 1], head)?);
            jobs.sort_by_key(|(job, ..)| (job.rank, job.seq));
            // Behind the last one looked at there may be others before the suspect.
            jobs.truncate(share);
        }
        lane.done = jobs.is_empty();
        lane.head = jobs.first().map_or(lane.head, |(job, ..)| job.rank);
        lane.jobs = jobs.into();
        Ok(())
    }

    /// Takes one job; false: it may not run.
    fn take(&mut self, tx: &mut Tx<'_>, lane: &Lane, mut job: Row, body: &[u8], args: String) -> Result<bool> {
        if job.expires_at.is_some_and(|end| end <= tx.now) {
            job.note(tx.db, tx.now, EventKind::Expired, None, None)?;
            end::end(tx, &mut job, CANCELLED, Some(Reason::Expired), None)?;
            deliver::drain(tx)?;
            return Ok(false);
        }
        if job.suspect && !std::mem::replace(&mut self.suspect, false) {
            return Ok(false);
        }
        self.picked.token += 1;
        let (token, wanted) = (self.picked.token, self.wanted);
        tx.db.exec("lease.take", params![job.seq, token, wanted.worker, wanted.call, wanted.until, tx.now])?;
        self.picked.jobs.push(Taken { job, token, names: lane.names.clone(), body: codec::unpack(body)?, args });
        Ok(true)
    }
}
