//! Lanes as people see them.

use super::{
    codec,
    db::Db,
    scope::{self, Line, Place},
};
use crate::{BrokerError, Gate, LaneView, Limits, Scope};
use longshore_base::Millis;
use rusqlite::params;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, BrokerError>;

/// Lanes of one answer at most.
const LANES_MAX: usize = 1_000;

/// Scopes of a queue, each read once.
struct Lines<'c> {
    db: Db<'c>,
    now: Millis,
    known: HashMap<Place, Option<Line>>,
}

impl Lines<'_> {
    fn get(&mut self, place: Place) -> Result<Option<&Line>> {
        if !self.known.contains_key(&place) {
            let found = scope::find(self.db, &place, self.now)?;
            self.known.insert(place.clone(), found);
        }
        Ok(self.known.get(&place).and_then(Option::as_ref))
    }
    fn gate(&mut self, place: Place) -> Result<Option<Gate>> {
        let now = self.now;
        Ok(self.get(place)?.and_then(|line| line.closed(now).cloned()))
    }
    fn weight(&mut self, queue: u16, tenant: &str) -> Result<f64> {
        Ok(self.get(Place::tenant(queue, tenant))?.map_or(1.0, |line| line.limits.weight_or_default()))
    }
}

/// Lanes that have something ready or running, by tenant, kind and key.
pub(super) fn lanes(db: Db<'_>, scope: &Scope, queue: u16, limit: usize, now: Millis) -> Result<Vec<LaneView>> {
    let tenant = match scope {
        Scope::All => None,
        Scope::Tenant(own) => Some(own.as_str()),
    };
    type Found = (String, String, String, u64, u64);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let found: Vec<Found> = db.all("why.lanes", params![queue, tenant, limit.clamp(1, LANES_MAX)], read)?;
    let mut lines = Lines { db, now, known: HashMap::new() };
    let active: Vec<String> = db.all("why.active", [queue], |row| row.get(0))?;
    let mut sum = 0.0;
    for tenant in &active {
        sum += lines.weight(queue, tenant)?;
    }
    let mut views = Vec::with_capacity(found.len());
    for (tenant, kind, key, ready, running) in found {
        let share = lines.weight(queue, &tenant)? / sum;
        let mut gate = None;
        for place in [Place::queue(queue), Place::tenant(queue, &tenant), Place::kind(queue, &kind), Place::key(queue, &tenant, &key)] {
            gate = lines.gate(place)?;
            if gate.is_some() {
                break;
            }
        }
        let own = lines.get(Place::key(queue, &tenant, &key))?;
        let limits = own.map(|line| line.limits.clone()).filter(|limits| *limits != Limits::default());
        let failures = own.and_then(Line::failures);
        let (tenant, kind) = (codec::name(&tenant)?, codec::name(&kind)?);
        views.push(LaneView { tenant, kind, key, ready, running, limits, gate, failures, share });
    }
    Ok(views)
}
