//! What a call did to counts and virtual times, written once at its end: lanes, then their tenants, then the queue, then the scopes that
//! the lanes belong to.

use super::{
    scope::{self, KEY, KIND, Place, QUEUE, TENANT, flag},
    tx::{RUNNING, Tx},
};
use crate::{BrokerError, fair};
use longshore_base::Millis;
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Ended attempts are counted in windows of this length.
pub(super) const WINDOW_MS: Millis = 10_000;

/// Durations of attempts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ran {
    n: u32,
    sum_ms: f64,
}

impl Ran {
    pub(super) fn add(&mut self, ms: f64) {
        self.n += 1;
        self.sum_ms += ms;
    }
    fn and(&mut self, other: Self) {
        self.n += other.n;
        self.sum_ms += other.sum_ms;
    }
    /// Their mean, and what it counts against what was measured before.
    fn mean(self) -> (f64, f64) {
        if self.n == 0 { (0.0, 0.0) } else { (self.sum_ms / f64::from(self.n), fair::mean(Some(0.0), 1.0, self.n)) }
    }
}

#[derive(Debug, Default)]
pub(super) struct LaneTally {
    pub(super) ready: i64,
    pub(super) jobs: i64,
    pub(super) running: i64,
    pub(super) vt: f64,
    pub(super) ran: Ran,
    /// Its head may have changed.
    pub(super) moved: bool,
}

#[derive(Debug, Default)]
pub(super) struct TurnTally {
    pub(super) open: i64,
    pub(super) states: [i64; 8],
    pub(super) vt: f64,
    pub(super) lane_vt: Option<f64>,
}

#[derive(Debug, Default)]
pub(super) struct QueueTally {
    pub(super) running: i64,
    pub(super) ended: i64,
    pub(super) ran: Ran,
    /// The queue's virtual time goes back from here to there.
    back: Option<(f64, f64)>,
    /// Tenants in which something ended.
    freed: Vec<i64>,
}

#[derive(Debug)]
pub(super) struct LaneRow {
    queue: u16,
    turn: i64,
    kind: String,
    key: String,
    resources: String,
    ready: i64,
    parked: u8,
    jobs: i64,
}

impl LaneRow {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            queue: row.get(0)?,
            turn: row.get(1)?,
            kind: row.get(2)?,
            key: row.get(3)?,
            resources: row.get(4)?,
            ready: row.get(5)?,
            parked: row.get(6)?,
            jobs: row.get(7)?,
        })
    }
}

