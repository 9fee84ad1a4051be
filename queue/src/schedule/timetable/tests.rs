use super::{BEGIN, END, Timetable};
use crate::{Gap, RepeatedHour, SPAN_MOST_MS, Timing, When};
use longshore_base::{Millis, Name};
use proptest::prelude::*;

fn timing(when: When) -> Timing {
    Timing {
        when,
        timezone: "UTC".into(),
        gap: Gap::default(),
        repeated_hour: RepeatedHour::default(),
        spread_ms: 0,
        starts_at: None,
        ends_at: None,
    }
}

fn cron(text: &str) -> Timing {
    timing(When::Cron(text.into()))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn table(timing: &Timing) -> Timetable {
    Timetable::new(timing, &name("acme"), &name("nightly"), 5_000).unwrap_or_else(|faults| panic!("{timing:?}: {faults:?}"))
}

fn pointers(timing: &Timing) -> Vec<&'static str> {
    let faults = Timetable::new(timing, &name("acme"), &name("nightly"), 0).expect_err("faults");
    faults.iter().map(|fault| fault.pointer).collect()
}

const HOUR: Millis = 3_600_000;

#[test]
fn a_start_and_an_end_bound_the_ticks() {
    let hourly = Timing { starts_at: Some(3 * HOUR), ends_at: Some(6 * HOUR), ..cron("0 * * * *") };
    let table = table(&hourly);
    assert_eq!(
        table.between(Millis::MIN, Millis::MAX).collect::<Vec<_>>(),
        [3 * HOUR, 4 * HOUR, 5 * HOUR],
        "the start ticks, the end does not"
    );
    assert_eq!(table.next(4 * HOUR - 1), Some(4 * HOUR));
    assert_eq!(table.next(4 * HOUR), Some(5 * HOUR));
    assert_eq!(table.next(5 * HOUR), None);
}

#[test]
fn a_start_between_two_seconds_is_rounded_up() {
    let table = table(&Timing { starts_at: Some(1_500), ..cron("* * * * * *") });
    assert_eq!(table.next(0), Some(2_000));
    assert_eq!(table.next(2_999), Some(3_000));
    assert_eq!(table.next(3_000), Some(4_000));
}

/// 2025-03-30T01:00:00Z: 02:00 in Berlin becomes 03:00.
const FORWARD: Millis = 1_743_296_400_000;

#[test]
fn a_tick_that_is_made_up_for_is_found_from_every_millisecond_before_it() {
    for starts_at in [None, Some(FORWARD), Some(FORWARD - 1)] {
        let table = table(&Timing { timezone: "Europe/Berlin".into(), starts_at, ..cron("30 2 * * *") });
        for before in [1, 2, 999, 1_000, 1_001, 60_000, HOUR] {
            assert_eq!(table.next(FORWARD - before), Some(FORWARD), "{before} ms before, start {starts_at:?}");
        }
        assert_eq!(table.next(FORWARD), Some(FORWARD + 23 * HOUR + HOUR / 2));
    }
}

#[test]
fn a_period_is_counted_from_its_start_else_from_the_creation() {
    let created = table(&timing(When::EveryMs(2_500)));
    assert_eq!(created.next(5_000), Some(7_500), "the creation itself is no tick after the creation");
    assert_eq!(created.next(7_499), Some(7_500));
    assert_eq!(created.next(7_500), Some(10_000));
    assert_eq!(created.next(4_999), Some(5_000));
    assert_eq!(created.ticks_in(0, 5_001).collect::<Vec<_>>(), [0, 2_500, 5_000], "before the creation, for a backfill");

    let started = table(&Timing { starts_at: Some(100_001), ..timing(When::EveryMs(60_000)) });
    assert_eq!(started.next(Millis::MIN), Some(100_001), "the start is the first tick");
    assert_eq!(started.next(100_001), Some(160_001));
}

#[test]
fn ranges_include_what_they_say() {
    let table = table(&cron("* * * * *"));
    let minute = 60_000;
    assert_eq!(table.between(minute, 3 * minute).collect::<Vec<_>>(), [2 * minute, 3 * minute]);
    assert_eq!(table.ticks_in(minute, 3 * minute).collect::<Vec<_>>(), [minute, 2 * minute]);
    assert_eq!(table.ticks_in(minute, minute).count(), 0);
    assert_eq!(table.ticks_in(3 * minute, minute).count(), 0);
    assert_eq!(table.count_between(0, 24 * HOUR, 10_001), 1_440);
    assert_eq!(table.count_between(0, Millis::MAX, 10_001), 10_001, "it stops counting");
    assert_eq!(table.count_between(Millis::MIN, 1, 10), 1);
}

