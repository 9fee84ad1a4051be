//! What a writing call works with: the connection, the time, and the tally of what it did, written once at its end.

use super::{
    db::Db,
    feed::Step,
    row::{self, NEVER, REPLAYED, Row},
    scope::Place,
    signals::Touched,
    tally::{LaneRow, LaneTally, QueueTally, Ran, TurnTally},
};
use crate::{BrokerError, Change, Delivery, JobId};
use longshore_base::{Millis, Random};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, VecDeque};

type Result<T> = std::result::Result<T, BrokerError>;

/// The numbers of the states in their column.
pub(super) const SCHEDULED: u8 = 0;
pub(super) const READY: u8 = 1;
pub(super) const RUNNING: u8 = 2;
pub(super) const RETRYING: u8 = 3;
pub(super) const WAITING: u8 = 4;
pub(super) const COMPLETED: u8 = 5;
pub(super) const CANCELLED: u8 = 6;
pub(super) const DEAD: u8 = 7;

/// One call inside the writer's transaction. When it fails, its savepoint is rolled back and nothing of this is kept.
#[derive(Debug)]
pub(super) struct Tx<'c> {
    pub(super) db: Db<'c>,
    /// The broker's time, read once per call.
    pub(super) now: Millis,
    pub(super) random: &'c dyn Random,
    /// Set by a call whose effects must survive a power cut although calls of its sort need not.
    pub(super) durable: bool,
    /// Set by a call that wrote nothing which a tick has to look at.
    pub(super) quiet: bool,
    /// Whom to wake after the commit.
    pub(super) touched: Touched,
    /// What is told after it to those who listen. None: nobody does.
    pub(super) step: Option<Step>,
    /// Told after each job, in the same transaction: parent and child live in one file.
    pub(super) outbox: VecDeque<Delivery>,
    /// Children of a cancelled job.
    pub(super) cancels: VecDeque<JobId>,
    pub(super) lanes: BTreeMap<i64, LaneTally>,
    pub(super) turns: BTreeMap<i64, TurnTally>,
    pub(super) queues: BTreeMap<u16, QueueTally>,
    /// Durations of the attempts of a kind that ended.
    pub(super) means: BTreeMap<(u16, String), Ran>,
    /// Leases of a lane that began or, below zero, ended.
    pub(super) leases: BTreeMap<i64, (LaneRow, i64)>,
    pub(super) scopes: BTreeMap<Place, i64>,
    /// Which classes of scopes a queue has, once this call has looked.
    pub(super) flags: BTreeMap<u16, i64>,
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection, now: Millis, random: &'c dyn Random, watched: bool, step: Option<Step>) -> Self {
        Self {
            db: Db(connection),
            now,
            random,
            durable: false,
            quiet: false,
            touched: Touched::new(watched),
            step,
            outbox: VecDeque::new(),
            cancels: VecDeque::new(),
            lanes: BTreeMap::new(),
            turns: BTreeMap::new(),
            queues: BTreeMap::new(),
            means: BTreeMap::new(),
            leases: BTreeMap::new(),
            scopes: BTreeMap::new(),
            flags: BTreeMap::new(),
        }
    }

    /// Counts a new job of `row.state`. One that waits is told by [`super::deliver::begin`].
    pub(super) fn born(&mut self, job: &Row) {
        self.lanes.entry(job.lane).or_default().jobs += 1;
        self.count(job.turn, job.lane, job.queue, job.state, 1);
        self.announce(job);
        if job.state != WAITING {
            self.tell_state(job);
        }
    }

    /// Counts a removed job.
    pub(super) fn gone(&mut self, job: &Row) {
        self.lanes.entry(job.lane).or_default().jobs -= 1;
        self.count(job.turn, job.lane, job.queue, job.state, -1);
        self.touched.job(job.id);
    }

    /// Moves a job to `to`, with what every such move brings; the caller writes the row. One that waits is told by [`super::deliver::begin`].
    pub(super) fn shift(&mut self, job: &mut Row, to: u8) {
        let from = job.state;
        self.count(job.turn, job.lane, job.queue, job.state, -1);
        if job.state == RUNNING && to != RUNNING {
            (job.prev_token, job.prev_state) = (job.token, None);
            (job.token, job.worker, job.call, job.lease_until) = (None, None, None, None);
            job.cancel = false;
            if job.suspect {
                // Its worker may take another suspect now.
                self.touched.queue(job.queue);
            }
        }
        job.state = to;
        if job.settled {
            job.prev_state = Some(to);
        }
        self.count(job.turn, job.lane, job.queue, to, 1);
        job.ready_at = (to == READY).then_some(self.now);
        job.suspect = job.counters.crashes_in_row > 0 && job.counters.crashes_in_row + 1 >= job.crashes_max && job.is_live();
        if to != WAITING {
            job.wait = None;
        }
        if matches!(to, READY | RUNNING | COMPLETED | CANCELLED | DEAD | REPLAYED) {
            job.due_at = None;
        }
        self.announce(job);
        if from != to && !matches!(to, WAITING | REPLAYED) {
            self.tell_state(job);
        }
    }

    /// Tells those who listen where a job stands now.
    pub(super) fn tell_state(&mut self, job: &Row) {
        if let Some(step) = &mut self.step {
            step.state(job.queue, job.id, job.state, job.counters.runs);
        }
    }

    /// Tells those who listen something about a job.
    pub(super) fn tell(&mut self, job: &Row, what: Change) {
        if let Some(step) = &mut self.step {
            step.tell(job.queue, job.id, what);
        }
    }

    /// A job that stays Ready changed its place in its lane.
    pub(super) fn moved(&mut self, job: &Row) {
        self.lanes.entry(job.lane).or_default().moved = true;
        self.announce(job);
    }

    /// A lease took `n` jobs of this lane; their rows are written already, and its scopes count them themselves.
    pub(super) fn taken(&mut self, turn: i64, lane: i64, queue: u16, n: i64) {
        self.count(turn, lane, queue, READY, -n);
        self.count_state(turn, RUNNING, n);
        self.queues.entry(queue).or_default().running += n;
    }

    /// Lanes of this tenant were opened (or, below zero, closed) by a gate.
    pub(super) fn opened(&mut self, turn: i64, lanes: i64) {
        self.turns.entry(turn).or_default().open += lanes;
    }

    fn announce(&mut self, job: &Row) {
        self.touched.job(job.id);
        if job.state == READY || job.due_at.is_some_and(|due| due != NEVER) {
            self.touched.queue(job.queue);
        }
    }

    fn count(&mut self, turn: i64, lane: i64, queue: u16, state: u8, n: i64) {
        self.count_state(turn, state, n);
        if state == READY {
            let lane = self.lanes.entry(lane).or_default();
            (lane.ready, lane.moved) = (lane.ready + n, true);
        }
        if state == RUNNING {
            self.lanes.entry(lane).or_default().running += n;
            self.queues.entry(queue).or_default().running += n;
        }
    }

    fn count_state(&mut self, turn: i64, state: u8, n: i64) {
        if let Some(count) = self.turns.entry(turn).or_default().states.get_mut(usize::from(state)) {
            *count += n;
        }
    }

    /// A tenant and its lane are charged with slot-time in milliseconds; below zero it is given back.
    pub(super) fn charge(&mut self, turn: i64, lane: i64, ms: f64, weight: f64) {
        self.turns.entry(turn).or_default().vt += ms / weight;
        self.lanes.entry(lane).or_default().vt += ms;
    }

    /// An attempt ended; `ran_ms` is None where nobody knows how long it ran.
    pub(super) fn ended(&mut self, queue: u16, lane: i64, ran_ms: Option<f64>) {
        let queue = self.queues.entry(queue).or_default();
        queue.ended += 1;
        if let Some(ms) = ran_ms {
            queue.ran.add(ms);
            self.lanes.entry(lane).or_default().ran.add(ms);
        }
    }

    /// Which classes of scopes a queue has.
    pub(super) fn flags(&mut self, queue: u16) -> Result<i64> {
        if let Some(flags) = self.flags.get(&queue) {
            return Ok(*flags);
        }
        let flags = self.db.one("scope.flags", [queue], |row| row.get(0))?.unwrap_or(0);
        self.flags.insert(queue, flags);
        Ok(flags)
    }

    /// Counts a refused late write.
    pub(super) fn lease_lost(&self, queue: u16, n: usize) -> Result<()> {
        self.db.exec("tally.refused", params![queue, i64::try_from(n).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    /// The running job of `id` if `token` is its current one; otherwise the late write is counted and refused.
    pub(super) fn fenced(&self, id: JobId, token: crate::Token) -> Result<Result<Row>> {
        let found = row::find(self.db, id)?;
        match found {
            Some(job) if job.state == RUNNING && job.token == i64::try_from(token.0).ok() => Ok(Ok(job)),
            _ => {
                self.lease_lost(id.home().0, 1)?;
                Ok(Err(BrokerError::LeaseLost))
            }
        }
    }
}
