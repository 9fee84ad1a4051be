//! advance — moves a queue's time forward: due jobs become ready, those that never started expire, lost leases end, waits time
//! out, children's ends reach their parents. All of it in the broker's one `tick`, which also says when the queue's next schedule is due and
//! whether its slots follow its backlog.

use crate::{Chore, ChoreError, Done, alarm::Alarms};
use async_trait::async_trait;
use longshore_base::Name;
use longshore_queue::{Broker, BudgetAlert, TickReport};
use metrics::{counter, gauge};
use std::{sync::Arc, time::Duration};

/// See the file's first lines.
#[derive(Debug)]
pub struct Advance {
    broker: Arc<dyn Broker>,
    every: Duration,
    lease: Duration,
    alarms: Arc<Alarms>,
}

impl Advance {
    /// `lease`: how long workers' leases last. `alarms`: told what other chores have to look at.
    pub(crate) fn new(broker: Arc<dyn Broker>, every: Duration, lease: Duration, alarms: Arc<Alarms>) -> Self {
        Self { broker, every, lease, alarms }
    }
}

#[async_trait]
impl Chore for Advance {
    fn name(&self) -> &'static str {
        "advance"
    }
    fn every(&self) -> Option<Duration> {
        Some(self.every)
    }
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError> {
        let report = self.broker.tick(queue, self.lease).await?;
        self.alarms.report(queue, report.next_schedule);
        self.alarms.follows(queue, report.follows);
        tell(queue, &report);
        Ok(if report.more { Done::More } else { Done::Idle })
    }
}

fn tell(queue: &Name, report: &TickReport) {
    let TickReport { promoted, expired, reaped, timed_out, delivered, more: _, held, ref alerts, next_schedule: _, follows: _ } = *report;
    for (what, n) in [("promoted", promoted), ("expired", expired), ("reaped", reaped), ("timed_out", timed_out), ("delivered", delivered)]
    {
        if n > 0 {
            counter!("longshore_tick_jobs_total", "queue" => longshore_base::label::queue(queue), "what" => what).increment(u64::from(n));
        }
    }
    gauge!("longshore_reaping_held", "queue" => longshore_base::label::queue(queue)).set(f64::from(u8::from(held)));
    if reaped > 0 {
        tracing::warn!(%queue, reaped, "leases were lost; their jobs go on by their kinds' policies");
    }
    for BudgetAlert { tenant, used, units, hard } in alerts {
        let level = if *hard { "hard" } else { "soft" };
        counter!("longshore_budget_alerts_total", "queue" => longshore_base::label::queue(queue), "level" => level).increment(1);
        tracing::warn!(%queue, %tenant, used, units, level, "a tenant's budget reached its threshold");
    }
    if held {
        tracing::debug!(%queue, "reaping is held after a gap, so that workers can come back first");
    }
}
