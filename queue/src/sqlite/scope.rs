//! Scopes: the rows of what has a rule, a gate or failures. A scope without a row holds nothing back.

use super::{codec, db::Db};
use crate::{BrokerError, Failures, Gate, JobId, Limits, Points, Quota, RuleScope};
use longshore_base::{Millis, Name};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Classes of scopes, in the order in which the lease asks them.
pub(super) const QUEUE: u8 = 0;
pub(super) const TENANT: u8 = 1;
pub(super) const KIND: u8 = 2;
pub(super) const KEY: u8 = 3;
pub(super) const RESOURCE: u8 = 4;

/// The bit of a class in a queue's flags: set when the queue has such a scope, for resources when a job of it uses one.
pub(super) const fn flag(class: u8) -> i64 {
    1 << class
}

/// Set in a queue's flags while the last attempts of some (tenant, key) failed, so that other ends need not ask.
pub(super) const FAILING: i64 = 1 << 5;

/// Names a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// 0 for a resource.
    pub(super) queue: u16,
    pub(super) class: u8,
    pub(super) tenant: String,
    /// The kind, the key or the resource.
    pub(super) name: String,
}

impl Place {
    pub(super) fn queue(queue: u16) -> Self {
        Self { queue, class: QUEUE, tenant: String::new(), name: String::new() }
    }
    pub(super) fn tenant(queue: u16, tenant: &str) -> Self {
        Self { queue, class: TENANT, tenant: tenant.to_owned(), name: String::new() }
    }
    pub(super) fn kind(queue: u16, kind: &str) -> Self {
        Self { queue, class: KIND, tenant: String::new(), name: kind.to_owned() }
    }
    pub(super) fn key(queue: u16, tenant: &str, key: &str) -> Self {
        Self { queue, class: KEY, tenant: tenant.to_owned(), name: key.to_owned() }
    }
    pub(super) fn resource(name: &str) -> Self {
        Self { queue: 0, class: RESOURCE, tenant: String::new(), name: name.to_owned() }
    }
    pub(super) fn of(queue: u16, scope: &RuleScope) -> Self {
        match scope {
            RuleScope::Queue => Self::queue(queue),
            RuleScope::Tenant(tenant) => Self::tenant(queue, tenant.as_str()),
            RuleScope::Kind(kind) => Self::kind(queue, kind.as_str()),
            RuleScope::Key { tenant, key } => Self::key(queue, tenant.as_str(), key),
        }
    }
    /// As people know it; None for a resource.
    pub(super) fn rule_scope(&self) -> Result<Option<RuleScope>> {
        Ok(match self.class {
            QUEUE => Some(RuleScope::Queue),
            TENANT => Some(RuleScope::Tenant(codec::name(&self.tenant)?)),
            KIND => Some(RuleScope::Kind(codec::name(&self.name)?)),
            KEY => Some(RuleScope::Key { tenant: codec::name(&self.tenant)?, key: self.name.clone() }),
            _ => None,
        })
    }
}

/// One row of `scopes`.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) scope: i64,
    pub(super) place: Place,
    pub(super) revision: u64,
    /// A resource's rate and `max_running` are here too.
    pub(super) limits: Limits,
    pub(super) points: Option<Points>,
    /// None: no rule was ever set, or it was cleared.
    pub(super) ruled: bool,
    pub(super) gate: Option<Gate>,
    pub(super) tat: f64,
    pub(super) running: u64,
    pub(super) budget_from: Millis,
    pub(super) used: u64,
    pub(super) told: u8,
    pub(super) alert: u8,
    pub(super) in_row: u32,
    pub(super) wait_ms: u64,
    pub(super) probe: Option<JobId>,
    pub(super) waits: bool,
    pub(super) opens_at: Option<Millis>,
    pub(super) learned: Option<(u64, Millis)>,
    /// A resource's points that still count: begin, end, how many.
    pub(super) window: Vec<(Millis, Millis, u64)>,
    /// Somebody was parked here by this call: when to look again, where that is known.
    pub(super) parked: Option<Option<Millis>>,
    /// Points taken by this call.
    pub(super) taken: u64,
    /// Jobs that this call started here; `running` has them.
    pub(super) started: u64,
    /// Differs from its row.
    pub(super) changed: bool,
}

