//! Workers as they report themselves, and the gates of kinds: a lane whose kind nobody carries is parked and costs nothing.

use super::{codec, db::Db, rule, tx::Tx};
use crate::{BeatReply, BrokerError, Command, WorkerReport};
use longshore_base::Millis;
use rusqlite::params;
use std::collections::{BTreeMap, BTreeSet};

type Result<T> = std::result::Result<T, BrokerError>;

/// A worker that only leases, without reports, keeps its kinds' gates open for this long after its last call.
pub(super) const CARRIES_MS: Millis = 60_000;

/// A worker reports; `queues` are the numbers of those it serves.
pub(super) fn beat(tx: &mut Tx<'_>, report: &WorkerReport, queues: &[u16], ttl: Millis) -> Result<BeatReply> {
    let read = |row: &rusqlite::Row<'_>| row.get::<_, Option<String>>(1);
    let command = tx.db.one("workers.known", params![report.id, tx.now], read)?.flatten();
    let stored = codec::pack(&WorkerReport { seen_at: tx.now, ..report.clone() })?;
    tx.db.exec("workers.put", params![report.id, stored, tx.now, tx.now.saturating_add(ttl)])?;
    let wanted = queues.iter().flat_map(|queue| report.kinds.iter().map(|kind| (*queue, kind.to_string()))).collect();
    carry(tx, &report.id, &wanted)?;
    let slots = queues.iter().copied().zip(report.queues.iter().map(|served| served.slots)).collect();
    serve(tx, &report.id, &slots, tx.now.saturating_add(ttl))?;
    // No tick has to look at that: who becomes silent is found by time.
    tx.quiet = true;
    let command = command.map(|text| serde_json::from_str(&text).map_err(|fault| BrokerError::Corrupt(fault.to_string())));
    Ok(BeatReply { command: command.transpose()? })
}

/// A stopping worker says good-bye.
pub(super) fn leave(tx: &mut Tx<'_>, worker: &str) -> Result<()> {
    tx.db.exec("workers.remove", [worker])?;
    serve(tx, worker, &BTreeMap::new(), tx.now)?;
    carry(tx, worker, &BTreeSet::new())
}

/// Tells a live worker something, with its next report's reply.
pub(super) fn command(tx: &Tx<'_>, worker: &str, command: Command) -> Result<Result<()>> {
    let text = serde_json::to_string(&command).map_err(|fault| BrokerError::Refused(fault.to_string()))?;
    let told = tx.db.exec("workers.command", params![worker, text, tx.now])?;
    Ok(if told == 1 { Ok(()) } else { Err(BrokerError::NotFound) })
}

/// Live workers.
pub(super) fn workers(db: Db<'_>, now: Millis) -> Result<Vec<WorkerReport>> {
    let reports: Vec<Vec<u8>> = db.all("workers.live", [now], |row| row.get(0))?;
    reports.iter().map(|report| codec::unpack(report)).collect()
}

/// Opens a kind's gate in a queue thanks to this worker.
pub(super) fn open(tx: &mut Tx<'_>, queue: u16, kind: &str, worker: &str) -> Result<()> {
    let open = tx.db.any("workers.carried", params![queue, kind])?;
    tx.db.exec("workers.carry", params![queue, kind, worker])?;
    if open { Ok(()) } else { gate(tx, queue, kind, true) }
}

/// Makes `wanted` what this worker carries: gates that it opens first open, those that nobody else holds open close.
fn carry(tx: &mut Tx<'_>, worker: &str, wanted: &BTreeSet<(u16, String)>) -> Result<()> {
    let had: BTreeSet<(u16, String)> = tx.db.all("workers.carries", [worker], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    for (queue, kind) in wanted.difference(&had) {
        open(tx, *queue, kind, worker)?;
    }
    for (queue, kind) in had.difference(wanted) {
        tx.db.exec("workers.uncarry", params![queue, kind, worker])?;
        if !tx.db.any("workers.carried", params![queue, kind])? {
            gate(tx, *queue, kind, false)?;
        }
    }
    Ok(())
}

/// Makes `slots` what this worker announces for its queues, until it is silent for too long.
fn serve(tx: &mut Tx<'_>, worker: &str, slots: &BTreeMap<u16, u32>, until: Millis) -> Result<()> {
    let had: BTreeMap<u16, u32> =
        tx.db.all("workers.slots", params![worker, tx.now], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    for (queue, n) in slots {
        tx.db.exec("workers.serve", params![queue, worker, n, until])?;
    }
    for queue in had.keys().filter(|queue| !slots.contains_key(queue)) {
        tx.db.exec("workers.unserve", params![queue, worker])?;
    }
    for (queue, n) in slots {
        if had.get(queue).is_none_or(|before| before < n) {
            rule::tenants_again(tx, *queue)?;
        }
    }
    Ok(())
}

fn gate(tx: &mut Tx<'_>, queue: u16, kind: &str, open: bool) -> Result<()> {
    tx.flush()?;
    let changed: Vec<(i64, bool)> = tx.db.all("workers.gate", params![queue, kind, !open], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (turn, _) in changed.into_iter().filter(|(_, ready)| *ready) {
        tx.opened(turn, if open { 1 } else { -1 });
        tx.touched.queue(queue);
    }
    Ok(())
}

/// Takes back what silent workers carried.
pub(super) fn silence(tx: &mut Tx<'_>) -> Result<()> {
    let silent: Vec<String> = tx.db.all("tick.silent", [tx.now, tx.now - CARRIES_MS], |row| row.get(0))?;
    for worker in silent {
        carry(tx, &worker, &BTreeSet::new())?;
    }
    Ok(())
}
