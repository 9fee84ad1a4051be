//! What the end of a lease settles: slot-time, budget, the rate of what never started, and the failures of its (tenant, key).

use super::{
    admit::{micros, took},
    gate,
    row::{self, Row},
    scope::{self, FAILING, Line, Place},
    tx::Tx,
};
use crate::{BrokerError, fair::CHARGE_LEAST_MS};
use longshore_base::Millis;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

/// How a lease ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// The handler returned after this long, having used so many units, where it knows.
    Ran { ran: Duration, used: Option<u64>, verdict: Verdict },
    /// Given back after its start by a worker that stops; so many units were used, where it knows.
    Interrupted { used: Option<u64> },
    /// Its worker was lost.
    Lost,
    /// The handler never started.
    Unstarted,
}

/// What an end says of the job's (tenant, key).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Completed.
    Good,
    /// Retry or Dead.
    Bad,
    /// Neither.
    Open,
}

/// Settles a running job; the caller then moves it and writes its row.
pub(super) fn settle(tx: &mut Tx<'_>, job: &mut Row, ending: Ending) -> Result<()> {
    let since_ms = elapsed(tx.now, job);
    let (charged, weight) = (job.charged.take().unwrap_or(0.0), job.weight.take().unwrap_or(1.0));
    let spent = match ending {
        Ending::Ran { ran, .. } => {
            let ms = ran.as_secs_f64() * 1_000.0;
            tx.ended(job.queue, job.lane, Some(ms));
            took(ms)
        }
        Ending::Interrupted { .. } => took(since_ms),
        Ending::Lost => {
            tx.ended(job.queue, job.lane, None);
            took(since_ms)
        }
        Ending::Unstarted => 0.0,
    };
    tx.charge(job.turn, job.lane, spent - charged, weight);
    spend(tx, job, ending)?;
    let flags = tx.flags(job.queue)?;
    if matches!(ending, Ending::Unstarted) && flags != 0 {
        refund(tx, job, flags)?;
    }
    let verdict = match ending {
        Ending::Ran { verdict, .. } => verdict,
        Ending::Interrupted { .. } | Ending::Lost | Ending::Unstarted => Verdict::Open,
    };
    if verdict == Verdict::Bad || flags & FAILING != 0 {
        gate::ended(tx, job, verdict)?;
    }
    Ok(())
}

/// A running job that has taken longer than it was charged for owes the difference: charged now, written by the caller.
pub(super) fn overrun(tx: &mut Tx<'_>, job: &Row) -> Option<f64> {
    let (since, charged) = (elapsed(tx.now, job), job.charged.unwrap_or(CHARGE_LEAST_MS));
    if since > charged {
        tx.charge(job.turn, job.lane, since - charged, job.weight.unwrap_or(1.0));
        return Some(since);
    }
    job.charged
}

fn elapsed(now: Millis, job: &Row) -> f64 {
    job.started_at.map_or(0.0, |at| (now - at).max(0) as f64)
}

/// The budget's units, in the period in which they were reserved.
fn spend(tx: &mut Tx<'_>, job: &mut Row, ending: Ending) -> Result<()> {
    let noted = job.noted.take();
    let Some(period) = job.period.take() else { return Ok(()) };
    let reserved = u64::from(job.cost);
    let used = match ending {
        Ending::Ran { used, .. } | Ending::Interrupted { used } => used.or(noted).unwrap_or(reserved),
        Ending::Lost => noted.unwrap_or(0).max(reserved),
        Ending::Unstarted => 0,
    };
    let tenant: String = tx.db.must("job.tenant", [job.turn], |row| row.get(0))?;
    change(tx, &Place::tenant(job.queue, &tenant), |line, _| line.spend(period, reserved, used))
}

/// The start never was: its scopes' rates get it back.
fn refund(tx: &mut Tx<'_>, job: &Row, flags: i64) -> Result<()> {
    let names = row::names(tx.db, job.lane)?;
    for place in scope::places(job.queue, flags, &names.tenant, &names.kind, &names.key, &names.resources) {
        change(tx, &place, |line, now| {
            if let Some(rate) = line.limits.rate {
                line.tat = rate.charged(line.tat, micros(now), -1);
                line.changed = true;
            }
        })?;
    }
    Ok(())
}

/// Changes a scope that is there; who waits in it is looked at again.
pub(super) fn change(tx: &mut Tx<'_>, place: &Place, change: impl FnOnce(&mut Line, Millis)) -> Result<()> {
    let Some(mut line) = scope::find(tx.db, place, tx.now)? else { return Ok(()) };
    change(&mut line, tx.now);
    if line.changed {
        look(tx, &mut line)?;
        line.save(tx.db)?;
    }
    Ok(())
}

/// Something of this scope may have opened: the next lease looks at who waits there.
pub(super) fn look(tx: &mut Tx<'_>, line: &mut Line) -> Result<()> {
    if line.waits {
        line.opens_at = Some(tx.now);
        tx.ring(&line.place, line.scope)?;
    } else if line.place.class == scope::QUEUE {
        tx.touched.queue(line.place.queue);
    }
    Ok(())
}
