//! recur — fires the schedules of a queue. [`crate::Advance`] learns with every tick of a queue when its next schedule is due, and this sleeps
//! exactly until then: a queue without schedules costs nothing, and one with schedules no look that finds nothing.
//!
//! A look reads what is due, decides (`decide.rs`), and hands the decisions to the broker, which lets one scheduler through for each
//! schedule; being told that another one was faster is no failure.

mod decide;
mod tell;

use crate::{Chore, ChoreError, Done, alarm::Alarms};
use async_trait::async_trait;
use decide::{Decided, Decider};
use longshore_base::{Code, Millis, Name};
use longshore_jobs::Checker;
use longshore_queue::{Alert, Broker, BrokerError};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// So many schedules are looked at at once; the rest come with the next look.
const LOOK: usize = 200;
/// So many late schedules are named in one alert.
const NAMED_MAX: usize = 5;

/// See the file's first lines.
#[derive(Debug)]
pub struct Recur {
    broker: Arc<dyn Broker>,
    decider: Decider,
    alarms: Arc<Alarms>,
}

impl Recur {
    pub(crate) fn new(broker: Arc<dyn Broker>, checker: Arc<Checker>, alarms: Arc<Alarms>) -> Self {
        Self { broker, decider: Decider::new(checker), alarms }
    }

    /// Hands one call's decisions to the broker. Answers the first failure that is no lost race.
    async fn fire(&self, queue: &Name, part: Vec<Decided>) -> Result<(), BrokerError> {
        let (told, fires): (Vec<_>, Vec<_>) = part.into_iter().map(|Decided { state, fire, .. }| (state, fire)).unzip();
        let mut failed = None;
        let mut late: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        for (state, fired) in told.iter().zip(self.broker.fire(queue, fires).await?) {
            match fired {
                Ok(records) => {
                    if let Some(told) = tell::fired(&state.schedule, &records) {
                        late.entry(state.schedule.tenant.clone()).or_default().push(told);
                    }
                }
                Err(BrokerError::Conflict { code: Code::ScheduleMoved, .. }) => tell::lost(&state.schedule),
                Err(error) => {
                    tell::failed(&state.schedule, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        for (tenant, told) in late {
            self.announce(queue, tenant, &told).await;
        }
        failed.map_or(Ok(()), Err)
    }

    /// One alert for a tenant, however many of its schedules are late. Whoever is not reached learns it from the log and the histories.
    async fn announce(&self, queue: &Name, tenant: Name, told: &[String]) {
        let more = told.len().saturating_sub(NAMED_MAX);
        let mut detail = told.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
        if more > 0 {
            detail.push_str(&format!("; and {more} more"));
        }
        let alert = Alert { code: "schedules.late".to_owned(), tenant: Some(tenant), detail };
        if let Err(error) = self.broker.announce(queue, alert).await {
            tracing::debug!(%queue, %error, "late schedules could not be announced");
        }
    }
}

#[async_trait]
impl Chore for Recur {
    fn name(&self) -> &'static str {
        "recur"
    }
    fn every(&self) -> Option<Duration> {
        None
    }
    async fn due(&self, queue: &Name) {
        self.alarms.goes_off(queue).await;
    }
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError> {
        let look = self.broker.due_schedules(queue, LOOK).await?;
        // Only lengths of time come from the server: its clock and ours need not agree.
        let seen = self.alarms.elapsed();
        if let Some(next) = look.next_in {
            self.alarms.at_latest(queue, seen.saturating_add(next));
        }
        let all = self.decider.decide(look.due, look.now).await?;
        for next_at in all.iter().filter_map(Decided::next_at) {
            self.alarms.at_latest(queue, seen.saturating_add(until(next_at, look.now)));
        }
        for part in decide::parts(all) {
            self.fire(queue, part).await?;
        }
        Ok(Done::Idle)
    }
}

fn until(at: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(at.saturating_sub(now)).unwrap_or(0))
}

#[cfg(test)]
mod tests;
