//! Ours beside theirs.

use crate::{
    differs::{self, Change},
    python::Oracle,
};
use longshore_base::Name;
use longshore_queue::{Gap, RepeatedHour, Timetable, Timing, When};
use serde_json::json;
use std::{fmt, ops::Range};

/// So many ticks are compared one after another.
const FIRST: usize = 200;
/// More ticks than the days around a change have seconds.
const ALL: usize = 1_000_000;
/// This much before and after each change of a zone's clocks, in seconds.
const AROUND: i64 = 3 * 86_400;
/// No zone changes twice within this time, in seconds: the search for changes looks in steps of a day and counts on it.
const CLOSEST: i64 = 2 * 86_400;
/// Processes that answer at the same time.
const ORACLES: usize = 2;
/// A failure tells at most so many pairs, and so many ticks of each.
const TOLD: usize = 40;
const TOLD_EACH: usize = 3;

/// What is compared.
#[derive(Debug, Clone)]
pub struct Part {
    /// IANA names.
    pub zones: Vec<&'static str>,
    /// Cron expressions.
    pub expressions: Vec<&'static str>,
    /// The years whose changes are looked at, in seconds since 1970.
    pub years: Range<i64>,
}

/// What has been compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Zones.
    pub zones: usize,
    /// Changes of their clocks.
    pub changes: usize,
    /// Pairs of zone and expression.
    pub pairs: usize,
    /// Ticks that are the same.
    pub ticks: usize,
    /// Ticks that differ as `differs.rs` says.
    pub differ: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zones, changes, pairs, ticks, differ } = self;
        write!(f, "{ticks} ticks are the same, {differ} differ for a known reason; {zones} zones, {changes} changes, {pairs} pairs")
    }
}

/// Compares.
///
/// # Errors
/// Where the two disagree without a known reason, or why the oracle could not be asked.
pub fn compare(part: &Part) -> Result<Figures, String> {
    let shares = part.zones.chunks(part.zones.len().div_ceil(ORACLES).max(1));
    std::thread::scope(|scope| {
        let compared: Vec<_> = shares.map(|zones| scope.spawn(|| share(part, zones))).collect();
        compared.into_iter().try_fold(Figures::default(), |sum, share| {
            let one = share.join().map_err(|_| "the comparison panicked")??;
            let Figures { zones, changes, pairs, ticks, differ } = one;
            Ok(Figures {
                zones: sum.zones + zones,
                changes: sum.changes + changes,
                pairs: sum.pairs + pairs,
                ticks: sum.ticks + ticks,
                differ: sum.differ + differ,
            })
        })
    })
}

/// Some of the zones, with an oracle of their own.
fn share(part: &Part, zones: &[&'static str]) -> Result<Figures, String> {
    let oracle = Oracle::start()?;
    oracle.ask(json!({ "closest": true }));
    let closest: i64 = oracle.answer()?;
    if closest <= CLOSEST {
        return Err(format!("a zone changes twice within {closest} s; queue/src/schedule/wall.rs counts on more than {CLOSEST}"));
    }
    for zone in zones {
        oracle.ask(json!({ "zone": zone, "changes": [part.years.start, part.years.end] }));
    }
    let changes: Vec<Vec<Change>> = zones.iter().map(|_| oracle.answer()).collect::<Result<_, _>>()?;

    // Everything is asked at once: while the oracle works, we do.
    let mut pairs = Vec::new();
    for (zone, changes) in zones.iter().zip(&changes) {
        let around = changes.iter().map(|change| Span { after: change.at - AROUND, before: change.at + AROUND, most: ALL });
        let first = Span { after: part.years.start, before: differs::LAST_YEAR, most: FIRST };
        let spans: Vec<Span> = around.chain([first]).collect();
        for expression in &part.expressions {
            let asked: Vec<_> = spans.iter().map(|span| (span.after, span.before, span.most)).collect();
            oracle.ask(json!({ "zone": zone, "expression": differs::as_asked(expression), "spans": asked }));
            pairs.push(Pair { zone, expression, spans: spans.clone(), changes });
        }
    }
    let mut figures = Figures { zones: zones.len(), changes: changes.iter().map(Vec::len).sum(), pairs: pairs.len(), ..Figures::default() };
    let mut faults = Vec::new();
    for pair in &pairs {
        pair.compare(&oracle.answer::<Vec<Vec<i64>>>()?, &mut figures, &mut faults)?;
    }
    if faults.is_empty() { Ok(figures) } else { Err(told(&faults)) }
}

fn told(faults: &[String]) -> String {
    let lines = faults.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join("\n");
    format!("{} pairs differ, such as\n{lines}", faults.len())
}

/// Between two times, both left out.
#[derive(Debug, Clone, Copy)]
struct Span {
    after: i64,
    before: i64,
    most: usize,
}

/// One expression in one zone.
struct Pair<'a> {
    zone: &'static str,
    expression: &'static str,
    spans: Vec<Span>,
    changes: &'a [Change],
}