#[test]
fn the_spread_is_the_same_for_the_same_schedule_and_reorders_nothing() {
    let spread = Timing { spread_ms: 900_000, ..cron("* * * * *") };
    let delay = |tenant: &str, schedule: &str| {
        let table = Timetable::new(&spread, &name(tenant), &name(schedule), 0).expect("a timetable");
        let ticks: Vec<_> = table.ticks_in(0, HOUR).collect();
        let delays: Vec<_> = ticks.iter().map(|tick| table.due(*tick) - tick).collect();
        assert!(delays.iter().all(|delay| *delay == delays[0]), "every tick of a schedule is as late as the others");
        assert!((0..900_000).contains(&delays[0]));
        delays[0]
    };
    assert_eq!(delay("acme", "nightly"), delay("acme", "nightly"));
    let delays: std::collections::BTreeSet<_> = (0..200).map(|n| delay(&format!("tenant-{n}"), "nightly")).collect();
    assert!(delays.len() > 195, "tenants are apart");
    let halves = delays.iter().filter(|delay| **delay < 450_000).count();
    assert!((60..140).contains(&halves), "and over the whole of it: {halves} in the first half");
}

#[test]
fn every_fault_has_its_pointer() {
    let all = Timing {
        timezone: "Europe/Berlinn".into(),
        spread_ms: SPAN_MOST_MS + 1,
        starts_at: Some(10),
        ends_at: Some(10),
        ..cron("60 25 * * *")
    };
    assert_eq!(pointers(&all), ["/timezone", "/ends_at", "/spread_ms", "/cron", "/cron"]);
    for every in [0, 1, 999, SPAN_MOST_MS + 1, u64::MAX] {
        assert_eq!(pointers(&timing(When::EveryMs(every))), ["/every_ms"], "{every}");
    }
    for every in [1_000, SPAN_MOST_MS] {
        let table = table(&timing(When::EveryMs(every)));
        assert!(table.next(0).is_some());
    }
    assert_eq!(pointers(&Timing { timezone: "CETT".into(), ..timing(When::EveryMs(1_000)) }), ["/timezone"]);
}

#[test]
fn ticks_end_with_the_calendar() {
    let yearly = table(&Timing { timezone: "Europe/Berlin".into(), ..cron("0 12 24 12 *") });
    let last = yearly.ticks_in(END - 400 * 24 * HOUR, Millis::MAX).last().expect("one in the last year");
    assert_eq!(yearly.next(last), None);
    assert!(yearly.local(last).starts_with("4998-12-24T12:00:00+01:00"), "{}", yearly.local(last));
    let period = table(&timing(When::EveryMs(1_000)));
    assert_eq!(period.next(END - 1_001), Some(END - 1_000));
    assert_eq!(period.next(END - 1_000), None);
    assert_eq!(table(&cron("0 0 1 1 *")).next(Millis::MIN), Some(BEGIN));
}

/// The zones' rules are worked out up to the year 2100; after that each zone keeps the offset of its last winter.
#[test]
fn after_2100_no_clock_changes() {
    let noon = table(&Timing { timezone: "Europe/Berlin".into(), ..cron("0 12 1 1,7 *") });
    let offsets = |year: i64| -> Vec<String> {
        let from = (year - 1970) * 31_556_952_000 - 5 * 24 * HOUR;
        noon.ticks_in(from, from + 330 * 24 * HOUR).map(|tick| noon.local(tick).split_off(19)).collect()
    };
    for year in [2025, 2037, 2038, 2099] {
        assert_eq!(offsets(year), ["+01:00", "+02:00"], "{year}");
    }
    assert_eq!(offsets(2101), ["+01:00", "+01:00"]);
}

proptest! {
    #[test]
    fn no_time_is_too_early_or_too_late(
        after in any::<i64>(), at in any::<i64>(), starts in any::<Option<i64>>(), ends in any::<Option<i64>>(), created in any::<i64>(),
        spread in 0..SPAN_MOST_MS, which in 0..6_usize,
    ) {
        let when = [
            When::Cron("* * * * * *".into()), When::Cron("30 2 * * *".into()), When::Cron("0 0 29 2 *".into()),
            When::EveryMs(1_000), When::EveryMs(SPAN_MOST_MS), When::EveryMs(7_777_777),
        ];
        let ends = ends.filter(|end| starts.is_none_or(|start| start < *end));
        let timing = Timing { timezone: "America/New_York".into(), starts_at: starts, ends_at: ends, spread_ms: spread, ..timing(when[which].clone()) };
        let table = Timetable::new(&timing, &name("acme"), &name("nightly"), created).expect("a timetable");
        for after in [after, at, i64::MIN, i64::MAX, after % END, -1, 0] {
            if let Some(tick) = table.next(after) {
                prop_assert!(tick > after && (BEGIN..END).contains(&tick));
                prop_assert!(starts.is_none_or(|start| tick >= start) && ends.is_none_or(|end| tick < end));
                prop_assert_eq!(table.next(tick - 1), Some(tick));
                prop_assert!(table.due(tick) >= tick);
            }
            prop_assert!(!table.local(after).is_empty());
            prop_assert!(table.count_between(after, at, 3) <= 3);
            let _ = table.due(after);
        }
    }
}
