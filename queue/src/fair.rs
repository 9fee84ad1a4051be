//! The arithmetic of the lanes: what a start costs, when a rate admits, when a budget begins anew. Pure; both brokers and the model agree on
//! it, the Redis scripts in Lua.

use crate::{Budget, Hard, Limits, Period, Rate};
use chrono::{DateTime, Datelike, Months, NaiveTime, TimeDelta, Utc};
use longshore_base::Millis;

/// Jobs that a tenant starts in its turn while others wait.
pub const QUANTUM: usize = 4;
/// A start is charged at least this much slot-time, in milliseconds: below it the engine's own work decides.
pub const CHARGE_LEAST_MS: f64 = 1.0;
/// What one duration counts in a kind's mean (exponentially weighted).
pub const MEAN_WEIGHT: f64 = 0.1;

/// A kind's mean duration after `n` more attempts that took `average_ms` each. The first ones make the mean.
#[must_use]
pub(crate) fn mean(before: Option<f64>, average_ms: f64, n: u32) -> f64 {
    before.map_or(average_ms, |mean| mean + (average_ms - mean) * (1.0 - (1.0 - MEAN_WEIGHT).powi(n.try_into().unwrap_or(i32::MAX))))
}

/// Slot-time in milliseconds that a start of a kind with this mean is charged with, before it is divided by the tenant's weight.
#[must_use]
pub(crate) fn charge(mean_ms: Option<f64>) -> f64 {
    mean_ms.unwrap_or(0.0).max(CHARGE_LEAST_MS)
}

impl Limits {
    /// A tenant's weight.
    #[must_use]
    pub fn weight_or_default(&self) -> f64 {
        self.weight.unwrap_or(1.0)
    }
    /// Slots that `max_share` allows of `slots`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
    pub fn share_of(&self, slots: u64) -> Option<u64> {
        self.max_share.map(|share| ((slots as f64 * share + 1e-9).floor() as u64).max(1))
    }
}

impl Rate {
    /// Microseconds between two starts.
    #[must_use]
    pub fn interval_us(&self) -> f64 {
        self.period_ms as f64 * 1_000.0 / f64::from(self.count)
    }
    /// How many may start at `now_us`, and, when none may, the time of the first. `tat_us` is the theoretical arrival time.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and burst")]
    pub fn admits(&self, tat_us: f64, now_us: f64) -> (u32, f64) {
        let interval = self.interval_us();
        let ahead = (tat_us - now_us).max(0.0);
        let free = ((f64::from(self.burst) * interval - ahead) / interval + 1e-6).floor();
        (free.clamp(0.0, f64::from(self.burst)) as u32, now_us + ahead - (f64::from(self.burst) - 1.0) * interval)
    }
    /// The arrival time after `n` starts; negative `n` gives them back.
    #[must_use]
    pub fn charged(&self, tat_us: f64, now_us: f64, n: i64) -> f64 {
        (tat_us.max(now_us) + n as f64 * self.interval_us()).max(now_us)
    }
    /// After the server's clock went back: never further ahead than the burst.
    #[must_use]
    pub fn clamped(&self, tat_us: f64, now_us: f64) -> f64 {
        tat_us.min(now_us + f64::from(self.burst) * self.interval_us())
    }
}

impl Budget {
    /// Where it closes the tenant.
    #[must_use]
    pub fn closes_at(&self) -> Option<u64> {
        match self.hard {
            Hard::At(true) => Some(self.units),
            Hard::At(false) => None,
            Hard::Units(units) => Some(units.min(self.units)),
        }
    }
    /// Where it raises an alert.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count is a count")]
    pub fn alerts_at(&self) -> Option<u64> {
        self.soft.map(|soft| if soft < 1.0 { (self.units as f64 * soft).ceil() as u64 } else { soft as u64 })
    }
}

impl Period {
    /// Begin of the period that `now` is in, and of the next one.
    #[must_use]
    pub fn around(self, now: Millis) -> (Millis, Millis) {
        let at = DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default();
        let hours = |n: i64| TimeDelta::hours(n);
        let midnight = at.date_naive().and_time(NaiveTime::MIN).and_utc();
        let (from, to) = match self {
            Self::Hour => {
                let from = midnight + hours(at.signed_duration_since(midnight).num_hours());
                (from, from + hours(1))
            }
            Self::Day => (midnight, midnight + hours(24)),
            Self::Month => {
                let from = midnight - TimeDelta::days(i64::from(at.day0()));
                (from, from + Months::new(1))
            }
        };
        (from.timestamp_millis(), to.timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::{Period, Rate, charge, mean};

    #[test]
    fn a_rate_admits_its_burst_and_then_one_an_interval() {
        let rate = Rate { count: 10, period_ms: 1_000, burst: 3 };
        assert_eq!(rate.admits(0.0, 1e9).0, 3);
        let tat = rate.charged(0.0, 1e9, 3);
        assert_eq!(rate.admits(tat, 1e9), (0, 1e9 + 100_000.0));
        assert_eq!(rate.admits(tat, 1e9 + 100_000.0).0, 1);
        assert_eq!(rate.admits(rate.charged(tat, 1e9, -1), 1e9).0, 1);
        assert_eq!(rate.admits(rate.clamped(tat + 1e12, 1e9), 1e9).0, 0);
    }

    #[test]
    fn periods_follow_the_calendar() {
        // 2024-02-29T13:45:00Z
        let now = 1_709_214_300_000;
        assert_eq!(Period::Hour.around(now), (1_709_211_600_000, 1_709_215_200_000));
        assert_eq!(Period::Day.around(now), (1_709_164_800_000, 1_709_251_200_000));
        assert_eq!(Period::Month.around(now), (1_706_745_600_000, 1_709_251_200_000));
    }

    #[test]
    fn a_mean_follows_what_is_measured_and_a_charge_has_a_least() {
        assert_eq!(mean(None, 50.0, 3), 50.0);
        assert!((mean(Some(50.0), 150.0, 1) - 60.0).abs() < 1e-9);
        assert!((charge(None), charge(Some(0.2)), charge(Some(7.0))) == (1.0, 1.0, 7.0));
    }
}
