//! Which jobs run next: tenants by virtual time, a quantum each; inside a tenant lanes by (rank of the head, virtual time); inside a
//! lane jobs by (rank, order of enqueue). A start is charged with the mean duration of its kind. The cost does not depend on how many
//! jobs wait, nor on tenants and lanes that have nothing to run: what a rule holds back is parked when it is met.

use super::{
    admit::Block,
    codec::{self, Body},
    deliver, end,
    hold::Scopes,
    row::{self, Names, Row},
    scope::{self, Place, QUEUE, TENANT, flag},
    tx::{CANCELLED, Tx},
};
use crate::{BrokerError, EventKind, QUANTUM, Reason, fair};
use longshore_base::{Millis, Name};
use rusqlite::params;
use std::collections::VecDeque;

type Result<T> = std::result::Result<T, BrokerError>;

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
}

/// What a lease call has taken so far.
pub(super) struct Picked {
    pub(super) jobs: Vec<Taken>,
    /// The last token.
    pub(super) token: i64,
    /// The virtual time of the tenant that was served first.
    pub(super) vt: Option<f64>,
    /// The queue itself is held back: when that is over, where it is known.
    pub(super) stopped: Option<Option<Millis>>,
    /// Whether the worker may take a suspect: it may run one at a time.
    pub(super) suspect: bool,
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
    vt: f64,
    lane_vt: f64,
    tenant: Name,
    weight: f64,
    /// Its own scope and the queue's, where they have rules.
    scopes: Vec<usize>,
}

/// A lane, with as many of its first jobs as were looked at so far.
struct Lane {
    lane: i64,
    head: u8,
    vt: f64,
    names: Names,
    /// What a start is charged with.
    charge: f64,
    scopes: Option<Vec<usize>>,
    jobs: VecDeque<(Row, Vec<u8>, String)>,
    taken: i64,
    done: bool,
}

/// What became of a job that was looked at.
enum Met {
    Taken,
    Passed,
    /// The lane, its tenant or the queue is held back.
    Held(u8),
}

pub(super) struct Picker<'a> {
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) queue: Name,
    pub(super) scopes: &'a mut Scopes,
    pub(super) picked: Picked,
}

