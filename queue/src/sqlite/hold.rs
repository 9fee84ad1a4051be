//! The scopes that one lease call meets: asked before each start, charged after it, written once at the end. Lanes and tenants that may
//! not run are parked here, and come back when their scope has room.

use super::{
    admit::{Asked, Block},
    scope::{self, Line, Place, RESOURCE, TENANT, flag},
    tx::Tx,
};
use crate::{BrokerError, JobId};
use longshore_base::Millis;
use rusqlite::params;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Scopes by place, each read once.
#[derive(Debug)]
pub(super) struct Scopes {
    pub(super) queue: u16,
    pub(super) flags: i64,
    lines: Vec<Line>,
    known: HashMap<Place, Option<usize>>,
    /// The slots of the live workers, at most the cap; counted when a tenant's `max_share` asks.
    slots: Option<u64>,
    cap: Option<u32>,
}

impl Scopes {
    pub(super) fn new(queue: u16, flags: i64, cap: Option<u32>) -> Self {
        Self { queue, flags, lines: Vec::new(), known: HashMap::new(), slots: None, cap }
    }

    /// Which line a place has.
    pub(super) fn at(&mut self, tx: &Tx<'_>, place: Place) -> Result<Option<usize>> {
        if let Some(at) = self.known.get(&place) {
            return Ok(*at);
        }
        let found = scope::find(tx.db, &place, tx.now)?;
        self.keep(tx, place, found)
    }

    fn keep(&mut self, tx: &Tx<'_>, place: Place, found: Option<Line>) -> Result<Option<usize>> {
        if found.as_ref().is_some_and(|line| line.limits.max_share.is_some()) && self.slots.is_none() {
            let slots = scope::slots(tx.db, self.queue, tx.now)?;
            self.slots = Some(self.cap.map_or(slots, |cap| slots.min(u64::from(cap))));
        }
        let at = found.map(|line| {
            self.lines.push(line);
            self.lines.len() - 1
        });
        self.known.insert(place, at);
        Ok(at)
    }

    pub(super) fn line(&self, at: usize) -> Option<&Line> {
        self.lines.get(at)
    }

    fn asked(&self, now: Millis, cost: u64) -> Asked {
        Asked { now, cost, slots: self.slots.unwrap_or(0) }
    }

    /// What stands first in the way of a job in these scopes, and where.
    pub(super) fn block(&self, now: Millis, cost: u64, scopes: &[usize]) -> Option<(usize, Block)> {
        let asked = self.asked(now, cost);
        let first = |at: &usize| Some((*at, self.lines.get(*at)?.blocks(&asked).into_iter().next()?));
        scopes.iter().find_map(first)
    }

    /// A job starts in these scopes. Answers the begin of the budget's period, if its tenant has one.
    pub(super) fn charge(&mut self, now: Millis, cost: u64, job: JobId, scopes: &[usize]) -> Option<Millis> {
        let asked = self.asked(now, cost);
        let mut period = None;
        for at in scopes {
            let Some(line) = self.lines.get_mut(*at) else { continue };
            line.charge(&asked, job);
            if line.limits.budget.is_some() {
                period = Some(line.budget_from);
            }
        }
        period
    }

    /// Somebody waits under this scope from now on.
    pub(super) fn parked(&mut self, at: usize, block: &Block) -> Option<i64> {
        let line = self.lines.get_mut(at)?;
        line.waits = true;
        line.changed = true;
        let until = block.until();
        line.parked = Some(match line.parked {
            Some(Some(before)) => Some(until.map_or(before, |until| before.min(until))),
            Some(None) | None => until,
        });
        Some(line.scope)
    }

