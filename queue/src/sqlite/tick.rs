//! Time moves forward: due, expired, timed out, lost; and rows whose time is over.

use super::{
    ack,
    admit::{HARD, SOFT, micros},
    calendar,
    calm::{REST_MS, Rest},
    codec, deliver, end, gate, row,
    row::Row,
    scope::{self, KEY, KIND, Line, RESOURCE},
    settle::{self, Ending},
    tx::{CANCELLED, DEAD, READY, RETRYING, Tx, WAITING},
    workers,
};
use crate::{BrokerError, BudgetAlert, EventKind, Reason, TickReport, cause};
use longshore_base::Millis;
use rusqlite::params;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

/// Jobs of each sort that one call moves; more are left to the next.
pub(super) const BATCH: usize = 500;
/// The first retry after a crash comes within this time.
const CRASH_DELAY_MS: u64 = 1_000;
/// Running jobs are counted again this often.
const RECOUNT_MS: Millis = 60_000;
/// A silent worker's remembered reply is kept this long.
const LEASERS_MS: Millis = 24 * 3_600_000;

/// One tick of a queue. `lease_ms` is how long leases last here.
pub(super) fn tick(tx: &mut Tx<'_>, queue: u16, lease_ms: Millis) -> Result<TickReport> {
    let (held, follows) = see(tx, queue, lease_ms)?;
    let (promoted, timed_out, due_left) = promote(tx, queue)?;
    let (expired, expiring_left) = expire(tx, queue)?;
    let mut report = TickReport { promoted, timed_out, expired, held, follows, more: due_left || expiring_left, ..TickReport::default() };
    if !held {
        let lost = tx.db.all("tick.lost", params![queue, tx.now, BATCH], Row::read)?;
        report.more |= lost.len() == BATCH;
        for job in lost {
            // The end of one before it may have reached it.
            let Some(mut job) = row::find(tx.db, job.id)?.filter(|now| now.token == job.token) else { continue };
            lose(tx, &mut job)?;
            report.delivered += deliver::drain(tx)?;
            report.reaped += 1;
        }
    }
    report.alerts = alerts(tx, queue)?;
    report.next_schedule = calendar::next_in(tx.db, queue, tx.now)?;
    sweep(tx)?;
    Ok(report)
}

/// For how long the next ticks of a queue find nothing, if `report` says that this one did not, and nobody writes. `writes`: see [`Rest`].
pub(super) fn rest(tx: &mut Tx<'_>, queue: u16, lease_ms: Millis, report: &TickReport, writes: u64) -> Result<Option<Rest>> {
    let nothing = TickReport { next_schedule: report.next_schedule, follows: report.follows, ..TickReport::default() };
    if *report != nothing || tx.db.any("tick.runs", [queue])? {
        return Ok(None);
    }
    tx.quiet = true;
    let schedule = report.next_schedule.map(|wait| codec::after(tx.now, wait));
    let soonest = tx.db.must("tick.soonest", params![queue, tx.now], |row| row.get::<_, Option<Millis>>(0))?;
    // A gap of half a lease between ticks would be an outage.
    let longest = tx.now + REST_MS.min(lease_ms / 4);
    let until = [soonest, schedule].into_iter().flatten().fold(longest, Millis::min);
    Ok(Some(Rest { writes, since: tx.now, until, report: nothing }))
}

/// Notices gaps of the clock: a jump or an outage holds reaping for one lease; after a jump back no lease lasts longer than one from now.
/// Answers whether it is held, and whether the queue's slots follow its backlog.
fn see(tx: &mut Tx<'_>, queue: u16, lease_ms: Millis) -> Result<(bool, bool)> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<Millis>>(0)?, row.get::<_, Millis>(1)?, row.get(2)?));
    let (last, mut hold, follows) = tx.db.must("tick.seen", [queue], read)?;
    let last = last.unwrap_or(tx.now);
    if tx.now / RECOUNT_MS != last / RECOUNT_MS {
        recount(tx, queue)?;
    }
    if tx.now - last > lease_ms / 2 || tx.now < last {
        hold = tx.now + lease_ms;
        tracing::warn!(queue, gap_ms = tx.now - last, "the clock jumped or nobody ticked; lost leases are not ended for one lease");
    }
    if tx.now < last {
        tx.db.exec("tick.clamp", params![queue, tx.now + lease_ms])?;
        for queue in [queue, 0] {
            clamp_rates(tx, queue)?;
        }
    }
    tx.db.exec("tick.see", params![queue, tx.now, hold])?;
    Ok((tx.now < hold, follows))
}

/// After the clock went back no rate is further ahead than its burst.
fn clamp_rates(tx: &Tx<'_>, queue: u16) -> Result<()> {
    for mut line in tx.db.all("rule.scopes", [queue], Line::read)? {
        if let Some(rate) = line.limits.rate {
            line.tat = rate.clamped(line.tat, micros(tx.now));
            line.save(tx.db)?;
        }
    }
    Ok(())
}