impl Picker<'_> {
    /// Takes up to `wanted.n` jobs.
    pub(super) fn pick(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let mut after = (f64::MIN, i64::MIN);
        let mut first = true;
        while self.left() > 0 && self.picked.stopped.is_none() {
            let turns = self.turns(tx, after)?;
            let alone = turns.len() == 1 && first;
            first = false;
            let Some((turn, vt, lane_vt, tenant)) = turns.into_iter().next() else { break };
            after = (vt, turn);
            let mut turn = Turn { turn, vt, lane_vt, tenant: codec::name(&tenant)?, weight: 1.0, scopes: Vec::new() };
            if self.enters(tx, &mut turn)? {
                self.serve(tx, &turn, if alone { self.left() } else { self.left().min(QUANTUM) })?;
            }
        }
        Ok(())
    }

    fn turns(&self, tx: &Tx<'_>, after: (f64, i64)) -> Result<Vec<(i64, f64, f64, String)>> {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?));
        tx.db.all("lease.turns", params![self.wanted.queue, after.0, after.1], read)
    }

    pub(super) fn left(&self) -> usize {
        self.wanted.n.saturating_sub(self.picked.jobs.len())
    }

    /// Whether the rules of the queue and of the tenant let anything start. A tenant that is held back is parked.
    fn enters(&mut self, tx: &mut Tx<'_>, turn: &mut Turn) -> Result<bool> {
        let flags = self.scopes.flags;
        if flags & (flag(QUEUE) | flag(TENANT)) == 0 {
            return Ok(true);
        }
        turn.scopes.extend(self.scopes.at(tx, Place::queue(self.wanted.queue))?);
        if let Some(at) = self.scopes.at(tx, Place::tenant(self.wanted.queue, turn.tenant.as_str()))? {
            turn.weight = self.scopes.line(at).map_or(1.0, |line| line.limits.weight_or_default());
            turn.scopes.push(at);
        }
        match self.scopes.block(tx.now, 1, &turn.scopes) {
            Some((at, block)) => self.hold(tx, turn, None, at, &block).map(|_| false),
            None => Ok(true),
        }
    }

    /// Parks what `block` holds back; answers the class of the scope.
    fn hold(&mut self, tx: &mut Tx<'_>, turn: &Turn, lane: Option<&Lane>, at: usize, block: &Block) -> Result<u8> {
        let class = self.scopes.line(at).map_or(QUEUE, |line| line.place.class);
        if class == QUEUE {
            self.picked.stopped = Some(block.until());
            return Ok(class);
        }
        let Some(scope) = self.scopes.parked(at, block) else { return Ok(class) };
        if class == TENANT {
            tx.db.exec("park.turn", [turn.turn])?;
        } else if let Some(lane) = lane {
            tx.db.exec("park.lane", params![lane.lane, scope, lane.vt])?;
            tx.opened(turn.turn, -1);
        }
        Ok(class)
    }

    /// One tenant's turn: up to `quantum` jobs, always from the lane that stands first. The n jobs that come first are in the n lanes
    /// that come first, unless some of those hold nothing that may run; then more lanes are looked at.
    fn serve(&mut self, tx: &mut Tx<'_>, turn: &Turn, quantum: usize) -> Result<()> {
        let end = self.picked.jobs.len() + quantum;
        let (mut lanes, mut seen, mut lane_vt) = (self.lanes(tx, turn, quantum, 0)?, quantum, turn.lane_vt);
        let (mut more, mut parked) = (lanes.len() == quantum, 0);
        while self.picked.jobs.len() < end {
            let Some(at) = first(&lanes) else {
                if !more || seen >= LANES_MAX {
                    if more && parked > 0 {
                        // What was parked is not looked at again: there is more behind it.
                        tx.touched.queue(self.wanted.queue);
                    }
                    break;
                }
                // What was parked meanwhile has left the order that the offset counts in.
                let next = self.lanes(tx, turn, quantum, seen.saturating_sub(parked))?;
                more = next.len() == quantum;
                seen += quantum;
                lanes.extend(next);
                continue;
            };
            let share = (end - self.picked.jobs.len()).div_ceil(lanes.len());
            let Some(lane) = lanes.get_mut(at) else { break };
            if lane.jobs.is_empty() {
                // A lane that may not start anything is parked before its jobs are read.
                match self.enters_lane(tx, turn, lane)? {
                    Some(QUEUE | TENANT) => break,
                    Some(_) => {
                        lane.done = true;
                        parked += 1;
                    }
                    None => self.fill(tx, lane, share)?,
                }
                continue;
            }
            if let Some((job, body, args)) = lane.jobs.pop_front() {
                match self.take(tx, turn, lane, job, &body, args)? {
                    Met::Taken => {
                        lane_vt = lane_vt.max(lane.vt);
                        lane.vt += lane.charge;
                        lane.taken += 1;
                    }
                    Met::Passed => {}
                    Met::Held(QUEUE | TENANT) => break,
                    Met::Held(_) => {
                        lane.done = true;
                        parked += 1;
                    }
                }
            }
            lane.head = lane.jobs.front().map_or(lane.head, |(job, ..)| job.rank);
        }
        self.charge(tx, turn, &lanes, lane_vt)
    }

    /// Whether a lane's scopes let a job of cost 1 start; else it is parked. Answers the class of the scope that holds it.
    fn enters_lane(&mut self, tx: &mut Tx<'_>, turn: &Turn, lane: &mut Lane) -> Result<Option<u8>> {
        if lane.scopes.is_none() {
            lane.scopes = Some(self.scopes_of(tx, turn, &lane.names)?);
        }
        match lane.scopes.as_ref().and_then(|scopes| self.scopes.block(tx.now, 1, scopes)) {
            Some((at, block)) => self.hold(tx, turn, Some(lane), at, &block).map(Some),
            None => Ok(None),
        }
    }

    fn charge(&mut self, tx: &mut Tx<'_>, turn: &Turn, lanes: &[Lane], lane_vt: f64) -> Result<()> {
        for lane in lanes.iter().filter(|lane| lane.taken > 0) {
            tx.charge(turn.turn, lane.lane, lane.charge * lane.taken as f64, turn.weight);
            tx.taken(turn.turn, lane.lane, self.wanted.queue, lane.taken);
            tx.turns.entry(turn.turn).or_default().lane_vt = Some(lane_vt);
            self.picked.vt.get_or_insert(turn.vt);
        }
        // Heads and virtual times have to be true before this tenant's next turn.
        tx.flush_turns()
    }

    fn lanes(&self, tx: &Tx<'_>, turn: &Turn, n: usize, offset: usize) -> Result<Vec<Lane>> {
        type Line = (i64, u8, f64, String, String, String, Option<f64>);
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get::<_, Option<f64>>(6)?))
        };
        let lines: Vec<Line> = tx.db.all("lease.lanes", params![turn.turn, self.wanted.kinds, n, offset], read)?;
        let lane = |(lane, head, vt, kind, key, resources, mean): Line| {
            let (queue, tenant) = (self.queue.clone(), turn.tenant.clone());
            let names = Names { queue, tenant, kind: codec::name(&kind)?, key, resources: row::resources(&resources)? };
            Ok(Lane { lane, head, vt, names, charge: fair::charge(mean), scopes: None, jobs: VecDeque::new(), taken: 0, done: false })
        };
        lines.into_iter().map(lane).collect()
    }

    /// Looks at the next `share` jobs of a lane. What was taken has left the index, so its first are always the next.
    fn fill(&self, tx: &Tx<'_>, lane: &mut Lane, share: usize) -> Result<()> {
        let head = |row: &rusqlite::Row<'_>| Ok((Row::read(row)?, row.get(row::COLUMNS)?, row.get(row::COLUMNS + 1)?));
        let mut jobs: Vec<_> = tx.db.all("lease.heads", params![lane.lane, false, share], head)?;
        if self.picked.suspect {
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

    /// Takes one job, if it may run.
    fn take(&mut self, tx: &mut Tx<'_>, turn: &Turn, lane: &mut Lane, mut job: Row, body: &[u8], args: String) -> Result<Met> {
        if job.expires_at.is_some_and(|end| end <= tx.now) {
            job.note(tx.db, tx.now, EventKind::Expired, None, None)?;
            end::end(tx, &mut job, CANCELLED, Some(Reason::Expired), None)?;
            deliver::drain(tx)?;
            return Ok(Met::Passed);
        }
        if job.suspect && !self.picked.suspect {
            return Ok(Met::Passed);
        }
        let cost = u64::from(job.cost);
        let scopes = lane.scopes.as_deref().unwrap_or_default();
        if let Some((at, block)) = self.scopes.block(tx.now, cost, scopes) {
            return self.hold(tx, turn, Some(lane), at, &block).map(Met::Held);
        }
        let period = self.scopes.charge(tx.now, cost, job.id, scopes);
        self.picked.suspect &= !job.suspect;
        self.picked.token += 1;
        let (token, wanted) = (self.picked.token, self.wanted);
        let charged = params![job.seq, token, wanted.worker, wanted.call, wanted.until, tx.now, lane.charge, turn.weight, period];
        tx.db.exec("lease.take", charged)?;
        self.picked.jobs.push(Taken { job, token, names: lane.names.clone(), body: codec::unpack(body)?, args });
        Ok(Met::Taken)
    }

    /// The scopes of a lane that have rules, in the order in which they are asked.
    fn scopes_of(&mut self, tx: &Tx<'_>, turn: &Turn, names: &Names) -> Result<Vec<usize>> {
        let mut scopes = turn.scopes.clone();
        let below = self.scopes.flags & !(flag(QUEUE) | flag(TENANT));
        for place in scope::places(self.wanted.queue, below, &names.tenant, &names.kind, &names.key, &names.resources) {
            scopes.extend(self.scopes.at(tx, place)?);
        }
        Ok(scopes)
    }
}

/// The lane that stands first.
fn first(lanes: &[Lane]) -> Option<usize> {
    let open = lanes.iter().enumerate().filter(|(_, lane)| !lane.done);
    let by = |a: &Lane, b: &Lane| a.head.cmp(&b.head).then(a.vt.total_cmp(&b.vt)).then(a.lane.cmp(&b.lane));
    open.min_by(|(_, a), (_, b)| by(a, b)).map(|(at, _)| at)
}