impl Tx<'_> {
    /// Writes the tally. Called before a call reads counts again, and at its end.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.flush_turns()?;
        for ((queue, kind), ran) in std::mem::take(&mut self.means) {
            let (mean, weight) = ran.mean();
            self.db.exec("tally.mean", params![queue, kind, mean, weight])?;
        }
        for (queue, tally) in std::mem::take(&mut self.queues) {
            self.queue(queue, &tally)?;
        }
        for (row, n) in std::mem::take(&mut self.leases).into_values() {
            if n != 0 {
                self.count_scopes(&row, n)?;
            }
        }
        for (place, n) in std::mem::take(&mut self.scopes) {
            self.scope(&place, n)?;
        }
        Ok(())
    }

    /// Writes what the order of tenants and lanes is read from. The turns of a lease need no more than that from each other.
    pub(super) fn flush_turns(&mut self) -> Result<()> {
        for (lane, tally) in std::mem::take(&mut self.lanes) {
            let row = self.lane(lane, &tally)?;
            if tally.ran.n > 0 {
                self.means.entry((row.queue, row.kind.clone())).or_default().and(tally.ran);
            }
            if tally.running != 0 {
                self.leases.entry(lane).or_insert((row, 0)).1 += tally.running;
            }
        }
        for (turn, tally) in std::mem::take(&mut self.turns) {
            self.turn(turn, &tally)?;
        }
        Ok(())
    }

    fn lane(&mut self, lane: i64, tally: &LaneTally) -> Result<LaneRow> {
        if tally.ready == 0 && tally.jobs == 0 && !tally.moved {
            self.db.exec("tally.lane_time", params![lane, tally.vt])?;
            return self.db.must("tally.lane_row", [lane], LaneRow::read);
        }
        self.db.exec("tally.lane", params![lane, tally.ready, tally.jobs, tally.vt])?;
        let row = self.db.must("tally.lane_row", [lane], LaneRow::read)?;
        if row.parked == 0 {
            let (is, was) = (row.ready > 0, row.ready - tally.ready > 0);
            self.turns.entry(row.turn).or_default().open += i64::from(is) - i64::from(was);
        } else if row.parked == 2 && row.ready <= 0 {
            self.db.exec("tally.unhold", [lane])?;
        }
        if row.jobs == 0 && tally.jobs < 0 {
            self.db.exec("tally.drop_lane", [lane])?;
        }
        Ok(row)
    }

    /// Leases of a lane began or ended: its kind, its key and its resources count them.
    fn count_scopes(&mut self, row: &LaneRow, n: i64) -> Result<()> {
        let flags = self.flags(row.queue)?;
        let mut places = Vec::new();
        if flags & flag(KIND) != 0 {
            places.push(Place::kind(row.queue, &row.kind));
        }
        if flags & flag(KEY) != 0 {
            let tenant: String = self.db.must("job.tenant", [row.turn], |row| row.get(0))?;
            places.push(Place::key(row.queue, &tenant, &row.key));
        }
        places.extend(row.resources.split(',').filter(|name| !name.is_empty()).map(Place::resource));
        for place in places {
            *self.scopes.entry(place).or_default() += n;
        }
        Ok(())
    }

    fn turn(&mut self, turn: i64, tally: &TurnTally) -> Result<()> {
        let [a, b, c, d, e, f, g, h] = tally.states;
        if tally.open == 0 && tally.states == [0; 8] && tally.vt == 0.0 && tally.lane_vt.is_none() {
            return Ok(());
        }
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u16>(0)?, row.get::<_, f64>(1)?, row.get::<_, i64>(2)?));
        let wrote = params![turn, tally.open, a, b, c, d, e, f, g, h, tally.vt, tally.lane_vt];
        self.db.exec("tally.turn", wrote)?;
        let freed = tally.states.get(usize::from(RUNNING)).is_some_and(|n| *n < 0);
        if tally.vt >= 0.0 && !freed {
            return Ok(());
        }
        let (queue, vt, open) = self.db.must("tally.turn_row", [turn], read)?;
        if tally.vt < 0.0 && open > 0 {
            let tally_of = self.queues.entry(queue).or_default();
            let (from, to) = tally_of.back.unwrap_or((f64::MIN, f64::MAX));
            tally_of.back = Some((from.max(vt - tally.vt), to.min(vt)));
        }
        if freed {
            self.queues.entry(queue).or_default().freed.push(turn);
        }
        Ok(())
    }

    fn queue(&mut self, queue: u16, tally: &QueueTally) -> Result<()> {
        if tally.running == 0 && tally.ended == 0 && tally.back.is_none() {
            return Ok(());
        }
        let (mean, weight) = tally.ran.mean();
        // Without a tenant that goes back nothing is below the first bound.
        let (from, to) = tally.back.unwrap_or((-1.0, 0.0));
        let wrote = params![queue, tally.running, tally.ended, mean, weight, self.now / WINDOW_MS, from, to];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?));
        self.db.exec("tally.queue", wrote)?;
        let (capped, flags) = self.db.must("tally.queue_row", [queue], read)?;
        if tally.running < 0 && (capped || flags & flag(QUEUE) != 0) {
            // Under a limit, a job that ended lets another one start.
            self.touched.queue(queue);
        }
        if flags & flag(TENANT) != 0 {
            for turn in &tally.freed {
                if self.db.exec("tally.unpark_turn", [turn])? > 0 {
                    self.touched.queue(queue);
                }
            }
        }
        Ok(())
    }

    fn scope(&mut self, place: &Place, n: i64) -> Result<()> {
        if n == 0 {
            return Ok(());
        }
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?));
        let Some((scope, waits)) = self.db.one("tally.scope_row", params![place.queue, place.class, place.tenant, place.name], read)?
        else {
            return Ok(());
        };
        self.db.exec("tally.scope", params![scope, n, self.now])?;
        if waits && n < 0 { self.ring(place, scope) } else { Ok(()) }
    }

    /// Wakes whoever may have lanes under this scope.
    pub(super) fn ring(&mut self, place: &Place, scope: i64) -> Result<()> {
        if place.class != scope::RESOURCE {
            self.touched.queue(place.queue);
            return Ok(());
        }
        let mut last = 0_u16;
        while let Some(queue) = self.db.one("park.held_queue", params![scope, last], |row| row.get(0))? {
            self.touched.queue(queue);
            last = queue;
        }
        Ok(())
    }
}
