//! What the host takes from this machine: time in which its processors were to run and did not.

use crate::clock::now_us;
use std::{ops::RangeInclusive, time::Duration};
use tokio::sync::oneshot;

/// The first line of `/proc/stat` (proc_stat(5)): time of all processors since the start, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    pub(crate) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests had stands in user already.
        let ticks: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or_default() }
    }

    /// Share of all processors' time that the host took since then, 0 to 1.
    pub(crate) fn stolen_since(self, then: Self) -> f64 {
        let all = self.all.saturating_sub(then.all).max(1);
        self.stolen.saturating_sub(then.stolen) as f64 / all as f64
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// A second in which the host took more than this share says nothing about single calls: a thread of the highest priority on a machine that
/// does nothing else is woken up to fifty milliseconds late in such seconds, and hardly ever more than two in the others.
const QUIET_MAX: f64 = 0.01;

/// The seconds of a measurement in which the host took part of the machine.
#[derive(Debug, Default)]
pub(crate) struct Loud(Vec<RangeInclusive<u64>>);

impl Loud {
    /// Looks until `over` completes.
    pub(crate) async fn watch(mut over: oneshot::Receiver<()>) -> Self {
        let (mut loud, mut began, mut ticks) = (Self::default(), now_us(), Ticks::now());
        let mut every = tokio::time::interval(SECOND);
        every.tick().await;
        loop {
            let ended = tokio::select! {
                _ = every.tick() => false,
                _ = &mut over => true,
            };
            let (at, now) = (now_us(), Ticks::now());
            if now.stolen_since(ticks) > QUIET_MAX {
                loud.0.push(began..=at);
            }
            if ended {
                return loud;
            }
            (began, ticks) = (at, now);
        }
    }

    /// Whether a part of that time was loud.
    pub(crate) fn hears(&self, from_us: u64, to_us: u64) -> bool {
        self.0.iter().any(|second| *second.start() <= to_us && from_us <= *second.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_loud_that_touches_a_loud_second() {
        let loud = Loud(vec![10..=20, 40..=50]);
        for (from, to, hears) in [(0, 9, false), (5, 10, true), (12, 13, true), (20, 25, true), (21, 39, false), (30, 60, true)] {
            assert_eq!(loud.hears(from, to), hears, "{from} to {to}");
        }
    }

    #[test]
    fn what_the_host_took_is_a_share_of_all_processors() {
        let (then, now) = (Ticks { all: 1_000, stolen: 10 }, Ticks { all: 1_200, stolen: 14 });
        assert!((now.stolen_since(then) - 0.02).abs() < 1e-9);
    }
}
