//! A cron expression on the wall of a zone.
//!
//! A cron expression speaks of the wall clock. Between two changes of the zone's offset the wall clock runs like any other, so the search goes
//! from one such stretch to the next; the rules for the hour that does not exist and for the one that comes twice are applied at the seams.

use super::{Cron, Gap, RepeatedHour};
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Offsets are compared this far apart when a change is looked for. No zone has changed twice within six days since 1970; the oracle checks that.
const PROBE: TimeDelta = TimeDelta::days(1);
/// No wall clock is further from UTC than 16 hours, so none moves by more than this: two days later it shows a later time, whatever it did.
const SHIFT_MAX: TimeDelta = TimeDelta::days(2);
const SECOND: TimeDelta = TimeDelta::seconds(1);

#[derive(Debug, Clone)]
pub(super) struct Wall {
    pub(super) cron: Cron,
    pub(super) zone: Tz,
    pub(super) gap: Gap,
    pub(super) repeated: RepeatedHour,
}

impl Wall {
    /// The first tick after the second `low`.
    pub(super) fn next(&self, mut low: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // The stretch of `low` is searched from `from` on. At a seam the two are equal: there the wall clock shows what the new stretch says.
        let mut from = low + SECOND;
        loop {
            let offset = self.offset(low);
            let next = self.cron.at_or_after(from.naive_utc() + offset)?;
            let candidate = (next - offset).and_utc();
            let far = candidate - from > SHIFT_MAX * 3;
            if let Some((seam, then)) = self.seam(low, if far { low + SHIFT_MAX } else { candidate }) {
                let opens = seam.naive_utc() + then;
                // The wall clock jumps over a fixed time that would have come.
                if self.cron.is_fixed() && self.gap == Gap::Next && next < opens {
                    return Some(seam);
                }
                (low, from) = (seam, seam);
            } else if far {
                // Nothing matches between here and there, whatever the offset does meanwhile, so its seams do not matter.
                low = next.and_utc() - SHIFT_MAX;
                from = low + SECOND;
            } else if self.cron.is_fixed() && self.repeated == RepeatedHour::Once && self.came_before(next, candidate, offset) {
                (low, from) = (candidate, candidate + SECOND);
            } else {
                return Some(candidate);
            }
        }
    }

    /// Whether the wall clock showed `wall` before it did so at `at`, with `offset`.
    fn came_before(&self, wall: NaiveDateTime, at: DateTime<Utc>, offset: TimeDelta) -> bool {
        let before = [PROBE, SHIFT_MAX].map(|back| self.offset(at - back));
        before.into_iter().any(|before| before > offset && self.offset((wall - before).and_utc()) == before)
    }

    fn offset(&self, at: DateTime<Utc>) -> TimeDelta {
        TimeDelta::seconds(self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
    }

    /// The first instant after `from`, and not after `to`, at which the zone has another offset, and that offset.
    fn seam(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<(DateTime<Utc>, TimeDelta)> {
        let offset = self.offset(from);
        let mut low = from;
        while low < to {
            let mut high = (low + PROBE).min(to);
            if self.offset(high) != offset {
                while high - low > SECOND {
                    let middle = low + TimeDelta::seconds((high - low).num_seconds() / 2);
                    if self.offset(middle) == offset { low = middle } else { high = middle }
                }
                return Some((high, self.offset(high)));
            }
            low = high;
        }
        None
    }
}

#[cfg(test)]
mod tests;
