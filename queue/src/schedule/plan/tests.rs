use super::{FIRE_MOST, LATE_MS, LOOK_MOST, Plan};
use crate::{Missed, Timetable, Timing, When};
use longshore_base::{Millis, Name};
use std::collections::BTreeSet;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
/// 2025-06-01T00:00:00Z.
const T0: Millis = 1_748_736_000_000;

fn table_of(when: When, spread_ms: u64, ends_at: Option<Millis>) -> Timetable {
    let (gap, repeated_hour) = Default::default();
    let timing = Timing { when, timezone: "UTC".into(), gap, repeated_hour, spread_ms, starts_at: None, ends_at };
    let name = Name::new("nightly").expect("a name");
    Timetable::new(&timing, &name, &name, T0).expect("a timetable")
}

fn every(every_ms: u64) -> Timetable {
    table_of(When::EveryMs(every_ms), 0, None)
}

/// What looks one after another come to, until a look finds nothing due: the ticks that fired and how many were missed.
fn looks(table: &Timetable, missed: Missed, mut cursor: Millis, now: Millis) -> (Vec<Millis>, u64) {
    let (mut fired, mut lost) = (Vec::new(), 0);
    for _ in 0..1_000 {
        let plan = Plan::new(table, missed, cursor, now);
        assert!(plan.cursor >= cursor && plan.ticks.len() <= FIRE_MOST);
        assert_eq!(plan.next_at, table.next(plan.cursor).map(|tick| table.due(tick)));
        let handled = plan.ticks.len() as u64 + plan.missed.map_or(0, |missed| u64::from(missed.count));
        assert_eq!(handled, table.between(cursor, plan.cursor).count() as u64, "the cursor passes exactly what the plan speaks of");
        if let Some(missed) = plan.missed {
            assert_eq!(Some(missed.first), table.next(cursor));
            assert_eq!(missed.due_at, table.due(missed.first));
        }
        fired.extend(plan.ticks);
        lost += plan.missed.map_or(0, |missed| u64::from(missed.count));
        cursor = plan.cursor;
        if plan.next_at.is_none_or(|at| at > now) {
            return (fired, lost);
        }
        assert!(handled > 0, "a look that leaves something due comes further");
    }
    panic!("1,000 looks and still something due");
}

#[test]
fn after_three_hours_each_rule_does_what_it_says() {
    let table = every(10 * 60_000);
    let (away, back) = (T0, T0 + 3 * HOUR + 5 * MINUTE);
    assert_eq!(looks(&table, Missed::Skip, away, back), (vec![], 18));
    assert_eq!(looks(&table, Missed::Latest, away, back), (vec![T0 + 3 * HOUR], 17));
    let last_five = (0..5).rev().map(|n| T0 + 3 * HOUR - n * 10 * MINUTE).collect();
    assert_eq!(looks(&table, Missed::All(5), away, back), (last_five, 13));
    let (all, none) = looks(&table, Missed::All(10_000), away, back);
    assert_eq!((all.len(), none), (18, 0));
}

#[test]
fn a_tick_is_late_only_after_its_time_to_be_late() {
    let table = every(HOUR as u64);
    let tick = T0 + HOUR;
    for now in [tick, tick + 1, tick + LATE_MS] {
        let plan = Plan::new(&table, Missed::Skip, T0, now);
        assert_eq!((plan.ticks, plan.missed, plan.cursor, plan.next_at), (vec![tick], None, tick, Some(tick + HOUR)), "{now}");
    }
    let late = Plan::new(&table, Missed::Skip, T0, tick + LATE_MS + 1);
    assert_eq!((late.ticks.len(), late.missed.map(|missed| (missed.first, missed.count)), late.cursor), (0, Some((tick, 1)), tick));
    let early = Plan::new(&table, Missed::Skip, T0, tick - 1);
    assert_eq!(early, Plan { ticks: vec![], missed: None, cursor: T0, next_at: Some(tick) });
}

#[test]
fn ticks_in_time_fire_whatever_the_rule_for_missed_ones() {
    let table = every(1_000);
    let now = T0 + HOUR;
    let fresh: Vec<_> = table.between(now - LATE_MS - 1, now).collect();
    assert_eq!(fresh.len(), 11);
    assert_eq!(looks(&table, Missed::Skip, T0, now), (fresh.clone(), 3_600 - 11));
    let (latest, missed) = looks(&table, Missed::Latest, T0, now);
    assert_eq!((latest.len(), missed), (12, 3_600 - 12), "the last of the missed ones comes on top");
    assert_eq!(latest[0], fresh[0] - 1_000);
}