    /// Lets lanes and tenants back whose scope has room: as many as it has room for, by virtual time. Answers how many.
    pub(super) fn offer(&mut self, tx: &mut Tx<'_>, kinds: &str, n: usize) -> Result<usize> {
        let (mut back, mut after) = (0, (Millis::MIN, 0));
        let outside = if self.flags & flag(RESOURCE) == 0 { None } else { Some(0) };
        for queue in [self.queue].into_iter().chain(outside) {
            loop {
                let open = tx.db.all("park.open", params![queue, tx.now, after.0, after.1], Line::read)?;
                let Some(last) = open.last() else { break };
                after = (last.opens_at.unwrap_or(after.0), last.scope);
                for line in open {
                    let at = match self.known.get(&line.place) {
                        Some(at) => *at,
                        None => {
                            let line = scope::windowed(tx.db, line, tx.now)?;
                            self.keep(tx, line.place.clone(), Some(line))?
                        }
                    };
                    if let Some(at) = at {
                        back += self.let_back(tx, at, kinds, n)?;
                    }
                    if back >= n {
                        tx.flush()?;
                        return Ok(back);
                    }
                }
            }
            after = (Millis::MIN, 0);
        }
        tx.flush()?;
        Ok(back)
    }

    fn let_back(&mut self, tx: &mut Tx<'_>, at: usize, kinds: &str, n: usize) -> Result<usize> {
        let asked = self.asked(tx.now, 1);
        let Some(line) = self.lines.get_mut(at) else { return Ok(0) };
        let room = usize::try_from(line.room(&asked)).unwrap_or(usize::MAX).min(n);
        line.changed = true;
        if room == 0 || line.parked.is_some() {
            return Ok(0);
        }
        if line.place.class == TENANT {
            line.waits = false;
            return tx.db.exec("park.unpark_tenant", params![line.place.queue, line.place.tenant]);
        }
        let scope = line.scope;
        let turns = self.held_turns(tx, scope)?;
        let share = room.div_ceil(turns.len().max(1));
        let mut back = 0;
        for turn in turns {
            let next = params![scope, self.queue, turn, kinds, share.min(room - back)];
            let lanes: Vec<i64> = tx.db.all("park.held", next, |row| row.get(0))?;
            for lane in &lanes {
                tx.db.exec("park.unpark_lane", [lane])?;
                tx.opened(turn, 1);
            }
            back += lanes.len();
            if back >= room {
                return Ok(back);
            }
        }
        if back == 0
            && let Some(line) = self.lines.get_mut(at)
        {
            line.waits = tx.db.any("park.any_held", [scope])?;
        }
        Ok(back)
    }

    /// Tenants of this queue that have lanes under a scope, by virtual time.
    fn held_turns(&self, tx: &Tx<'_>, scope: i64) -> Result<Vec<i64>> {
        let (mut turns, mut last) = (Vec::<(i64, f64)>::new(), i64::MIN);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        while let Some((turn, vt)) = tx.db.one("park.held_turn", params![scope, self.queue, last], read)? {
            turns.push((turn, vt));
            last = turn;
        }
        turns.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        Ok(turns.into_iter().map(|(turn, _)| turn).collect())
    }

    /// Writes what this call changed, and when each scope is to be looked at again.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<()> {
        let slots = self.slots.unwrap_or(0);
        for line in &mut self.lines {
            line.save_started(tx.db)?;
            if !line.changed {
                continue;
            }
            let first = line.blocks(&Asked { now: tx.now, cost: 1, slots }).into_iter().next();
            line.opens_at = match (line.waits, line.parked, first) {
                (false, ..) => None,
                (true, _, Some(block)) => block.until(),
                (true, Some(until), None) => until,
                (true, None, None) => Some(tx.now),
            };
            if line.taken > 0
                && let Some(points) = line.points
            {
                let (start, end) = super::admit::bucket(points.period_ms, tx.now);
                tx.db.exec("scope.take", params![line.scope, start, end, scope::number(line.taken)])?;
                let since = tx.now.saturating_sub(Millis::try_from(points.period_ms).unwrap_or(Millis::MAX));
                tx.db.exec("scope.forget_points", params![line.scope, since])?;
            }
            line.save(tx.db)?;
        }
        Ok(())
    }
}

/// When the next scope of the queue opens by itself.
pub(super) fn next(tx: &Tx<'_>, queue: u16, flags: i64) -> Result<Option<Millis>> {
    if flags == 0 {
        return Ok(None);
    }
    let mut next = tx.db.one("park.next", params![queue, tx.now], |row| row.get(0))?;
    if flags & flag(RESOURCE) != 0 {
        let outside: Option<Millis> = tx.db.one("park.next", params![0, tx.now], |row| row.get(0))?;
        next = next.into_iter().chain(outside).min();
    }
    Ok(next)
}
