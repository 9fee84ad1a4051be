//! Resources: everything is in one file, so a lease takes what it needs of them in its own transaction.

use super::{
    db::Db,
    gate,
    rule::{fits, open},
    scope::{self, Line, Place},
    settle,
    tx::Tx,
};
use crate::{BrokerError, Gate, GateCause, Limits, ResourceChange, ResourceState};
use longshore_base::{Millis, Name};
use rusqlite::params;

type Result<T> = std::result::Result<T, BrokerError>;

/// Changes an outside quota; a refused change leaves everything as it was.
pub(super) fn resource(tx: &mut Tx<'_>, name: &Name, change: ResourceChange, expected: Option<u64>) -> Result<Result<ResourceState>> {
    let place = Place::resource(name.as_str());
    let found = scope::find(tx.db, &place, tx.now)?;
    let Some(line) = found.as_ref() else {
        return match change {
            ResourceChange::Put(_) => match fits(None, expected) {
                Ok(()) => {
                    let line = gate::make(tx, &place)?;
                    changed(tx, line, change).map(Ok)
                }
                Err(refused) => Ok(Err(refused)),
            },
            _ => Ok(Err(BrokerError::NotFound)),
        };
    };
    if let Err(refused) = fits(Some(line), expected) {
        return Ok(Err(refused));
    }
    let line = line.clone();
    if matches!(change, ResourceChange::Remove) {
        return remove(tx, &line).map(Ok);
    }
    changed(tx, line, change).map(Ok)
}

fn changed(tx: &mut Tx<'_>, mut line: Line, change: ResourceChange) -> Result<ResourceState> {
    match change {
        ResourceChange::Put(quota) => {
            (line.revision, line.ruled) = (line.revision + 1, true);
            tx.db.exec("rule.put", params![line.scope, scope::text(&quota)?, scope::number(line.revision)])?;
            if line.limits.rate != quota.rate {
                line.tat = quota.rate.map_or(0.0, |rate| rate.clamped(line.tat, super::admit::micros(tx.now)));
            }
            line.limits = Limits { rate: quota.rate, max_running: quota.max_running, ..Limits::default() };
            line.points = quota.points;
        }
        ResourceChange::Pause(pause) => gate::put(&mut line, tx.now, Gate { pause, cause: GateCause::Person }),
        ResourceChange::Resume => open(&mut line),
        ResourceChange::Learn { remaining, resets_in } => {
            let left = u64::try_from(scope::number(remaining)).unwrap_or(remaining);
            line.learned = Some((left, super::codec::after(tx.now, resets_in)));
        }
        ResourceChange::Remove => {}
    }
    settle::look(tx, &mut line)?;
    line.save(tx.db)?;
    let place = line.place;
    let line = scope::find(tx.db, &place, tx.now)?.ok_or(BrokerError::NotFound)?;
    state(tx.db, &line, tx.now)
}

/// Who waited for it waits no more.
fn remove(tx: &mut Tx<'_>, line: &Line) -> Result<ResourceState> {
    let last = state(tx.db, line, tx.now)?;
    let held: Vec<(u16, i64)> = tx.db.all("rule.unhold", [line.scope], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (queue, turn) in held {
        tx.opened(turn, 1);
        tx.touched.queue(queue);
    }
    tx.db.exec("rule.drop_points", [line.scope])?;
    tx.db.exec("rule.drop", [line.scope])?;
    Ok(last)
}

/// Every outside quota, by name.
pub(super) fn resources(db: Db<'_>, now: Millis) -> Result<Vec<ResourceState>> {
    let lines = db.all("rule.resources", [], Line::read)?;
    lines.into_iter().map(|line| state(db, &scope::windowed(db, line, now)?, now)).collect()
}

fn state(db: Db<'_>, line: &Line, now: Millis) -> Result<ResourceState> {
    let queues: Vec<String> = db.all("rule.queues", [&line.place.name], |row| row.get(0))?;
    Ok(ResourceState {
        name: super::codec::name(&line.place.name)?,
        quota: line.quota(),
        revision: line.revision,
        gate: line.closed(now).cloned(),
        points_used: line.window.iter().map(|(.., used)| used).sum(),
        running: line.running,
        learned: line.learned.filter(|(_, until)| *until > now),
        queues: queues.iter().map(|name| super::codec::name(name)).collect::<Result<_>>()?,
    })
}