#[test]
fn over_many_looks_nothing_is_lost_or_done_twice() {
    let table = every(1_000);
    for days in [1, 3] {
        // An hour in which nothing ticks any more, so that all of them are late.
        let (end, count) = (T0 + days * 24 * HOUR, (days * 24 * 3_600) as u64);
        let table = table_of(When::EveryMs(1_000), 0, Some(end + 1));
        assert!(count as usize > LOOK_MOST);
        assert_eq!(looks(&table, Missed::Skip, T0, end + HOUR), (vec![], count));
        assert_eq!(looks(&table, Missed::Latest, T0, end + HOUR), (vec![end], count - 1), "exactly one, however many looks it takes");
        for most in [2, 499, 500, 501, 9_999, 10_000] {
            let (fired, missed) = looks(&table, Missed::All(most), T0, end + HOUR);
            assert_eq!(missed, count - u64::from(most));
            assert_eq!(fired, table.between(end - Millis::from(most) * 1_000, end).collect::<Vec<_>>(), "{most}: the last ones, in order");
        }
    }
    // More than a look may keep is cut, and still every look comes further.
    let (fired, missed) = looks(&table, Missed::All(u32::MAX), T0, T0 + 24 * HOUR);
    assert_eq!(fired.len() as u64 + missed, 86_400);
}

#[test]
fn exactly_as_many_as_a_look_counts() {
    for count in [LOOK_MOST - 1, LOOK_MOST, LOOK_MOST + 1] {
        let end = T0 + Millis::try_from(count).expect("small") * 1_000;
        let table = table_of(When::EveryMs(1_000), 0, Some(end + 1));
        assert_eq!(looks(&table, Missed::Latest, T0, end + HOUR), (vec![end], count as u64 - 1), "{count}");
        assert_eq!(looks(&table, Missed::Skip, T0, end + HOUR), (vec![], count as u64), "{count}");
        let (fresh, missed) = looks(&table, Missed::Skip, T0, end);
        assert_eq!((fresh.len(), missed), (11, count as u64 - 11), "{count}");
    }
}

/// What one scheduler leaves over, the next takes, though time goes on between them and new ticks become due.
#[test]
fn while_time_goes_on_each_tick_is_dealt_with_once() {
    let table = every(1_000);
    for missed in [Missed::Skip, Missed::Latest, Missed::All(5), Missed::All(2_000)] {
        let (mut cursor, mut now, mut dealt) = (T0, T0 + 30_000 * 1_000 + 7, 0);
        let mut fired = BTreeSet::new();
        for _ in 0..200 {
            let plan = Plan::new(&table, missed, cursor, now);
            dealt += plan.ticks.len() as u64 + plan.missed.map_or(0, |missed| u64::from(missed.count));
            for tick in &plan.ticks {
                assert!(fired.insert(*tick), "{missed:?}: {tick} twice");
            }
            cursor = plan.cursor;
            now += 300;
        }
        assert_eq!(cursor, (now - 300) / 1_000 * 1_000, "{missed:?}: all caught up");
        assert_eq!(dealt, table.between(T0, cursor).count() as u64, "{missed:?}");
    }
}

#[test]
fn with_a_spread_due_times_are_looked_at() {
    let table = table_of(When::EveryMs(60_000), 3_600_000, None);
    let delay = table.due(T0) - T0;
    assert!(delay > LATE_MS, "this name's part of the spread says something");
    let tick = T0 + MINUTE;
    assert!(Plan::new(&table, Missed::Skip, T0, tick + delay - 1).ticks.is_empty());
    let plan = Plan::new(&table, Missed::Skip, T0, tick + delay + LATE_MS);
    assert_eq!((plan.ticks, plan.missed, plan.next_at), (vec![tick], None, Some(tick + MINUTE + delay)));
    let (fired, missed) = looks(&table, Missed::All(7), T0, T0 + HOUR + delay);
    assert!(fired.is_sorted() && fired.last() == Some(&(T0 + HOUR)));
    assert_eq!(fired.len() as u64 + missed, 60);
}

#[test]
fn after_the_end_there_is_nothing() {
    let table = table_of(When::Cron("0 * * * *".into()), 0, Some(T0 + 2 * HOUR));
    let last = Plan::new(&table, Missed::Latest, T0, T0 + HOUR);
    assert_eq!((last.ticks, last.next_at), (vec![T0 + HOUR], None));
    assert_eq!(
        Plan::new(&table, Missed::Latest, T0 + HOUR, T0 + 50 * HOUR),
        Plan { ticks: vec![], missed: None, cursor: T0 + HOUR, next_at: None }
    );
}

#[test]
fn a_clock_that_went_back_plans_nothing_until_it_is_there_again() {
    let table = every(60_000);
    for now in [Millis::MIN, 0, T0 - HOUR, T0] {
        let plan = Plan::new(&table, Missed::All(5), T0 + 30, now);
        assert_eq!(plan, Plan { ticks: vec![], missed: None, cursor: T0 + 30, next_at: Some(T0 + MINUTE) });
    }
}

#[test]
fn no_time_is_too_extreme() {
    let table = every(1_000);
    for cursor in [Millis::MIN, -1, 0, Millis::MAX - 1, Millis::MAX] {
        for now in [Millis::MIN, 0, Millis::MAX] {
            let plan = Plan::new(&table, Missed::Latest, cursor, now);
            assert!(plan.cursor >= cursor, "{cursor} {now}");
        }
    }
}
