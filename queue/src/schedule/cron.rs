//! A cron expression on a wall clock without a zone. croner finds the matches; what may be written is checked here, with positions.

use super::TimingFault;
use chrono::{DateTime, NaiveDateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

/// A checked expression.
#[derive(Debug, Clone)]
pub struct Cron {
    pattern: croner::Cron,
    fixed: bool,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// Every fault, with its position and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, Vec<TimingFault>> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let pattern = parser.parse(text).map_err(|error| vec![TimingFault::new("/cron", error.to_string(), "five fields, or six")])?;
        let fields: Vec<_> = text.split_whitespace().collect();
        let clock = fields.len().checked_sub(5).and_then(|at| fields.get(at..at + 2)).unwrap_or_default();
        let fixed = !clock.iter().any(|field| field.contains(['*', '/', '?']));
        Ok(Self { pattern, fixed })
    }

    /// The first match at `wall` or after it.
    #[must_use]
    pub fn at_or_after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let wall: DateTime<Utc> = wall.and_utc();
        self.pattern.find_next_occurrence(&wall, true).ok().map(|next| next.naive_utc())
    }

    /// Whether it names times of the day, without a wildcard or a step in minute or hour. Only such a time can fall into a gap or come twice.
    #[must_use]
    pub const fn is_fixed(&self) -> bool {
        self.fixed
    }
}
