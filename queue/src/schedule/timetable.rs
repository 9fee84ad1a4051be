//! From a schedule's timing to instants. Pure: the same timing gives the same ticks in every process.

use super::{Checked, Timing, TimingFault, check, wall::Wall};
use chrono::{DateTime, SecondsFormat, Utc};
use longshore_base::{Millis, Name};
use sha2::{Digest, Sha256};

/// No tick comes before 1970, and none from the year 4999 on, where the calendar of cron expressions ends.
const BEGIN: Millis = 0;
const END: Millis = 95_586_048_000_000;

/// The ticks of one schedule.
#[derive(Debug, Clone)]
pub struct Timetable {
    ticks: Ticks,
    starts_at: Millis,
    ends_at: Millis,
    /// How much later each tick is carried out.
    spread: Millis,
}

#[derive(Debug, Clone)]
enum Ticks {
    Cron(Box<Wall>),
    Every { anchor: Millis, every: Millis },
}

impl Timetable {
    /// The ticks of `timing`. `created_at` anchors a period that names no start; tenant and name choose the part of the spread.
    ///
    /// # Errors
    /// Every fault of the timing.
    pub fn new(timing: &Timing, tenant: &Name, name: &Name, created_at: Millis) -> Result<Self, Vec<TimingFault>> {
        let ticks = match check(timing)? {
            Checked::Cron(cron, zone) => Ticks::Cron(Box::new(Wall { cron: *cron, zone, gap: timing.gap, repeated: timing.repeated_hour })),
            Checked::Every(every) => Ticks::Every { anchor: timing.starts_at.unwrap_or(created_at), every },
        };
        let starts_at = timing.starts_at.unwrap_or(BEGIN).max(BEGIN);
        let ends_at = timing.ends_at.unwrap_or(END).min(END);
        Ok(Self { ticks, starts_at, ends_at, spread: spread(timing.spread_ms, tenant, name) })
    }

    /// The first tick after `after`, in milliseconds since 1970. None: there is none before `ends_at` or the year 4999.
    ///
    /// A period has ticks before its anchor too, if that is its schedule's creation and no start; a backfill may ask for them.
    #[must_use]
    pub fn next(&self, after: Millis) -> Option<Millis> {
        // From here on every time is between 1970 and 4999, and no sum of two can overflow.
        let after = after.max(self.starts_at - 1);
        if after >= self.ends_at {
            return None;
        }
        let tick = match &self.ticks {
            Ticks::Every { anchor, every } => after - (after - anchor.rem_euclid(*every)).rem_euclid(*every) + every,
            // Ticks of cron are whole seconds.
            Ticks::Cron(wall) => wall.next(instant(after.div_euclid(1_000) * 1_000))?.timestamp_millis(),
        };
        (tick < self.ends_at).then_some(tick)
    }

    /// When a tick is carried out.
    #[must_use]
    pub const fn due(&self, tick: Millis) -> Millis {
        tick.saturating_add(self.spread)
    }

    /// The ticks after `after` and up to `to`, `to` included: what a cursor at `after` has before it.
    pub fn between(&self, after: Millis, to: Millis) -> impl Iterator<Item = Millis> {
        std::iter::successors(self.next(after), |tick| self.next(*tick)).take_while(move |tick| *tick <= to)
    }

    /// The ticks of `[from, to)`: `from` included, `to` not, as a range of a backfill is.
    pub fn ticks_in(&self, from: Millis, to: Millis) -> impl Iterator<Item = Millis> {
        self.between(from.saturating_sub(1), to.saturating_sub(1))
    }

    /// How many ticks `[from, to)` has; it stops counting at `most`, so that the answer `most` means "so many or more".
    #[must_use]
    pub fn count_between(&self, from: Millis, to: Millis, most: usize) -> usize {
        self.ticks_in(from, to).take(most).count()
    }

    /// The wall clock's time of an instant, with its offset, as RFC 3339; UTC for a period.
    #[must_use]
    pub fn local(&self, at: Millis) -> String {
        let utc = instant(at);
        match &self.ticks {
            Ticks::Cron(wall) => utc.with_timezone(&wall.zone).to_rfc3339_opts(SecondsFormat::AutoSi, false),
            Ticks::Every { .. } => utc.to_rfc3339_opts(SecondsFormat::AutoSi, false),
        }
    }
}

/// The instant, or the nearest one between 1970 and 4999.
fn instant(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.clamp(BEGIN - 1_000, END)).unwrap_or_default()
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

#[cfg(test)]
mod tests;
