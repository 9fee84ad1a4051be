//! A cron expression on a wall clock without a zone. What may be written is checked here and in `field.rs`, with positions; croner finds the
//! matches.

use super::TimingFault;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, HOUR, MINUTE, MONTH, SECOND};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

/// The longest expression, in bytes.
const TEXT_MAX: usize = 256;
const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];
const SHAPE: &str = "5 fields: minute, hour, day of month, month, day of week; or 6 with the second first; or @hourly, @daily, @midnight, \
     @weekly, @monthly, @yearly, @annually";
/// The calendar repeats after 400 years, and croner's ends with the year 5000: what does not match from here on never does.
const LAST_400_YEARS: Option<NaiveDate> = NaiveDate::from_ymd_opt(4_599, 1, 1);

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
        if text.len() > TEXT_MAX {
            return Err(vec![fault(format!("{} bytes", text.len()), format!("at most {TEXT_MAX}"))]);
        }
        let expanded = match text.trim() {
            "" => return Err(vec![fault("it is empty", SHAPE)]),
            short if short.starts_with('@') => expand(short).ok_or_else(|| vec![unknown_macro(short)])?,
            _ => text,
        };
        let words = words(expanded);
        if let Some((column, word)) = words.iter().find(|(_, word)| word.contains('=')) {
            let detail = format!("column {column}: `{word}` sets a variable");
            return Err(vec![fault(detail, "the fields alone; the zone stands in `timezone`")]);
        }
        let first = match words.len() {
            5 => MINUTE,
            6 => SECOND,
            count => return Err(vec![wrong_count(count, &words)]),
        };
        let (mut fields, mut faults) = (vec!["0".to_owned(); first], Vec::new());
        for (at, (column, word)) in words.iter().enumerate() {
            let (field, mut inside) = (&FIELDS[first + at], Vec::new());
            fields.push(field.read(word, &mut inside));
            faults.extend(inside.into_iter().map(|inner| {
                let detail = format!("field {} ({}), column {}: {}", at + 1, field.name, column + inner.skip, inner.detail);
                fault(detail, inner.allowed)
            }));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Self::new(&fields).map_err(|why| {
            let (at, column) = (DAY_OF_MONTH - first, words[DAY_OF_MONTH - first].0);
            vec![fault(
                format!("fields {} to {} (day of month to day of week), column {column}: {why}", at + 1, at + 3),
                "a day that comes",
            )]
        })
    }

    /// From the six fields in the spelling of [`super::field::Field::read`].
    fn new(fields: &[String]) -> Result<Self, String> {
        // As in Vixie's cron: a day must match both fields if one of them starts with a star, and either of them otherwise.
        let both = fields[DAY_OF_MONTH].starts_with('*') || fields[DAY_OF_WEEK].starts_with('*');
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).dom_and_dow(both).build();
        let pattern = parser.parse(&fields.join(" ")).map_err(|error| error.to_string())?;
        let fixed = !fields[MINUTE..=HOUR].iter().any(|field| field.contains(['*', '/']));
        let cron = Self { pattern, fixed };
        let ever = LAST_400_YEARS.is_none_or(|day| cron.at_or_after(day.into()).is_some());
        let (day, month, week) = (&fields[DAY_OF_MONTH], &fields[MONTH], &fields[DAY_OF_WEEK]);
        if ever {
            Ok(cron)
        } else {
            Err(format!("it never ticks: no year has a day `{day}` of a month `{month}` with the day of week `{week}`"))
        }
    }

    /// The first match at `wall` or after it; none after the year 5000.
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

fn fault(detail: impl Into<String>, allowed: impl Into<String>) -> TimingFault {
    TimingFault::new("/cron", detail, allowed)
}

fn expand(short: &str) -> Option<&'static str> {
    MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(short)).map(|(_, fields)| *fields)
}

fn unknown_macro(short: &str) -> TimingFault {
    let allowed = if short.to_ascii_lowercase().starts_with("@every") { "for a period: `every_ms` instead of `cron`" } else { SHAPE };
    fault(format!("column 1: there is no `{short}`"), allowed)
}

fn wrong_count(count: usize, words: &[(usize, &str)]) -> TimingFault {
    match words.get(6) {
        Some((column, word)) => fault(format!("{count} fields; column {column}: `{word}` is one too many"), SHAPE),
        None => {
            let end = words.last().map_or(1, |(column, word)| column + word.chars().count());
            fault(format!("{count} {}; column {end}: it ends too early", if count == 1 { "field" } else { "fields" }), SHAPE)
        }
    }
}

/// The words of `text`, each with the column of its first character, counted in characters from 1.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (column, (at, c)) in text.char_indices().enumerate() {
        match (c.is_whitespace(), start) {
            (false, None) => start = Some((column + 1, at)),
            (true, Some((first, from))) => {
                words.push((first, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|(first, from)| (first, &text[from..])));
    words
}

#[cfg(test)]
mod tests;