/// Counts of running jobs are derived facts: now and then they are counted again. Scopes that say nothing any more go.
fn recount(tx: &mut Tx<'_>, queue: u16) -> Result<()> {
    if tx.flags(queue)? == 0 {
        return Ok(());
    }
    tx.flush()?;
    for home in [queue, 0] {
        let running = gate::counts(tx, home)?;
        for mut line in tx.db.all("rule.scopes", [home], Line::read)? {
            let counted = running.get(&line.place).copied().unwrap_or(0);
            if matches!(line.place.class, KIND | KEY | RESOURCE) && counted != line.running {
                tracing::warn!(scope = ?line.place, kept = line.running, counted, "a count of running jobs was wrong");
                tx.db.exec("rule.recount", params![line.scope, scope::number(counted)])?;
            }
            if line.closed(tx.now).is_none() && line.gate.take().is_some() {
                line.save(tx.db)?;
                gate::drop_idle(tx, &line)?;
            }
        }
    }
    Ok(())
}

/// Budgets that reached a threshold, each told once a period.
fn alerts(tx: &Tx<'_>, queue: u16) -> Result<Vec<BudgetAlert>> {
    let mut alerts = Vec::new();
    for mut line in tx.db.all("rule.alerts", [queue], Line::read)? {
        let Some(budget) = line.limits.budget else { continue };
        line.roll(tx.now);
        let tenant = codec::name(&line.place.tenant)?;
        for (bit, units, hard) in [(SOFT, budget.alerts_at(), false), (HARD, budget.closes_at(), true)] {
            if let Some(units) = units.filter(|_| line.alert & bit != 0) {
                alerts.push(BudgetAlert { tenant: tenant.clone(), used: line.used, units, hard });
            }
        }
        (line.told, line.alert) = (line.told | line.alert, 0);
        line.save(tx.db)?;
    }
    Ok(alerts)
}

/// Due jobs enter their lanes, waits that ran out end. Answers how many of each, and whether more are due.
pub(super) fn promote(tx: &mut Tx<'_>, queue: u16) -> Result<(u32, u32, bool)> {
    let due = tx.db.all("tick.due", params![queue, tx.now, BATCH], Row::read)?;
    let (mut promoted, mut timed_out, more) = (0, 0, due.len() == BATCH);
    for mut job in due {
        if job.state == WAITING {
            // The end of one before it may have woken it.
            let Some(mut job) = row::find(tx.db, job.id)?.filter(|now| now.state == WAITING) else { continue };
            deliver::time_out(tx, &mut job)?;
            deliver::drain(tx)?;
            timed_out += 1;
        } else {
            tx.shift(&mut job, READY);
            job.put(tx.db)?;
            promoted += 1;
        }
    }
    Ok((promoted, timed_out, more))
}

/// Jobs that have not started in time are cancelled.
pub(super) fn expire(tx: &mut Tx<'_>, queue: u16) -> Result<(u32, bool)> {
    let late = tx.db.all("tick.expiring", params![queue, tx.now, BATCH], Row::read)?;
    let (n, more) = (late.len(), late.len() == BATCH);
    for mut job in late {
        job.note(tx.db, tx.now, EventKind::Expired, None, None)?;
        end::end(tx, &mut job, CANCELLED, Some(Reason::Expired), None)?;
        deliver::drain(tx)?;
    }
    Ok((u32::try_from(n).unwrap_or(u32::MAX), more))
}

/// The lease is lost: the policy that was frozen into the job decides.
fn lose(tx: &mut Tx<'_>, job: &mut Row) -> Result<()> {
    let worker = job.worker.map(|worker| tx.db.one("job.worker", [worker], |row| row.get::<_, String>(0))).transpose()?.flatten();
    let (cancelled, counters) = (job.cancel, &mut job.counters);
    counters.crashes = counters.crashes.saturating_add(1);
    counters.crashes_in_row = counters.crashes_in_row.saturating_add(1);
    let in_row = counters.crashes_in_row;
    let error = cause::lost(worker.as_deref(), job.repeatable);
    job.note(tx.db, tx.now, EventKind::Crashed, worker.as_deref(), Some(&error))?;
    job.woken = None;
    settle::settle(tx, job, Ending::Lost)?;
    if !job.repeatable {
        end::end(tx, job, DEAD, Some(Reason::OutcomeUnknown), Some(&error))
    } else if cancelled {
        end::end(tx, job, CANCELLED, Some(Reason::Cancelled), None)
    } else if in_row >= job.crashes_max {
        end::end(tx, job, DEAD, Some(Reason::Crashed), Some(&error))
    } else {
        let (body, _) = row::body(tx.db, job.seq)?;
        let (base, max) = body.backoff_ms;
        let grown = base.saturating_mul(1_u64.checked_shl(u32::from(in_row)).unwrap_or(u64::MAX)).min(max);
        let bound = if in_row <= 1 { CRASH_DELAY_MS } else { grown };
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a wait")]
        let wait = (bound as f64 * tx.random.unit()) as u64;
        ack::rest(tx, job, RETRYING, Duration::from_millis(wait))
    }
}

/// Rows whose time is over, whichever queue they belong to.
fn sweep(tx: &mut Tx<'_>) -> Result<()> {
    workers::silence(tx)?;
    tx.db.exec("tick.dead_workers", [tx.now])?;
    tx.db.exec("tick.dead_slots", [tx.now])?;
    tx.db.exec("tick.forget_leasers", [tx.now - LEASERS_MS])?;
    tx.db.exec("tick.forget_idempotency", [tx.now])?;
    tx.db.exec("unique.sweep", [tx.now])?;
    Ok(())
}
