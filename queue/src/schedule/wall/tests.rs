//! The search against a reading of its own: every minute of some days is asked what its wall clock shows.

use super::{Cron, Gap, RepeatedHour, Wall};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

const RULES: [(Gap, RepeatedHour); 4] =
    [(Gap::Next, RepeatedHour::Once), (Gap::Next, RepeatedHour::Twice), (Gap::Skip, RepeatedHour::Once), (Gap::Skip, RepeatedHour::Twice)];
/// Zones with the noon (UTC) of a day near which their clocks change: by an hour, by half of one, by three, at midnight, over a whole day.
const CHANGES: &[(&str, &str)] = &[
    ("Europe/Berlin", "2025-03-30T12:00:00Z"),
    ("Europe/Berlin", "2025-10-26T12:00:00Z"),
    ("America/New_York", "2025-03-09T12:00:00Z"),
    ("America/New_York", "2025-11-02T12:00:00Z"),
    ("Australia/Lord_Howe", "2025-04-05T12:00:00Z"),
    ("Australia/Lord_Howe", "2025-10-04T12:00:00Z"),
    ("Antarctica/Troll", "2025-03-30T12:00:00Z"),
    ("Antarctica/Troll", "2025-10-26T12:00:00Z"),
    ("Antarctica/Casey", "2023-03-08T12:00:00Z"),
    ("America/Santiago", "2025-04-06T12:00:00Z"),
    ("America/Santiago", "2025-09-07T12:00:00Z"),
    ("America/Havana", "2025-03-09T12:00:00Z"),
    ("America/Havana", "2025-11-02T12:00:00Z"),
    ("Africa/Casablanca", "2025-02-23T12:00:00Z"),
    ("Africa/Casablanca", "2025-04-06T12:00:00Z"),
    ("Africa/Cairo", "2025-04-24T12:00:00Z"),
    ("Asia/Beirut", "2025-10-25T12:00:00Z"),
    ("Pacific/Apia", "2011-12-30T12:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-20T12:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T12:00:00Z"),
    ("America/Caracas", "2016-05-01T12:00:00Z"),
    ("Asia/Kathmandu", "1985-12-31T12:00:00Z"),
    ("Asia/Tehran", "2022-09-21T12:00:00Z"),
    ("UTC", "2025-03-30T12:00:00Z"),
];
const EXPRESSIONS: &[&str] = &[
    "* * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "30 1-2 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "15 0 * * *",
    "30 23 * * *",
    "0,15,30,45 0-4 * * *",
    "*/20 0,1,2,3,23 * * *",
    "0 3 * * *",
    "0 2,3 * * SUN",
    "45 1 * * 6,0",
    "0-59 1 * * *",
    "10 */2 * * *",
    "59 0-23 * * *",
    "0 12 30 12 *",
    "0 2 29-31 3,10 *",
];

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn wall(zone: &str, cron: &str, (gap, repeated): (Gap, RepeatedHour)) -> Wall {
    Wall { cron: Cron::parse(cron).expect("a cron expression"), zone: zone.parse().expect("a zone"), gap, repeated }
}

/// The ticks after `from` and up to `to`.
fn ticks(wall: &Wall, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    std::iter::successors(wall.next(from), |tick| wall.next(*tick)).take_while(|tick| *tick <= to).collect()
}

/// The minutes from `from` to `to`, each with the minute that the zone's wall clock shows, both counted from two days before `from`.
struct Shown {
    begin: NaiveDateTime,
    walls: Vec<usize>,
}

impl Shown {
    fn new(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        let begin = from.naive_utc() - TimeDelta::days(2);
        let wall = |n: i64| (from + TimeDelta::minutes(n)).with_timezone(&zone).naive_local() - begin;
        let walls = (0..=(to - from).num_minutes()).map(|n| usize::try_from(wall(n).num_minutes()).expect("two days are enough"));
        Self { begin, walls: walls.collect() }
    }

    /// The ticks after the first minute, by asking every one. That must be more than a day before the first change.
    fn asked(&self, wall: &Wall, from: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let most = self.walls.iter().max().expect("minutes") + 1;
        let (mut matches, mut seen, mut at) = (vec![false; most], vec![false; most], self.begin);
        while let Some(next) = wall.cron.at_or_after(at) {
            let Some(matching) = usize::try_from((next - self.begin).num_minutes()).ok().filter(|minute| *minute < most) else { break };
            matches[matching] = true;
            at = next + TimeDelta::minutes(1);
        }
        let fixed = wall.cron.is_fixed();
        let mut ticks = Vec::new();
        for (n, pair) in self.walls.windows(2).enumerate() {
            let (before, now) = (pair[0], pair[1]);
            seen[before] = true;
            let again = seen[now] && fixed && wall.repeated == RepeatedHour::Once;
            let made_up = fixed && wall.gap == Gap::Next && (before + 1..now).any(|jumped| matches[jumped]);
            if (matches[now] && !again) || made_up {
                ticks.push(from + TimeDelta::minutes(n as i64 + 1));
            }
        }
        ticks
    }
}