impl Pair<'_> {
    fn compare(&self, theirs: &[Vec<i64>], figures: &mut Figures, faults: &mut Vec<String>) -> Result<(), String> {
        let table = timetable(self.zone, self.expression)?;
        let mut lines = Vec::new();
        for (span, theirs) in self.spans.iter().zip(theirs) {
            let ours: Vec<i64> =
                table.ticks_in((span.after + 1) * 1_000, span.before * 1_000).take(span.most).map(|at| at / 1_000).collect();
            if ours == *theirs {
                figures.ticks += ours.len();
                continue;
            }
            let only_ours = ours.iter().filter(|at| theirs.binary_search(at).is_err()).map(|at| (*at, true));
            let only_theirs = theirs.iter().filter(|at| ours.binary_search(at).is_err()).map(|at| (*at, false));
            for (at, is_ours) in only_ours.chain(only_theirs) {
                if is_ours && differs::is_missed(self.expression, self.changes, &ours, at) {
                    figures.differ += 1;
                } else {
                    let whose = if is_ours { "ours" } else { "the oracle's" };
                    lines.push(format!("{} in {}: only {whose} {} ({at})", self.expression, self.zone, table.local(at * 1_000)));
                }
            }
            figures.ticks += ours.iter().filter(|at| theirs.binary_search(at).is_ok()).count();
        }
        if !lines.is_empty() {
            let more = lines.len().saturating_sub(TOLD_EACH);
            lines.truncate(TOLD_EACH);
            faults.push(format!("{}{}", lines.join("\n"), if more > 0 { format!("\n    and {more} more") } else { String::new() }));
        }
        Ok(())
    }
}

fn timetable(zone: &str, expression: &str) -> Result<Timetable, String> {
    let timing = Timing {
        when: When::Cron(expression.into()),
        timezone: zone.into(),
        gap: Gap::Next,
        repeated_hour: RepeatedHour::Once,
        spread_ms: 0,
        starts_at: None,
        ends_at: None,
    };
    let name = Name::new("oracle").map_err(|error| error.to_string())?;
    Timetable::new(&timing, &name, &name, 0).map_err(|faults| format!("{expression} in {zone}: {faults:?}"))
}

#[cfg(test)]
mod tests {
    use super::{Figures, Pair, Span};

    const HOUR: i64 = 3_600;
    /// 2025-06-01T00:00:00Z.
    const T0: i64 = 1_748_736_000;

    fn compared(theirs: &[i64]) -> (Figures, Vec<String>) {
        let spans = vec![Span { after: T0, before: T0 + 4 * HOUR, most: 200 }];
        let pair = Pair { zone: "Europe/Berlin", expression: "0 * * * *", spans, changes: &[] };
        let (mut figures, mut faults) = (Figures::default(), Vec::new());
        pair.compare(&[theirs.to_vec()], &mut figures, &mut faults).expect("a comparison");
        (figures, faults)
    }

    #[test]
    fn a_tick_more_and_a_tick_less_are_told() {
        let (same, faults) = compared(&[T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR]);
        assert_eq!((same.ticks, faults.len()), (3, 0));
        let (_, faults) = compared(&[T0 + HOUR, T0 + 3 * HOUR]);
        assert_eq!(faults, ["0 * * * * in Europe/Berlin: only ours 2025-06-01T04:00:00+02:00 (1748743200)"]);
        let (_, faults) = compared(&[T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR, T0 + 3 * HOUR + 60]);
        assert_eq!(faults, ["0 * * * * in Europe/Berlin: only the oracle's 2025-06-01T05:01:00+02:00 (1748746860)"]);
    }
}
