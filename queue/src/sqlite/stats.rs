//! A queue in numbers, dead letters in groups, and how the broker is.

use super::{
    codec,
    db::Db,
    group,
    scope::{self, Place},
    tally::WINDOW_MS,
};
use crate::{BrokerError, Durability, Fault, Group, Health, Losses, QueueStats, Scope};
use longshore_base::{Millis, Name};
use rusqlite::params;
use std::path::Path;

type Result<T> = std::result::Result<T, BrokerError>;

/// A log longer than this tells that it could not be folded for long.
const LOG_MAX: u64 = 1 << 30;
/// With less room than this, the next commits may fail.
const ROOM_MIN: u64 = 16 << 20;

/// Counts of what `scope` may see. `home` is None for a queue that does not exist.
pub(super) fn stats(db: Db<'_>, scope: &Scope, queue: &Name, home: Option<u16>, now: Millis) -> Result<QueueStats> {
    let mut stats = QueueStats { name: queue.to_string(), ..QueueStats::default() };
    let Some(home) = home else { return Ok(stats) };
    let tenant = match scope {
        Scope::All => None,
        Scope::Tenant(own) => Some(own.as_str()),
    };
    let read = |row: &rusqlite::Row<'_>| {
        let mut counts = [0_u64; 8];
        for (at, count) in counts.iter_mut().enumerate() {
            *count = row.get::<_, i64>(at)?.try_into().unwrap_or(0);
        }
        Ok(counts)
    };
    let [scheduled, ready, running, retrying, waiting, completed, cancelled, dead] = db.must("read.counts", params![home, tenant], read)?;
    (stats.scheduled, stats.ready, stats.running, stats.retrying) = (scheduled, ready, running, retrying);
    (stats.waiting, stats.completed, stats.cancelled, stats.dead) = (waiting, completed, cancelled, dead);
    let turn = tenant.map(|tenant| db.one("read.turns", params![home, tenant], |row| row.get::<_, i64>(0))).transpose()?;
    let turn = turn.map(|turn| turn.unwrap_or(-1));
    let oldest = db.must("read.oldest_ready", params![home, turn], |row| row.get::<_, Option<Millis>>(0))?;
    stats.oldest_ready_ms = oldest.map(|at| u64::try_from(now - at).unwrap_or(0));
    rules(db, home, now, &mut stats)?;
    stats.lease_lost = db.one("read.lease_lost", [home], |row| row.get(0))?.unwrap_or(0);
    let serves = |report: &crate::WorkerReport| report.queues.iter().any(|served| served.name == *queue);
    let workers = super::workers::workers(db, now)?.iter().filter(|report| serves(report)).count();
    stats.workers = u32::try_from(workers).unwrap_or(u32::MAX);
    Ok(stats)
}

fn rules(db: Db<'_>, home: u16, now: Millis, stats: &mut QueueStats) -> Result<()> {
    let auto = db.must("read.rules", [home], |row| {
        (stats.slots, stats.scaled_at, stats.mean_ms) = (row.get(0)?, row.get(1)?, row.get(3)?);
        stats.rate_per_s = rate(now, row.get(4)?, row.get(5)?, row.get(6)?);
        row.get::<_, Option<String>>(2)
    })?;
    let auto = auto.map(|text| serde_json::from_str(&text).map_err(|fault| BrokerError::Corrupt(fault.to_string())));
    stats.auto = auto.transpose()?;
    stats.slots_live = scope::slots(db, home, now)?;
    let line = scope::find(db, &Place::queue(home), now)?;
    stats.paused = line.and_then(|line| line.closed(now).map(|gate| gate.pause.clone()));
    Ok(())
}

/// Attempts that ended per second, over the last window and what has passed of this one.
pub(super) fn rate(now: Millis, window: i64, current: u64, before: u64) -> f64 {
    let this = now / WINDOW_MS;
    let ended = match this - window {
        0 => current + before,
        1 => current,
        _ => 0,
    };
    ended as f64 * 1_000.0 / (WINDOW_MS + now.rem_euclid(WINDOW_MS)) as f64
}

/// Dead jobs with like errors, the newest first.
pub(super) fn groups(db: Db<'_>, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>> {
    type Line = (String, String, String, String, Vec<u8>, u64, Millis, Millis, Option<Vec<u8>>);
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?))
    };
    let tenant = match scope {
        Scope::All => None,
        Scope::Tenant(own) => Some(own.as_str()),
    };
    let lines: Vec<Line> = db.all("read.groups", params![queue.map(Name::as_str), tenant], read)?;
    let read = |(fingerprint, tenant, kind, queue, sample, count, first_at, last_at, hours): Line| {
        let (tenant, kind, queue) = (codec::name(&tenant)?, codec::name(&kind)?, codec::name(&queue)?);
        let (sample, hours) = (codec::unpack(&sample)?, group::hours(hours.as_deref())?);
        Ok(Group { fingerprint, tenant, kind, queue, sample, count, first_at, last_at, hours })
    };
    lines.into_iter().map(read).collect()
}

/// Looks at the library, the file and its log.
pub(super) fn health(db: Db<'_>, path: &Path) -> Result<Health> {
    let size = |pragma: &str| db.0.query_row(pragma, [], |row| row.get::<_, u64>(0));
    let bytes = size("PRAGMA page_count")?.saturating_mul(size("PRAGMA page_size")?);
    let log = std::fs::metadata(super::open::log(path)).map_or(0, |file| file.len());
    let mut faults = Vec::new();
    if log > LOG_MAX {
        faults.push(Fault {
            key: "sqlite.wal".to_owned(),
            value: format!("{log} bytes"),
            allowed: format!("at most {LOG_MAX} bytes: a longer log slows every read; something has read the file for very long"),
            mend: "end the reader (a copy that never finishes, a forgotten sqlite3 shell), or start the process again".to_owned(),
            fatal: false,
            broken: false,
        });
    }
    faults.extend(longshore_base::free_space(path).ok().filter(|space| space.free < ROOM_MIN).map(|space| Fault {
        key: "disk".to_owned(),
        value: format!("{} of {} MiB free", space.free >> 20, space.all >> 20),
        allowed: format!("{} MiB or more: on a full disk nothing is written, and so nothing is enqueued or ended", ROOM_MIN >> 20),
        mend: "make room (df -h); nothing else is needed".to_owned(),
        fatal: false,
        broken: true,
    }));
    let version = format!("SQLite {} ({bytes} bytes, log {log} bytes)", rusqlite::version());
    Ok(Health { durability: Durability::Durable, version, faults, memory: None, losses: Losses::default() })
}