#[test]
fn around_every_kind_of_change_the_ticks_are_those_of_every_minute_asked() {
    let mut compared = 0;
    for (zone, noon) in CHANGES {
        let (from, to) = (time(noon) - TimeDelta::hours(30), time(noon) + TimeDelta::hours(30));
        let shown = Shown::new(zone.parse().expect("a zone"), from, to);
        for expression in EXPRESSIONS {
            let fixed = Cron::parse(expression).expect("an expression").is_fixed();
            // The rules say nothing to the others: one of each is enough.
            for rules in RULES.into_iter().step_by(if fixed { 1 } else { 3 }) {
                let wall = wall(zone, expression, rules);
                let expected = shown.asked(&wall, from);
                assert_eq!(ticks(&wall, from, to), expected, "{expression} in {zone} around {noon}, {rules:?}");
                compared += expected.len();
            }
        }
    }
    assert!(compared > 100_000, "{compared}");
}

/// Whatever second a search starts from, it finds the first of all ticks after it.
#[test]
fn a_search_may_start_anywhere() {
    for (zone, noon) in CHANGES {
        let (from, to) = (time(noon) - TimeDelta::hours(20), time(noon) + TimeDelta::hours(30));
        for expression in ["30 2 * * *", "0,30 0-3 * * *", "*/20 * * * *", "15 23,0 * * *"] {
            for rules in RULES {
                let wall = wall(zone, expression, rules);
                let all = ticks(&wall, from, to);
                let starts = all.iter().flat_map(|tick| [-3_600, -60, -1, 0, 1].map(|by| *tick + TimeDelta::seconds(by)));
                for start in starts.filter(|start| *start >= from) {
                    let first = all.iter().copied().find(|tick| *tick > start);
                    let found = wall.next(start).filter(|tick| *tick <= to);
                    assert_eq!(found, first, "{expression} in {zone} from {start}, {rules:?}");
                }
            }
        }
    }
}

#[track_caller]
fn told(zone: &str, cron: &str, rules: (Gap, RepeatedHour), from: &str, expected: &[&str]) {
    let wall = wall(zone, cron, rules);
    let found = std::iter::successors(wall.next(time(from)), |tick| wall.next(*tick)).take(expected.len());
    let found: Vec<String> = found.map(|tick| tick.with_timezone(&wall.zone).to_rfc3339()).collect();
    assert_eq!(found, expected);
}

#[test]
fn half_past_two_on_the_night_without_it() {
    let from = "2025-03-29T12:00:00Z";
    let next = ["2025-03-30T03:00:00+02:00", "2025-03-31T02:30:00+02:00"];
    told("Europe/Berlin", "30 2 * * *", RULES[0], from, &next);
    told("Europe/Berlin", "10-50 2 * * *", RULES[0], from, &["2025-03-30T03:00:00+02:00", "2025-03-31T02:10:00+02:00"]);
    told("Europe/Berlin", "30 2 * * *", RULES[2], from, &["2025-03-31T02:30:00+02:00"]);
    told("Europe/Berlin", "*/30 2 * * *", RULES[0], from, &["2025-03-31T02:00:00+02:00"]);
    told("Europe/Berlin", "0 2,3 * * *", RULES[0], from, &["2025-03-30T03:00:00+02:00", "2025-03-31T02:00:00+02:00"]);
    told("Europe/Berlin", "* 30 2 * * *", RULES[0], from, &["2025-03-30T03:00:00+02:00", "2025-03-31T02:30:00+02:00"]);
}

#[test]
fn half_past_two_on_the_night_with_two_of_it() {
    let from = "2025-10-25T12:00:00Z";
    let (first, second, later) = ("2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00", "2025-10-27T02:30:00+01:00");
    told("Europe/Berlin", "30 2 * * *", RULES[0], from, &[first, later]);
    told("Europe/Berlin", "30 2 * * *", RULES[1], from, &[first, second, later]);
    told("Europe/Berlin", "30 2-4/2 * * *", RULES[0], from, &[first, second, "2025-10-26T04:30:00+01:00"]);
}

#[test]
fn a_day_that_a_zone_left_out_is_made_up_for_when_the_next_begins() {
    let from = "2011-12-29T12:00:00Z";
    told(
        "Pacific/Apia",
        "0 12 * * *",
        RULES[0],
        from,
        &["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"],
    );
    told("Pacific/Apia", "0 12 * * *", RULES[2], from, &["2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"]);
}

#[test]
fn rare_ticks_are_found_over_many_changes() {
    told("Europe/Berlin", "30 2 29 2 *", RULES[0], "2024-03-01T00:00:00Z", &["2028-02-29T02:30:00+01:00", "2032-02-29T02:30:00+01:00"]);
    told("America/New_York", "0 12 * 2 1#5", RULES[0], "2025-01-01T00:00:00Z", &["2044-02-29T12:00:00-05:00", "2072-02-29T12:00:00-05:00"]);
    // A Sunday on which the clocks go forward, and which comes once in several years.
    told(
        "Europe/Berlin",
        "30 2 31 3 *",
        RULES[0],
        "2022-01-01T00:00:00Z",
        &["2022-03-31T02:30:00+02:00", "2023-03-31T02:30:00+02:00", "2024-03-31T03:00:00+02:00"],
    );
}
