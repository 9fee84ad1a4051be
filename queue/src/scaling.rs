//! How many slots a queue wants: facts for an autoscaler, from what the queue measures of itself.

use crate::{Auto, QueueStats};
use longshore_base::Millis;
use serde::{Deserialize, Serialize};

/// A job of an unknown duration counts as this long, in milliseconds.
const MEAN_UNKNOWN_MS: f64 = 1_000.0;

/// What an autoscaler wants to know of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Jobs that could run now.
    pub backlog: u64,
    /// Jobs that run.
    pub running: u64,
    /// Attempts that ended lately, per second.
    pub rate_per_s: f64,
    /// When the backlog is cleared at this rate, in milliseconds; None: it does not move.
    pub clear_in_ms: Option<u64>,
    /// Slots that would clear it in the time that was asked for.
    pub wanted: u32,
}

impl Scaling {
    /// From a queue's numbers. `auto` bounds what is wanted; `current` are the slots that it has now, `now` is compared with
    /// [`QueueStats::scaled_at`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times and counts, not below zero")]
    pub fn of(stats: &QueueStats, auto: &Auto, current: u32, now: Millis) -> Self {
        let mean = stats.mean_ms.unwrap_or(MEAN_UNKNOWN_MS).max(1.0);
        let work_ms = stats.ready as f64 * mean + stats.running as f64 * mean / 2.0;
        let clearing = if stats.ready > 0 { work_ms / (auto.clear_in_ms.max(1) as f64) } else { 0.0 };
        // Little's law: slots that are busy at the rate at which jobs end now.
        let steady = stats.rate_per_s * mean / 1_000.0;
        let busy = if stats.running > 0 { 1.0 } else { 0.0 };
        let wanted = clearing.max(steady).max(busy).ceil().min(f64::from(u32::MAX)) as u32;
        let clear_in_ms = match stats.ready {
            0 => Some(0),
            ready if stats.rate_per_s > 0.0 => Some((ready as f64 / stats.rate_per_s * 1_000.0) as u64),
            _ => None,
        };
        let wanted = bounded(wanted, auto, current, stats.scaled_at, now);
        Self { backlog: stats.ready, running: stats.running, rate_per_s: stats.rate_per_s, clear_in_ms, wanted }
    }
}

fn bounded(wanted: u32, auto: &Auto, current: u32, scaled_at: Option<Millis>, now: Millis) -> u32 {
    let wanted = wanted.clamp(auto.min.min(auto.max), auto.max);
    let resting = scaled_at.zip(auto.cool_down_ms).is_some_and(|(at, ms)| now - at < Millis::try_from(ms).unwrap_or(Millis::MAX));
    if wanted < current && resting && current <= auto.max {
        return current;
    }
    let step = auto.step.unwrap_or(u32::MAX).max(1);
    let near = wanted.clamp(current.saturating_sub(step), current.saturating_add(step));
    near.clamp(auto.min.min(auto.max), auto.max)
}

#[cfg(test)]
mod tests {
    use super::{Auto, QueueStats, Scaling};

    fn auto() -> Auto {
        Auto { min: 1, max: 40, clear_in_ms: 10_000, step: None, cool_down_ms: None }
    }

    fn stats(ready: u64, running: u64, rate: f64, mean: f64) -> QueueStats {
        QueueStats { ready, running, rate_per_s: rate, mean_ms: Some(mean), ..QueueStats::default() }
    }

    #[test]
    fn as_many_as_clear_the_backlog_in_time() {
        let of = |stats: &QueueStats, auto: &Auto| Scaling::of(stats, auto, 1, 0);
        assert_eq!(of(&stats(1_000, 0, 0.0, 100.0), &auto()).wanted, 10);
        assert_eq!(of(&stats(1_000_000, 0, 0.0, 100.0), &auto()).wanted, 40);
        assert_eq!(of(&stats(0, 0, 0.0, 100.0), &auto()).wanted, 1);
        assert_eq!(of(&stats(0, 0, 0.0, 100.0), &Auto { min: 0, ..auto() }).wanted, 0);
        // 50 a second of 100 ms keep five busy.
        assert_eq!(of(&stats(0, 5, 50.0, 100.0), &auto()).wanted, 5);
        assert_eq!(of(&stats(1_000, 5, 50.0, 100.0), &auto()).clear_in_ms, Some(20_000));
        assert_eq!(of(&stats(1_000, 0, 0.0, 100.0), &auto()).clear_in_ms, None);
    }

    #[test]
    fn steps_and_rests() {
        let calm = Auto { step: Some(3), cool_down_ms: Some(60_000), ..auto() };
        assert_eq!(Scaling::of(&stats(1_000, 0, 0.0, 100.0), &calm, 2, 0).wanted, 5);
        let after = |now| Scaling::of(&QueueStats { scaled_at: Some(0), ..stats(0, 0, 0.0, 100.0) }, &calm, 10, now).wanted;
        assert_eq!((after(59_999), after(60_000)), (10, 7));
    }
}
