//! Time moves on: what a tick does, and what retention asks for.

use super::{RedisBroker, Result, keys, queues::Queue, record, script::Script, value};
use crate::{BudgetAlert, Job, TickReport};
use longshore_base::Name;
use std::time::Duration;

/// Jobs that one tick moves of each sort.
const STEP: usize = 200;
/// Scripts in one tick at most; the report says when there is more.
const ROUNDS: usize = 5;

impl RedisBroker {
    pub(super) async fn tick_queue(&self, name: &Name, lease: Duration) -> Result<TickReport> {
        let Some(queue) = self.existing(name).await? else { return Ok(TickReport::default()) };
        let mut report = TickReport::default();
        for _ in 0..ROUNDS {
            let (step, outbox, unused) = self.tick_once(&queue, lease).await?;
            for name in &unused {
                // What cannot be given back now is given back by a later tick.
                if let Err(error) = self.give_back(&queue, name).await {
                    tracing::debug!(%error, resource = %name, "unused slots stay lent");
                }
            }
            report.promoted += step.promoted;
            report.expired += step.expired;
            report.reaped += step.reaped;
            report.timed_out += step.timed_out;
            report.held = step.held;
            report.alerts.extend(step.alerts);
            report.more = step.more;
            report.next_schedule = step.next_schedule;
            report.follows = step.follows;
            if outbox {
                report.delivered += self.drain_from(queue.home).await;
            }
            if !step.more {
                break;
            }
        }
        Ok(report)
    }

    /// One script, whether the outbox has entries, and outside quotas of which the queue has more than it uses.
    pub(super) async fn tick_once(&self, queue: &Queue, lease: Duration) -> Result<(TickReport, bool, Vec<Name>)> {
        let mut command = self.command(Script::Tick, &queue.meta);
        command.arg(record::millis(lease).max(1)).arg(STEP).arg(self.options.random.bits() % 2_147_483_646 + 1);
        let answer = value::list(self.call(queue, Script::Tick, &command).await?, "tick")?;
        let count = |at: usize| answer.get(at).and_then(|v| value::int(v, "tick").ok()).and_then(|n| u64::try_from(n).ok());
        let number = |at: usize| count(at).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let alert = |at: usize| {
            let tenant = Name::new(value::text(answer.get(at)?)?).ok()?;
            Some(BudgetAlert { tenant, used: count(at + 1)?, units: count(at + 2)?, hard: count(at + 3)? == 1 })
        };
        let unused = number(10) as usize;
        let name = |v| value::text(v).and_then(|name| Name::new(name).ok()).ok_or_else(|| value::strange("tick"));
        let names = answer.iter().skip(11).take(unused).map(name).collect::<Result<_>>()?;
        let alerts =
            (11 + unused..answer.len()).step_by(4).map(|at| alert(at).ok_or_else(|| value::strange("tick"))).collect::<Result<_>>()?;
        if number(6) == 1 {
            tracing::warn!(queue = %queue.name, "the server's clock went back; leases were shortened, due times were not moved");
        }
        let report = TickReport {
            alerts,
            promoted: number(0),
            expired: number(1),
            reaped: number(2),
            timed_out: number(3),
            more: number(4) == 1,
            held: number(5) == 1,
            delivered: 0,
            next_schedule: count(8).map(Duration::from_millis),
            follows: number(9) == 1,
        };
        Ok((report, number(7) > 0, names))
    }

    pub(super) async fn over_retention(&self, name: &Name, keep: Duration, keep_count: u64, limit: usize) -> Result<Vec<Job>> {
        let Some(queue) = self.existing(name).await? else { return Ok(Vec::new()) };
        let mut command = self.command(Script::Expired, &queue.meta);
        command.arg(record::millis(keep)).arg(keep_count.min(1 << 52)).arg(limit.clamp(1, 1000));
        let answer = value::list(self.call(&queue, Script::Expired, &command).await?, "expired")?;
        let ids: Vec<_> = answer.iter().filter_map(value::bytes).filter_map(|id| keys::long(id, queue.home)).collect();
        self.retired(&queue, &ids).await
    }
}
