//! Schedules as people see them, and what is due as schedulers look for it. Readers only, but for `next_in`.

use super::{
    db::Db,
    schedule::{Line, find, history},
};
use crate::{BrokerError, DueSchedules, ScheduleFilter, SchedulePage, ScheduleState, Scope, TICKS_KEPT, TickRecord};
use longshore_base::{Millis, Name};
use rusqlite::params;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

/// Schedules of a page, and of one look at what is due, at most.
const PAGE_MAX: usize = 1_000;

/// How it stands, for whoever may see it.
pub(super) fn seen(db: Db<'_>, scope: &Scope, tenant: &Name, name: &Name) -> Result<Option<ScheduleState>> {
    if !scope.sees(tenant) {
        return Ok(None);
    }
    find(db, tenant, name)?.map(|line| line.state(db)).transpose()
}

/// A page by (tenant, name).
pub(super) fn schedules(db: Db<'_>, scope: &Scope, filter: &ScheduleFilter, limit: usize, cursor: Option<&str>) -> Result<SchedulePage> {
    let limit = limit.clamp(1, PAGE_MAX);
    let after = cursor.map(place).transpose()?;
    let tenant = match (scope, &filter.tenant) {
        (Scope::Tenant(own), Some(other)) if own != other => return Ok(SchedulePage::default()),
        (Scope::Tenant(own), _) => Some(own),
        (Scope::All, tenant) => tenant.as_ref(),
    };
    let queue = match &filter.queue {
        Some(queue) => match db.one("read.queue", [queue.as_str()], |row| row.get::<_, u16>(0))? {
            Some(queue) => Some(queue),
            None => return Ok(SchedulePage::default()),
        },
        None => None,
    };
    let file = filter.managed_by.as_ref().map(Name::as_str);
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, Line::read_at(row, 2)?));
    let (at_tenant, at_name) = after.unwrap_or_default();
    let mut found = match tenant.map(Name::as_str) {
        None => db.all("schedule.all", params![at_tenant, at_name, queue, file, limit + 1], read)?,
        Some(tenant) if tenant < at_tenant.as_str() => Vec::new(),
        Some(tenant) => {
            let after = if tenant == at_tenant { at_name } else { String::new() };
            db.all("schedule.own", params![tenant, after, queue, file, limit + 1], read)?
        }
    };
    let more = found.len() > limit;
    found.truncate(limit);
    let cursor = found.last().filter(|_| more).map(|(tenant, name, _)| format!("{tenant}/{name}"));
    let items = found.into_iter().map(|(.., line)| line.state(db)).collect::<Result<_>>()?;
    Ok(SchedulePage { items, cursor })
}

/// Where a page starts: after this tenant's schedule of this name.
fn place(cursor: &str) -> Result<(String, String)> {
    let place = cursor.split_once('/').filter(|(tenant, name)| Name::new(tenant).is_ok() && Name::new(name).is_ok());
    let (tenant, name) = place.ok_or_else(|| BrokerError::Cursor(cursor.to_owned()))?;
    Ok((tenant.to_owned(), name.to_owned()))
}

/// A schedule's history, newest first.
pub(super) fn ticks(db: Db<'_>, scope: &Scope, tenant: &Name, name: &Name, limit: usize) -> Result<Vec<TickRecord>> {
    let found = if scope.sees(tenant) { find(db, tenant, name)? } else { None };
    found.map_or(Ok(Vec::new()), |line| history(db, line.schedule, limit.min(TICKS_KEPT)))
}

/// What is due in a queue, the longest due first.
pub(super) fn due(db: Db<'_>, queue: u16, now: Millis, limit: usize) -> Result<DueSchedules> {
    let limit = limit.min(PAGE_MAX);
    let mut lines = db.all("schedule.due", params![queue, now, limit + 1], Line::read)?;
    let next_in = if lines.len() > limit {
        Some(Duration::ZERO)
    } else {
        db.one("schedule.after", params![queue, now], |row| row.get(0))?.map(|next| until(now, next))
    };
    lines.truncate(limit);
    Ok(DueSchedules { now, due: lines.into_iter().map(|line| line.state(db)).collect::<Result<_>>()?, next_in })
}

/// How long until the earliest tick of a queue's schedules: one probe of an index, which is empty where there are none.
pub(super) fn next_in(db: Db<'_>, queue: u16, now: Millis) -> Result<Option<Duration>> {
    Ok(db.one("schedule.next", [queue], |row| row.get(0))?.map(|next| until(now, next)))
}

fn until(now: Millis, next: Millis) -> Duration {
    Duration::from_millis(u64::try_from(next.saturating_sub(now)).unwrap_or(0))
}
