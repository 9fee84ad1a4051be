//! From a schedule's timing to instants. Pure: the same timing gives the same ticks in every process.
//!
//! A cron expression speaks of the wall clock. Between two changes of the zone's offset the wall clock runs like any other, so the search goes
//! from one such stretch to the next; the rules for the hour that does not exist and for the one that comes twice are applied at the seams.

use super::{Checked, Cron, Gap, RepeatedHour, Timing, TimingFault, check};
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use longshore_base::{Millis, Name};
use sha2::{Digest, Sha256};

/// Offsets are compared this far apart when a change between two instants is looked for; no zone changes and changes back within it.
const PROBE: TimeDelta = TimeDelta::hours(6);

/// The ticks of one schedule.
#[derive(Debug, Clone)]
pub struct Timetable {
    ticks: Ticks,
    starts_at: Option<Millis>,
    ends_at: Option<Millis>,
    /// How much later each tick is carried out.
    spread: Millis,
}

#[derive(Debug, Clone)]
enum Ticks {
    Cron(Box<Wall>),
    Every { anchor: Millis, every: Millis },
}

/// A cron expression on the wall of a zone.
#[derive(Debug, Clone)]
struct Wall {
    cron: Cron,
    zone: Tz,
    gap: Gap,
    repeated: RepeatedHour,
}

impl Timetable {
    /// The ticks of `timing`. `created_at` anchors a period that names no start; tenant and name choose the part of the spread.
    ///
    /// # Errors
    /// Every fault of the timing.
    pub fn new(timing: &Timing, tenant: &Name, name: &Name, created_at: Millis) -> Result<Self, Vec<TimingFault>> {
        let ticks = match check(timing)? {
            Checked::Cron(cron, zone) => {
                Ticks::Cron(Box::new(Wall { cron, zone, gap: timing.gap, repeated: timing.repeated_hour }))
            }
            Checked::Every(every) => Ticks::Every { anchor: timing.starts_at.unwrap_or(created_at), every },
        };
        Ok(Self { ticks, starts_at: timing.starts_at, ends_at: timing.ends_at, spread: spread(timing.spread_ms, tenant, name) })
    }

    /// The first tick after `after`.
    #[must_use]
    pub fn next(&self, after: Millis) -> Option<Millis> {
        let after = self.starts_at.map_or(after, |start| after.max(start - 1));
        let tick = match &self.ticks {
            Ticks::Every { anchor, every } => Some(anchor + ((after - anchor).div_euclid(*every) + 1) * every),
            Ticks::Cron(wall) => wall.next(after),
        };
        tick.filter(|tick| self.ends_at.is_none_or(|end| *tick < end))
    }

    /// When a tick is carried out.
    #[must_use]
    pub const fn due(&self, tick: Millis) -> Millis {
        tick + self.spread
    }

    /// The ticks after `after` and up to `to`.
    pub fn between(&self, after: Millis, to: Millis) -> impl Iterator<Item = Millis> {
        std::iter::successors(self.next(after), |tick| self.next(*tick)).take_while(move |tick| *tick <= to)
    }

    /// The wall clock's time of an instant, with its offset; UTC for a period.
    #[must_use]
    pub fn local(&self, at: Millis) -> String {
        let utc = instant(at);
        match &self.ticks {
            Ticks::Cron(wall) => utc.with_timezone(&wall.zone).to_rfc3339(),
            Ticks::Every { .. } => utc.to_rfc3339(),
        }
    }
}

impl Wall {
    fn next(&self, after: Millis) -> Option<Millis> {
        // Ticks are whole seconds: the first whole second after `after`, inclusive.
        let mut from = instant(after.div_euclid(1_000) * 1_000 + 1_000);
        loop {
            let offset = self.offset(from);
            let wall = from.naive_utc() + offset;
            let next = self.cron.at_or_after(wall)?;
            let candidate = (next - offset).and_utc();
            let Some((seam, then)) = self.seam(from, candidate) else {
                if self.cron.is_fixed() && self.repeated == RepeatedHour::Once && self.is_second(next, candidate) {
                    from = candidate + TimeDelta::seconds(1);
                    continue;
                }
                return Some(candidate.timestamp_millis());
            };
            let opens = seam.naive_utc() + then;
            // The wall clock jumps over a fixed time that would have come.
            if self.cron.is_fixed() && self.gap == Gap::Next && next < opens {
                return Some(seam.timestamp_millis());
            }
            from = seam;
        }
    }

    /// Whether a wall clock's time has come before.
    fn is_second(&self, wall: NaiveDateTime, at: DateTime<Utc>) -> bool {
        self.zone.from_local_datetime(&wall).earliest().is_some_and(|first| first.with_timezone(&Utc) < at)
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
                while high - low > TimeDelta::seconds(1) {
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

fn instant(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}

/// The same part of the spread for the same tenant and name.
fn spread(spread_ms: u64, tenant: &Name, name: &Name) -> Millis {
    if spread_ms == 0 {
        return 0;
    }
    let digest = Sha256::digest(format!("{tenant}/{name}"));
    let mut number = [0; 8];
    number.copy_from_slice(&digest[..8]);
    Millis::try_from(u64::from_be_bytes(number) % spread_ms).unwrap_or(0)
}
