//! May a job of this scope start now? One answer, for the lease and for whoever asks why not. Pure.

use super::scope::{Line, RESOURCE};
use crate::{Budget, Gate, JobId, Period, fair::CHARGE_LEAST_MS};
use longshore_base::Millis;

/// Stretches of time in which a resource's points are kept together; so many make its window.
const BUCKETS: u64 = 120;
/// Every period begins with a whole minute.
const MINUTE_MS: Millis = 60_000;
/// Bits of a budget's alerts.
pub(super) const SOFT: u8 = 1;
pub(super) const HARD: u8 = 2;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) now: Millis,
    /// Units and points that the job is expected to take.
    pub(super) cost: u64,
    /// The queue's slots, for `max_share`: those of its live workers, at most its cap.
    pub(super) slots: u64,
}

/// Something in the way.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Gated(Gate),
    Probe(Option<JobId>),
    Limit {
        max: u64,
        rule: &'static str,
    },
    Rate {
        until: Millis,
    },
    Budget {
        used: u64,
        units: u64,
        until: Millis,
    },
    /// A resource's points are taken, or its provider said so.
    Empty {
        until: Option<Millis>,
    },
}

impl Block {
    /// When it is over by itself, where that is known.
    pub(super) fn until(&self) -> Option<Millis> {
        match self {
            Self::Gated(gate) => gate.pause.until,
            Self::Probe(_) | Self::Limit { .. } => None,
            Self::Rate { until } | Self::Budget { until, .. } => Some(*until),
            Self::Empty { until } => *until,
        }
    }
}

/// The queue's cap.
pub(super) fn capped(slots: Option<u32>, running: u64) -> Option<Block> {
    slots.map(u64::from).filter(|max| running >= *max).map(|max| Block::Limit { max, rule: "scale" })
}

impl Line {
    /// Everything in this scope that is in the job's way; the lease parks under the first.
    pub(super) fn blocks(&self, asked: &Asked) -> Vec<Block> {
        let mut blocks = Vec::new();
        let Asked { now, slots, .. } = *asked;
        if let Some(gate) = self.closed(now) {
            blocks.push(Block::Gated(gate.clone()));
        } else if self.wait_ms > 0 && self.probe.is_some() {
            blocks.push(Block::Probe(self.probe));
        }
        if let Some(max) = self.limits.max_running.map(u64::from).filter(|max| self.running >= *max) {
            blocks.push(Block::Limit { max, rule: "max_running" });
        }
        if let Some(max) = self.limits.share_of(slots).filter(|max| self.running >= *max) {
            blocks.push(Block::Limit { max, rule: "max_share" });
        }
        if let Some(rate) = self.limits.rate
            && let (0, until) = rate.admits(self.tat, micros(now))
        {
            blocks.push(Block::Rate { until: ceil_ms(until).max(now + 1) });
        }
        if let Some(budget) = self.limits.budget
            && let Some(units) = budget.closes_at()
        {
            let (span, until) = span(&budget, now);
            if self.spans(span) && self.used >= units {
                blocks.push(Block::Budget { used: self.used, units, until });
            }
        }
        if self.place.class == RESOURCE {
            blocks.extend(self.empty(asked).map(|until| Block::Empty { until }));
        }
        blocks
    }

    /// Whether a resource has nothing for this job, and until when.
    fn empty(&self, asked: &Asked) -> Option<Option<Millis>> {
        if let Some((left, until)) = self.learned
            && until > asked.now
            && (left == 0 || (self.points.is_some() && left < asked.cost))
        {
            return Some(Some(until));
        }
        let points = self.points?;
        let mut used: u64 = self.window.iter().map(|(.., used)| used).sum();
        let fits = |used: u64| used == 0 || used.saturating_add(asked.cost) <= points.count;
        if fits(used) {
            return None;
        }
        let period = Millis::try_from(points.period_ms).unwrap_or(Millis::MAX);
        for (_, end, taken) in &self.window {
            used -= taken;
            if fits(used) {
                return Some(Some(end.saturating_add(period)));
            }
        }
        Some(None)
    }

