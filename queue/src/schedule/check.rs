//! What can be wrong with a timing.

use super::{Cron, Timing, When, zone};
use chrono_tz::Tz;
use longshore_base::{Millis, rfc3339};

/// The shortest period, in milliseconds.
pub const EVERY_LEAST_MS: u64 = 1_000;
/// The longest period and the widest spread, in milliseconds: 366 days.
pub const SPAN_MOST_MS: u64 = 366 * 86_400_000;

/// One fault of a timing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimingFault {
    /// A JSON pointer (RFC 6901) to the field: `/cron`, `/timezone`, …
    pub pointer: &'static str,
    /// The fault, with the value, and for cron its position.
    pub detail: String,
    /// What would be allowed.
    pub allowed: String,
}

impl TimingFault {
    pub(super) fn new(pointer: &'static str, detail: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { pointer, detail: detail.into(), allowed: allowed.into() }
    }
}

/// A timing without faults.
pub(super) enum Checked {
    Cron(Box<Cron>, Tz),
    Every(Millis),
}

/// Reads a timing.
pub(super) fn check(timing: &Timing) -> Result<Checked, Vec<TimingFault>> {
    let mut faults = Vec::new();
    let zone = zone::find(&timing.timezone).map_err(|fault| faults.push(fault)).ok();
    if let (Some(start), Some(end)) = (timing.starts_at, timing.ends_at)
        && end <= start
    {
        faults.push(TimingFault::new(
            "/ends_at",
            format!("{} is not after starts_at", rfc3339(end)),
            format!("later than {}", rfc3339(start)),
        ));
    }
    if timing.spread_ms > SPAN_MOST_MS {
        faults.push(TimingFault::new("/spread_ms", timing.spread_ms.to_string(), format!("0..={SPAN_MOST_MS}")));
    }
    let checked = match &timing.when {
        When::Cron(text) => {
            let cron = Cron::parse(text).map_err(|more| faults.extend(more)).ok();
            cron.zip(zone).map(|(cron, zone)| Checked::Cron(Box::new(cron), zone))
        }
        When::EveryMs(every) if (EVERY_LEAST_MS..=SPAN_MOST_MS).contains(every) => Millis::try_from(*every).ok().map(Checked::Every),
        When::EveryMs(every) => {
            let allowed = format!("{EVERY_LEAST_MS}..={SPAN_MOST_MS}: at most one tick a second");
            faults.push(TimingFault::new("/every_ms", every.to_string(), allowed));
            None
        }
    };
    checked.filter(|_| faults.is_empty()).ok_or(faults)
}
