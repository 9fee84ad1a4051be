//! What people change about a scope: limits, its gate, the queue's cap; and how it stands.

use super::{
    admit::{micros, span},
    db::Db,
    gate,
    scope::{self, KEY, Line, Place, QUEUE, TENANT},
    settle,
    tx::Tx,
};
use crate::{BrokerError, BudgetState, Gate, GateCause, RuleChange, RuleScope, ScopeState};
use longshore_base::{Code, Millis};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Changes the rules of a scope; a refused change leaves everything as it was.
pub(super) fn rule(
    tx: &mut Tx<'_>,
    queue: u16,
    scope: &RuleScope,
    change: RuleChange,
    expected: Option<u64>,
) -> Result<Result<ScopeState>> {
    let place = Place::of(queue, scope);
    let found = scope::find(tx.db, &place, tx.now)?;
    if let Err(refused) = fits(found.as_ref(), expected) {
        return Ok(Err(refused));
    }
    match change {
        RuleChange::Scale(_) | RuleChange::Auto(_) if place.class != QUEUE => {
            return Ok(Err(BrokerError::Refused("only a queue is scaled".to_owned())));
        }
        RuleChange::Scale(slots) => {
            tx.db.exec("around.scale", params![queue, slots, tx.now])?;
            tenants_again(tx, queue)?;
        }
        RuleChange::Auto(auto) => {
            tx.db.exec("around.auto", params![queue, auto.as_ref().map(scope::text).transpose()?])?;
        }
        RuleChange::Resume if found.is_none() => {}
        change => change_line(tx, &place, found, change)?,
    }
    tx.touched.queue(queue);
    tx.flush()?;
    rules(tx.db, queue, scope, tx.now).map(Ok)
}

/// Whether the change was made from what is there.
pub(super) fn fits(found: Option<&Line>, expected: Option<u64>) -> Result<()> {
    let revision = found.map_or(0, |line| line.revision);
    if expected.is_some_and(|expected| expected != revision) {
        let detail = format!("the rules are at revision {revision}");
        return Err(BrokerError::Conflict { code: Code::RevisionMismatch, detail });
    }
    Ok(())
}

fn change_line(tx: &mut Tx<'_>, place: &Place, found: Option<Line>, change: RuleChange) -> Result<()> {
    let mut line = match found {
        Some(line) => line,
        None => gate::make(tx, place)?,
    };
    match change {
        RuleChange::Limits(limits) => {
            let before = line.limits.rate;
            line.limits = limits;
            put(tx, &mut line, true)?;
            if let Some(rate) = line.limits.rate.filter(|rate| Some(*rate) != before) {
                line.tat = rate.clamped(line.tat, micros(tx.now));
            }
            line.roll(tx.now);
            line.reached();
        }
        RuleChange::Clear => {
            line.limits = crate::Limits::default();
            put(tx, &mut line, false)?;
        }
        RuleChange::Pause(pause) => gate::put(&mut line, tx.now, Gate { pause, cause: GateCause::Person }),
        RuleChange::Resume => open(&mut line),
        RuleChange::Scale(_) | RuleChange::Auto(_) => {}
    }
    settle::look(tx, &mut line)?;
    if line.place.class == KEY {
        gate::park(tx, &mut line)?;
    }
    line.save(tx.db)?;
    if line.place.class == TENANT {
        tx.db.exec("park.unpark_tenant", params![line.place.queue, line.place.tenant])?;
    }
    gate::drop_idle(tx, &line)?;
    gate::calm(tx, line.place.queue)
}

fn put(tx: &Tx<'_>, line: &mut Line, ruled: bool) -> Result<()> {
    (line.revision, line.ruled) = (line.revision + 1, ruled);
    let text = ruled.then(|| scope::text(&line.limits)).transpose()?;
    tx.db.exec("rule.put", params![line.scope, text, scope::number(line.revision)])?;
    Ok(())
}

/// Opens the gate, whoever closed it, and forgets the failures.
pub(super) fn open(line: &mut Line) {
    gate::forget(line);
    line.gate = None;
}

/// The queue's slots have changed: tenants that a share of them held back are looked at again.
pub(super) fn tenants_again(tx: &mut Tx<'_>, queue: u16) -> Result<()> {
    if tx.flags(queue)? & scope::flag(TENANT) != 0 && tx.db.exec("park.unpark_turns", [queue])? > 0 {
        tx.touched.queue(queue);
    }
    Ok(())
}

/// The rules of a scope, and how it stands.
pub(super) fn rules(db: Db<'_>, queue: u16, scope: &RuleScope, now: Millis) -> Result<ScopeState> {
    let place = Place::of(queue, scope);
    match scope::find(db, &place, now)? {
        Some(line) => Ok(state(&line, now)),
        None => Ok(ScopeState { running: running(db, &place)?, ..ScopeState::default() }),
    }
}

fn state(line: &Line, now: Millis) -> ScopeState {
    let budget = line.limits.budget.map(|budget| {
        let (span, resets_at) = span(&budget, now);
        let used = if line.spans(span) { line.used } else { 0 };
        BudgetState { used, resets_at, alert: budget.alerts_at().is_some_and(|at| used >= at) }
    });
    ScopeState {
        limits: line.limits.clone(),
        revision: line.revision,
        gate: line.closed(now).cloned(),
        failures: line.failures(),
        running: line.running,
        budget,
    }
}

fn running(db: Db<'_>, place: &Place) -> Result<u64> {
    let read = |row: &rusqlite::Row<'_>| row.get::<_, u64>(0);
    let found = match place.class {
        QUEUE => db.one("rule.running_queue", [place.queue], read)?,
        TENANT => db.one("rule.running_tenant", params![place.queue, place.tenant], read)?,
        scope::KIND => db.one("rule.running_kind", params![place.queue, place.name], read)?,
        _ => db.one("rule.running_key", params![place.queue, place.tenant, place.name], read)?,
    };
    Ok(found.unwrap_or(0))
}