    /// How many jobs of cost 1 may start now.
    pub(super) fn room(&self, asked: &Asked) -> u64 {
        if !self.blocks(asked).is_empty() {
            return 0;
        }
        let rate = self.limits.rate.map(|rate| u64::from(rate.admits(self.tat, micros(asked.now)).0));
        let running = [self.limits.max_running.map(u64::from), self.limits.share_of(asked.slots)];
        let running = running.into_iter().flatten().map(|max| max.saturating_sub(self.running));
        let probe = (self.wait_ms > 0).then_some(1);
        running.chain(rate).chain(probe).min().unwrap_or(u64::MAX)
    }

    /// A job starts.
    pub(super) fn charge(&mut self, asked: &Asked, job: JobId) {
        let Asked { now, cost, .. } = *asked;
        self.running += 1;
        self.started += 1;
        if let Some(rate) = self.limits.rate {
            self.tat = rate.charged(self.tat, micros(now), 1);
            self.changed = true;
        }
        if self.wait_ms > 0 {
            self.probe = Some(job);
            self.changed = true;
        }
        if self.limits.budget.is_some() {
            self.roll(now);
            self.used = self.used.saturating_add(cost);
            self.reached();
            self.changed = true;
        }
        if self.place.class == RESOURCE {
            self.take(now, cost);
        }
    }

    fn take(&mut self, now: Millis, cost: u64) {
        if let Some((left, until)) = self.learned.filter(|(_, until)| *until > now) {
            self.learned = Some((left.saturating_sub(if self.points.is_some() { cost } else { 1 }), until));
            self.changed = true;
        }
        let Some(points) = self.points else { return };
        self.taken += cost;
        let (start, end) = bucket(points.period_ms, now);
        match self.window.iter_mut().find(|(from, ..)| *from == start) {
            Some((_, until, used)) => {
                *used += cost;
                *until = end.max(*until);
            }
            None => self.window.push((start, end, cost)),
        }
        self.changed = true;
    }

    /// A new period begins with nothing used. Only forward: a clock that goes back gives no units back.
    pub(super) fn roll(&mut self, now: Millis) {
        if let Some(budget) = self.limits.budget {
            let (span, _) = span(&budget, now);
            if !self.spans(span) {
                (self.budget_from, self.used, self.told, self.alert) = (span, 0, 0, 0);
                self.changed = true;
            }
        }
    }

    /// Whether what was used counts in this period: it is the same one, or the clock went back.
    pub(super) const fn spans(&self, span: Millis) -> bool {
        self.budget_from >= span && self.budget_from % MINUTE_MS == span % MINUTE_MS
    }

    /// What a job used, in place of what was reserved for it; a period that is over stays as it was.
    pub(super) fn spend(&mut self, period: Millis, reserved: u64, used: u64) {
        if self.limits.budget.is_some() && period == self.budget_from {
            self.used = self.used.saturating_sub(reserved).saturating_add(used);
            self.reached();
            self.changed = true;
        }
    }

    /// Thresholds that are reached and were not told in this period.
    pub(super) fn reached(&mut self) {
        let Some(budget) = self.limits.budget else { return };
        let soft = budget.alerts_at().is_some_and(|at| self.used >= at);
        let hard = budget.closes_at().is_some_and(|at| self.used >= at);
        self.alert = (if soft { SOFT } else { 0 } | if hard { HARD } else { 0 }) & !self.told;
    }
}

/// A budget's period: its begin, whose odd milliseconds tell of which length it is; and its end.
pub(super) fn span(budget: &Budget, now: Millis) -> (Millis, Millis) {
    let (from, until) = budget.period.around(now);
    let length = match budget.period {
        Period::Hour => 1,
        Period::Day => 2,
        Period::Month => 3,
    };
    (from + length, until)
}

/// Begin and end of the stretch of time that points taken now are kept with.
pub(super) fn bucket(period_ms: u64, now: Millis) -> (Millis, Millis) {
    let width = Millis::try_from((period_ms / BUCKETS).max(1)).unwrap_or(Millis::MAX);
    let start = now - now.rem_euclid(width);
    (start, start.saturating_add(width))
}

/// Microseconds, as rates count.
pub(super) fn micros(now: Millis) -> f64 {
    now as f64 * 1_000.0
}

#[expect(clippy::cast_possible_truncation, reason = "a time")]
fn ceil_ms(us: f64) -> Millis {
    (us / 1_000.0).ceil() as Millis
}

/// Slot-time that an attempt took, in milliseconds.
pub(super) fn took(ms: f64) -> f64 {
    ms.max(CHARGE_LEAST_MS)
}
