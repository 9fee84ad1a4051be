//! Gates that close by themselves: a handler's wish, and runs of failures with one probe.

use super::{
    row::{self, Row},
    scope::{self, FAILING, KEY, Line, Place, flag},
    settle::{self, Verdict},
    tx::Tx,
};
use crate::{BrokerError, FAILURES_TO_GATE, GATE_FIRST_MS, GATE_LONGEST_MS, Gate, GateCause, Pause, cause};
use longshore_base::Millis;
use rusqlite::params;
use std::{collections::HashMap, time::Duration};

type Result<T> = std::result::Result<T, BrokerError>;

/// An attempt of this job's (tenant, key) ended.
pub(super) fn ended(tx: &mut Tx<'_>, job: &Row, verdict: Verdict) -> Result<()> {
    let names = row::names(tx.db, job.lane)?;
    let place = Place::key(job.queue, names.tenant.as_str(), &names.key);
    let found = scope::find(tx.db, &place, tx.now)?;
    let mut line = match found {
        Some(line) => line,
        None if verdict == Verdict::Bad && !names.key.is_empty() => make(tx, &place)?,
        None => return Ok(()),
    };
    let probed = line.probe == Some(job.id);
    let idle = match verdict {
        Verdict::Bad => names.key.is_empty(),
        Verdict::Good => line.in_row == 0,
        Verdict::Open => !probed,
    };
    if idle {
        return Ok(());
    }
    if probed {
        line.probe = None;
    }
    match verdict {
        Verdict::Good => forget(&mut line),
        Verdict::Bad => fail(&mut line, tx.now, probed),
        Verdict::Open => {}
    }
    settle::look(tx, &mut line)?;
    line.save(tx.db)?;
    match verdict {
        Verdict::Good => {
            drop_idle(tx, &line)?;
            calm(tx, job.queue)
        }
        Verdict::Bad => raise(tx, job.queue, FAILING),
        Verdict::Open => Ok(()),
    }
}

fn raise(tx: &mut Tx<'_>, queue: u16, bit: i64) -> Result<()> {
    let flags = tx.flags(queue)?;
    if flags & bit == 0 {
        tx.db.exec("scope.raise", params![queue, bit])?;
        tx.flags.insert(queue, flags | bit);
    }
    Ok(())
}

/// Somebody's failures were forgotten; with the last of them the queue's flag goes.
pub(super) fn calm(tx: &mut Tx<'_>, queue: u16) -> Result<()> {
    let flags = tx.flags(queue)?;
    if flags & FAILING != 0 && !tx.db.any("scope.failing", [queue])? {
        tx.db.exec("rule.lower", params![queue, flags & !FAILING])?;
        tx.flags.insert(queue, flags & !FAILING);
    }
    Ok(())
}

/// A handler closes its (tenant, key) for a while.
pub(super) fn close(tx: &mut Tx<'_>, job: &Row, wait: Duration, reason: &str) -> Result<()> {
    let names = row::names(tx.db, job.lane)?;
    let place = Place::key(job.queue, names.tenant.as_str(), &names.key);
    let mut line = match scope::find(tx.db, &place, tx.now)? {
        Some(line) => line,
        None => make(tx, &place)?,
    };
    let pause = Pause { until: Some(super::codec::after(tx.now, wait)), reason: Some(cause::gated(reason).message), by: None };
    put(&mut line, tx.now, Gate { pause, cause: GateCause::Handler });
    settle::look(tx, &mut line)?;
    line.save(tx.db)
}

/// Parks the lanes of a (tenant, key) that is closed, so that no lease has to meet them one by one.
pub(super) fn park(tx: &mut Tx<'_>, line: &mut Line) -> Result<()> {
    let Some(until) = line.closed(tx.now).map(|gate| gate.pause.until) else { return Ok(()) };
    let place = &line.place;
    let turn: Option<i64> = tx.db.one("enqueue.turn", params![place.queue, place.tenant], |row| row.get(0))?;
    if let Some(turn) = turn {
        let parked = tx.db.exec("park.key", params![turn, place.name, line.scope])?;
        tx.opened(turn, -i64::try_from(parked).unwrap_or(i64::MAX));
        line.waits |= parked > 0;
    }
    if line.waits {
        line.opens_at = until;
    }
    Ok(())
}