impl Line {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let place = Place { queue: row.get(1)?, class: row.get(2)?, tenant: row.get(3)?, name: row.get(4)? };
        let rule: Option<String> = row.get(6)?;
        let (limits, points) = match rule.as_deref().filter(|_| place.class == RESOURCE) {
            Some(text) => {
                let Quota { rate, points, max_running } = parse(6, text)?;
                (Limits { rate, max_running, ..Limits::default() }, points)
            }
            None => (rule.as_deref().map(|text| parse(6, text)).transpose()?.unwrap_or_default(), None),
        };
        let gate: Option<String> = row.get(7)?;
        let learned: Option<u64> = row.get(19)?;
        Ok(Self {
            scope: row.get(0)?,
            place,
            revision: row.get(5)?,
            limits,
            points,
            ruled: rule.is_some(),
            gate: gate.as_deref().map(|text| parse(7, text)).transpose()?,
            tat: row.get(8)?,
            running: row.get(9)?,
            budget_from: row.get(10)?,
            used: row.get(11)?,
            told: row.get(12)?,
            alert: row.get(13)?,
            in_row: row.get(14)?,
            wait_ms: row.get(15)?,
            probe: row.get::<_, Option<[u8; 16]>>(16)?.map(JobId::from_bytes),
            waits: row.get(17)?,
            opens_at: row.get(18)?,
            learned: learned.zip(row.get(20)?),
            window: Vec::new(),
            parked: None,
            taken: 0,
            started: 0,
            changed: false,
        })
    }

    /// Writes what leases and acks change.
    pub(super) fn save(&self, db: Db<'_>) -> Result<()> {
        let gate = self.gate.as_ref().map(text).transpose()?;
        let (used, learned) = (number(self.used), self.learned.map(|(left, _)| number(left)));
        db.exec(
            "scope.save",
            params![
                self.scope,
                self.tat,
                self.budget_from,
                used,
                self.told,
                self.alert,
                self.in_row,
                number(self.wait_ms),
                self.probe.as_ref().map(JobId::as_bytes),
                self.waits,
                self.opens_at,
                learned,
                self.learned.map(|(_, until)| until),
                gate,
            ],
        )?;
        Ok(())
    }

    /// Writes the starts of a lease. Those of queues and tenants are counted elsewhere.
    pub(super) fn save_started(&self, db: Db<'_>) -> Result<()> {
        if self.started > 0 && self.place.class >= KIND {
            db.exec("scope.started", params![self.scope, number(self.started)])?;
        }
        Ok(())
    }

    /// The gate, while it is closed.
    pub(super) fn closed(&self, now: Millis) -> Option<&Gate> {
        self.gate.as_ref().filter(|gate| gate.pause.until.is_none_or(|until| until > now))
    }

    /// Failures in a row, as people see them.
    pub(super) fn failures(&self) -> Option<Failures> {
        (self.in_row > 0).then_some(Failures { in_row: self.in_row, wait_ms: self.wait_ms, probe: self.probe })
    }

    /// A resource's quota.
    pub(super) fn quota(&self) -> Quota {
        Quota { rate: self.limits.rate, points: self.points, max_running: self.limits.max_running }
    }

    /// Whether anything here can hold a job back.
    pub(super) fn matters(&self) -> bool {
        self.place.class == RESOURCE || self.limits != Limits::default() || self.gate.is_some() || self.in_row > 0
    }
}

/// The scope of a place, with the points that still count. A full key's running leases are those of its row.
pub(super) fn find(db: Db<'_>, place: &Place, now: Millis) -> Result<Option<Line>> {
    let line = db.one("scope.find", params![place.queue, place.class, place.tenant, place.name], Line::read)?;
    line.map(|line| windowed(db, line, now)).transpose()
}

/// With the points that still count.
pub(super) fn windowed(db: Db<'_>, mut line: Line, now: Millis) -> Result<Line> {
    if let Some(points) = line.points {
        let since = now.saturating_sub(Millis::try_from(points.period_ms).unwrap_or(Millis::MAX));
        line.window = db.all("scope.points", params![line.scope, since], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    }
    Ok(line)
}

/// The scopes of a lane, in the order in which the lease asks them. `flags`: which classes the queue has.
pub(super) fn places(queue: u16, flags: i64, tenant: &Name, kind: &Name, key: &str, resources: &[Name]) -> Vec<Place> {
    let mut places = Vec::new();
    if flags & flag(QUEUE) != 0 {
        places.push(Place::queue(queue));
    }
    if flags & flag(TENANT) != 0 {
        places.push(Place::tenant(queue, tenant.as_str()));
    }
    if flags & flag(KIND) != 0 {
        places.push(Place::kind(queue, kind.as_str()));
    }
    if flags & flag(KEY) != 0 {
        places.push(Place::key(queue, tenant.as_str(), key));
    }
    places.extend(resources.iter().map(|name| Place::resource(name.as_str())));
    places
}

/// The slots that the live workers of a queue announce.
pub(super) fn slots(db: Db<'_>, queue: u16, now: Millis) -> Result<u64> {
    db.must("scope.slots", params![queue, now], |row| row.get(0))
}

/// What SQLite can hold of a count.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `value` as JSON.
pub(super) fn text<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|fault| BrokerError::Refused(fault.to_string()))
}

fn parse<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    let wrong = |fault| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(fault));
    serde_json::from_str(text).map_err(wrong)
}
