//! follow — lets a queue's slots follow its backlog, where an operator asked for it (`scale QUEUE --auto`). Any number of schedulers may
//! do so: each sets the cap only when it would be another one, and leaves it alone just after somebody set it. [`crate::Advance`] learns
//! with every tick of a queue whether somebody asked for it: nothing is looked at where nobody did.

use crate::{Chore, ChoreError, Done, alarm::Alarms};
use async_trait::async_trait;
use longshore_base::{Clock, Millis, Name, Scope};
use longshore_queue::{Auto, Broker, QueueStats, RuleChange, RuleScope, Scaling};
use metrics::counter;
use std::{sync::Arc, time::Duration};

/// How often each queue is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A cap that was set so lately was set by another scheduler for the same reason; a step is one step, however many schedulers there are.
const SETTLED_MS: Millis = 1_500;

/// See the file's first lines.
#[derive(Debug)]
pub struct Follow {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    alarms: Arc<Alarms>,
}

impl Follow {
    /// `clock`: for the cool-down after a change. `alarms`: says for which queues.
    pub(crate) fn new(broker: Arc<dyn Broker>, clock: Arc<dyn Clock>, alarms: Arc<Alarms>) -> Self {
        Self { broker, clock, alarms }
    }
}

#[async_trait]
impl Chore for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }
    fn every(&self) -> Option<Duration> {
        Some(EVERY)
    }
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError> {
        if !self.alarms.is_following(queue) {
            return Ok(Done::Idle);
        }
        let stats = self.broker.stats(&Scope::All, queue).await?;
        let Some(auto) = stats.auto else { return Ok(Done::Idle) };
        let Some(slots) = wanted(&stats, &auto, self.clock.now()) else { return Ok(Done::Idle) };
        self.broker.rule(queue, &RuleScope::Queue, RuleChange::Scale(Some(slots)), None).await?;
        counter!("longshore_scale_changes_total", "queue" => longshore_base::label::queue(queue)).increment(1);
        tracing::info!(%queue, from = stats.slots, to = slots, ready = stats.ready, running = stats.running, "the queue's slots follow its backlog");
        Ok(Done::Idle)
    }
}

/// The cap to set; None: it stands as it is.
fn wanted(stats: &QueueStats, auto: &Auto, now: Millis) -> Option<u32> {
    let settling = stats.slots.is_some() && stats.scaled_at.is_some_and(|at| (0..SETTLED_MS).contains(&(now - at)));
    let within = stats.slots.is_some_and(|slots| (auto.min..=auto.max).contains(&slots));
    if settling && within {
        return None;
    }
    // Without a cap the queue has what its workers have.
    let current = stats.slots.unwrap_or_else(|| u32::try_from(stats.slots_live).unwrap_or(u32::MAX));
    let wanted = Scaling::of(stats, auto, current, now).wanted;
    (stats.slots != Some(wanted)).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::{Auto, QueueStats, wanted};

    const AUTO: Auto = Auto { min: 1, max: 40, clear_in_ms: 10_000, step: Some(3), cool_down_ms: Some(60_000) };

    fn stats(ready: u64, slots: Option<u32>, scaled_at: Option<i64>) -> QueueStats {
        QueueStats { ready, slots, scaled_at, slots_live: 8, mean_ms: Some(100.0), ..QueueStats::default() }
    }

    #[test]
    fn a_cap_is_set_only_when_it_would_be_another_one() {
        assert_eq!(wanted(&stats(1_000, Some(10), None), &AUTO, 0), None);
        assert_eq!(wanted(&stats(1_000, Some(9), None), &AUTO, 0), Some(10));
        assert_eq!(wanted(&stats(1_000, None, None), &AUTO, 0), Some(10), "from the eight that its workers have");
        assert_eq!(wanted(&stats(0, None, None), &AUTO, 0), Some(5));
    }

    #[test]
    fn two_schedulers_take_one_step() {
        assert_eq!(wanted(&stats(4_000, Some(5), Some(10_000)), &AUTO, 10_400), None, "another one has just taken it");
        assert_eq!(wanted(&stats(4_000, Some(5), Some(10_000)), &AUTO, 11_500), Some(8));
        assert_eq!(wanted(&stats(4_000, Some(50), Some(10_000)), &AUTO, 10_400), Some(40), "a cap outside the bounds is not left there");
        assert_eq!(wanted(&stats(0, Some(8), Some(10_000)), &AUTO, 40_000), None, "it cools down");
        assert_eq!(wanted(&stats(0, Some(8), Some(10_000)), &AUTO, 70_000), Some(5));
    }
}