/// A scope has one gate: a person's stands, of others the later end holds.
pub(super) fn put(line: &mut Line, now: Millis, gate: Gate) {
    let stands = line.closed(now).is_some_and(|there| {
        let later = there.pause.until.is_none_or(|until| gate.pause.until.is_some_and(|new| new <= until));
        gate.cause != GateCause::Person && (there.cause == GateCause::Person || later)
    });
    if !stands {
        line.gate = Some(gate);
    }
}

/// Opens the gate and forgets the failures.
pub(super) fn forget(line: &mut Line) {
    (line.in_row, line.wait_ms, line.probe) = (0, 0, None);
    if line.gate.as_ref().is_some_and(|gate| gate.cause == GateCause::Failures) {
        line.gate = None;
    }
}

fn fail(line: &mut Line, now: Millis, probed: bool) {
    line.in_row = line.in_row.saturating_add(1);
    let wait_ms = if line.wait_ms == 0 { GATE_FIRST_MS } else { line.wait_ms.saturating_mul(2).min(GATE_LONGEST_MS) };
    if probed || (line.wait_ms == 0 && line.in_row >= FAILURES_TO_GATE) {
        line.wait_ms = wait_ms;
        let until = Some(now.saturating_add(Millis::try_from(wait_ms).unwrap_or(Millis::MAX)));
        let reason = Some(format!("{} attempts in a row failed", line.in_row));
        put(line, now, Gate { pause: Pause { until, reason, by: None }, cause: GateCause::Failures });
    }
}

/// A row for a scope that had none, with the leases that it has now.
pub(super) fn make(tx: &mut Tx<'_>, place: &Place) -> Result<Line> {
    tx.flush()?;
    let running: i64 = count(tx, place)?;
    tx.db.exec("scope.insert", params![place.queue, place.class, place.tenant, place.name, running])?;
    if place.class != scope::RESOURCE {
        raise(tx, place.queue, flag(place.class))?;
    }
    scope::find(tx.db, place, tx.now)?.ok_or_else(|| BrokerError::Corrupt("a scope is not there that was just made".to_owned()))
}

/// Leases of a scope, counted. Queues and tenants count their own.
pub(super) fn count(tx: &Tx<'_>, place: &Place) -> Result<i64> {
    match place.class {
        scope::KIND => tx.db.must("rule.running_kind", params![place.queue, place.name], |row| row.get(0)),
        KEY => tx.db.must("rule.running_key", params![place.queue, place.tenant, place.name], |row| row.get(0)),
        scope::RESOURCE => tx.db.must("rule.running_resource", [&place.name], |row| row.get(0)),
        _ => Ok(0),
    }
}

/// Leases of every kind and key of a queue, or of every resource (0), counted in one go.
pub(super) fn counts(tx: &Tx<'_>, queue: u16) -> Result<HashMap<Place, u64>> {
    type Found = (u16, String, String, String, String, u64);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?));
    let lanes: Vec<Found> = tx.db.all("rule.running", [(queue > 0).then_some(queue)], read)?;
    let mut counts = HashMap::new();
    for (home, tenant, kind, key, resources, n) in lanes {
        let mut places = vec![Place::kind(home, &kind), Place::key(home, &tenant, &key)];
        if queue == 0 {
            places = resources.split(',').filter(|name| !name.is_empty()).map(Place::resource).collect();
        }
        for place in places {
            *counts.entry(place).or_insert(0) += n;
        }
    }
    Ok(counts)
}

/// A row that says nothing any more goes, and with the last of its class the queue's flag. Counts what runs by its own eyes, so that a
/// scope without a row costs nothing.
pub(super) fn drop_idle(tx: &mut Tx<'_>, line: &Line) -> Result<()> {
    if line.matters() || line.ruled || line.waits || line.revision > 0 {
        return Ok(());
    }
    tx.flush()?;
    tx.db.exec("rule.drop", [line.scope])?;
    let flags = tx.flags(line.place.queue)?;
    if !tx.db.any("rule.any", params![line.place.queue, line.place.class])? {
        let flags = flags & !flag(line.place.class);
        tx.db.exec("rule.lower", params![line.place.queue, flags])?;
        tx.flags.insert(line.place.queue, flags);
    }
    Ok(())
}
