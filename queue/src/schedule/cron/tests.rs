use super::Cron;
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, Timelike};

fn cron(text: &str) -> Cron {
    Cron::parse(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn wall(text: &str) -> NaiveDateTime {
    text.parse().expect("a time")
}

/// Every fault of `text`: `detail; allowed: allowed`.
fn faults(text: &str) -> Vec<String> {
    let faults = Cron::parse(text).expect_err(text);
    assert!(faults.iter().all(|fault| fault.pointer == "/cron"), "{faults:?}");
    faults.into_iter().map(|fault| format!("{}; allowed: {}", fault.detail, fault.allowed)).collect()
}

#[track_caller]
fn refused(text: &str, beginning: &str) {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
    assert!(faults[0].starts_with(beginning), "{text}: {}", faults[0]);
}

/// The days of 2024 to 2027 that `text` has, by a reading of its own: every day is asked.
fn days(text: &str) -> Vec<NaiveDate> {
    let cron = cron(text);
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day");
    let day = |n: u64| first + Days::new(n);
    (0..4 * 365 + 1).map(day).filter(|day| cron.at_or_after((*day).into()).is_some_and(|next| next.date() == *day)).collect()
}

fn expected(matches: impl Fn(NaiveDate) -> bool) -> Vec<NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day");
    (0..4 * 365 + 1).map(|n| first + Days::new(n)).filter(|day| matches(*day)).collect()
}

fn month_length(day: NaiveDate) -> u32 {
    (28..=31).rev().find(|n| day.with_day(*n).is_some()).expect("a month has 28 days")
}

/// 0 is Sunday.
fn weekday(day: NaiveDate) -> u32 {
    day.weekday().num_days_from_sunday()
}

fn is_weekday(day: NaiveDate) -> bool {
    (1..=5).contains(&weekday(day))
}

#[test]
fn every_day_is_one_that_the_fields_say() {
    assert_eq!(days("0 0 * * *"), expected(|_| true));
    assert_eq!(days("0 0 13 * *"), expected(|day| day.day() == 13));
    assert_eq!(days("0 0 13 * 5"), expected(|day| day.day() == 13 || weekday(day) == 5), "either, where both are restricted");
    assert_eq!(days("0 0 1-31 * 5"), expected(|_| true), "a full range is a restriction all the same");
    assert_eq!(days("0 0 */2 * 1"), expected(|day| day.day() % 2 == 1 && weekday(day) == 1), "both, where one starts with a star");
    assert_eq!(days("0 0 1-7 * */7"), expected(|day| day.day() <= 7 && weekday(day) == 0));
    assert_eq!(days("0 0 ? * 2"), expected(|day| weekday(day) == 2));
    assert_eq!(days("0 0 3 * ?"), expected(|day| day.day() == 3));
    for sunday in ["0", "7", "SUN", "sun", "0,7", "0-0", "7-7"] {
        assert_eq!(days(&format!("0 0 * * {sunday}")), expected(|day| weekday(day) == 0), "{sunday}");
    }
    for weekend in ["6,7", "6-7", "SAT-SUN", "sat,0", "6-sun"] {
        assert_eq!(days(&format!("0 0 * * {weekend}")), expected(|day| [0, 6].contains(&weekday(day))), "{weekend}");
    }
    assert_eq!(days("0 0 * * SUN-TUE"), expected(|day| weekday(day) <= 2));
    assert_eq!(days("0 0 1 jan,JUL-Sep,12 *"), expected(|day| day.day() == 1 && [1, 7, 8, 9, 12].contains(&day.month())));
    assert_eq!(days("0 0 1 */5 *"), expected(|day| day.day() == 1 && [1, 6, 11].contains(&day.month())));
    assert_eq!(days("0 0 2-20/6 * *"), expected(|day| [2, 8, 14, 20].contains(&day.day())));
}

#[test]
fn the_last_the_nearest_and_the_nth_day() {
    let last = |day: NaiveDate| day.day() == month_length(day);
    assert_eq!(days("0 0 L * *"), expected(last));
    assert_eq!(days("0 0 10,L * *"), expected(|day| day.day() == 10 || last(day)));
    let is_last_weekday = |day: NaiveDate| {
        let later = (day.day() + 1..=month_length(day)).filter_map(|n| day.with_day(n));
        is_weekday(day) && !later.into_iter().any(is_weekday)
    };
    assert_eq!(days("0 0 LW * *"), expected(is_last_weekday));
    assert_eq!(days("0 0 3,lw * *"), expected(|day| day.day() == 3 || is_last_weekday(day)));
    for wanted in [1, 2, 15, 28, 30, 31] {
        let nearest = |day: NaiveDate| {
            let Some(target) = day.with_day(wanted) else { return false };
            // The nearest weekday of the same month; the day before wins.
            let distances = [0, -1, 1, -2, 2].map(|by| i64::from(wanted) + by);
            let of_month = distances.into_iter().filter_map(|n| target.with_day(u32::try_from(n).ok()?));
            of_month.into_iter().find(|day| is_weekday(*day)) == Some(day)
        };
        assert_eq!(days(&format!("0 0 {wanted}W * *")), expected(nearest), "{wanted}W");
    }
    for (text, day_of_week, nth) in [("MON#1", 1, 1), ("5#3", 5, 3), ("7#2", 0, 2), ("wed#5", 3, 5)] {
        let wanted = |day: NaiveDate| weekday(day) == day_of_week && day.day().div_ceil(7) == nth;
        assert_eq!(days(&format!("0 0 * * {text}")), expected(wanted), "{text}");
    }
    for (text, day_of_week) in [("5L", 5), ("FRIL", 5), ("0l", 0), ("7L", 0)] {
        let wanted = |day: NaiveDate| weekday(day) == day_of_week && day.day() + 7 > month_length(day);
        assert_eq!(days(&format!("0 0 * * {text}")), expected(wanted), "{text}");
    }
}

#[test]
fn the_time_of_day_is_the_next_that_the_fields_say() {
    for (text, from, next) in [
        ("* * * * *", "2025-01-01T00:00:01", "2025-01-01T00:01:00"),
        ("* * * * *", "2025-01-01T00:00:00", "2025-01-01T00:00:00"),
        ("*/7 * * * *", "2025-01-01T00:56:01", "2025-01-01T01:00:00"),
        ("5-20/7 8-9 * * *", "2025-01-01T08:13:00", "2025-01-01T08:19:00"),
        ("5-20/7 8-9 * * *", "2025-01-01T08:20:00", "2025-01-01T09:05:00"),
        ("*/20 * * * * *", "2025-01-01T00:00:41", "2025-01-01T00:01:00"),
        ("30 15 2 * * *", "2025-01-01T02:15:31", "2025-01-02T02:15:30"),
        ("59 59 23 31 12 *", "2025-01-01T00:00:00", "2025-12-31T23:59:59"),
        ("\t00  09 *\u{a0}* 01 ", "2025-01-01T00:00:00", "2025-01-06T09:00:00"),
        ("@HOURLY", "2025-01-01T00:00:01", "2025-01-01T01:00:00"),
        ("@daily", "2025-01-01T00:00:01", "2025-01-02T00:00:00"),
        ("@midnight", "2025-01-01T00:00:01", "2025-01-02T00:00:00"),
        ("@weekly", "2025-01-01T00:00:01", "2025-01-05T00:00:00"),
        ("@monthly", "2025-01-01T00:00:01", "2025-02-01T00:00:00"),
        (" @yearly ", "2025-01-01T00:00:01", "2026-01-01T00:00:00"),
        ("@annually", "2025-01-01T00:00:01", "2026-01-01T00:00:00"),
        ("0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 * 2 1#5", "2025-01-01T00:00:00", "2044-02-29T00:00:00"),
    ] {
        assert_eq!(cron(text).at_or_after(wall(from)), Some(wall(next)), "{text} from {from}");
    }
    assert_eq!(cron("@hourly").at_or_after(wall("5001-01-01T00:00:00")), None);
}

#[test]
fn a_fixed_time_has_neither_wildcard_nor_step_in_minute_and_hour() {
    for fixed in ["30 2 * * *", "0,30 1-3 * * *", "* 30 2 * * *", "*/10 5 4 * * *", "@daily", "0 0 */2 * *"] {
        assert!(cron(fixed).is_fixed(), "{fixed}");
    }
    for follows in ["* 2 * * *", "0 * * * *", "0-30/10 2 * * *", "30 2-20/3 * * *", "0 * 2 * * *", "@hourly"] {
        assert!(!cron(follows).is_fixed(), "{follows}");
    }
}

#[test]
fn each_fault_names_its_place() {
    refused("", "it is empty; allowed: 5 fields");
    refused(" \t", "it is empty");
    refused("* * * *", "4 fields; column 8: it ends too early; allowed: 5 fields: minute, hour,");
    refused("midnight", "1 field; column 9: it ends too early");
    refused("0 0 0 1 1 *  2030", "7 fields; column 14: `2030` is one too many");
    refused("0 0 0 1 1 * 2030 x", "8 fields; column 13: `2030` is one too many");
    refused("60 * * * *", "field 1 (minute), column 1: `60` is out of range; allowed: 0..=59, `a-b`");
    refused("60 * * * * *", "field 1 (second), column 1: `60` is out of range");
    refused("* 24 * * *", "field 2 (hour), column 3: `24` is out of range; allowed: 0..=23");
    refused("* * 0 * *", "field 3 (day of month), column 5: `0` is out of range; allowed: 1..=31");
    refused("* * 32 * *", "field 3 (day of month), column 5: `32` is out of range");
    refused("* * * 13 *", "field 4 (month), column 7: `13` is out of range; allowed: 1..=12 or JAN..DEC");
    refused("* * * * 8", "field 5 (day of week), column 9: `8` is out of range; allowed: 0..=7 or SUN..SAT");
    refused("99999999999999999999 * * * *", "field 1 (minute), column 1: `99999999999999999999` is out of range");
    refused("* * * foo *", "field 4 (month), column 7: `foo` is no value");
    refused("* * * * monday", "field 5 (day of week), column 9: `monday` is no value");
    refused("* * * SUN *", "field 4 (month), column 7: `SUN` is no value");
    refused("-5 * * * *", "field 1 (minute), column 1: nothing stands where a value should");
    refused("+5 * * * *", "field 1 (minute), column 1: `+5` is no value");
    refused("* * * * +MON", "field 5 (day of week), column 9: `+MON` is no value");
    refused("1.5 * * * *", "field 1 (minute), column 1: `1.5` is no value");
    refused("* * ü * *", "field 3 (day of month), column 5: `ü` is no value");
    refused("* ٣ * * *", "field 2 (hour), column 3: `٣` is no value");
}

#[test]
fn ranges_steps_and_lists_are_looked_into() {
    refused(
        "* 22-2 * * *",
        "field 2 (hour), column 3: the range `22-2` runs backwards; allowed: the smaller first; around the end: `22-23,0-2`",
    );
    refused(
        "* * * * FRI-MON",
        "field 5 (day of week), column 9: the range `FRI-MON` runs backwards; allowed: the smaller first; around the end: `5-6,0-1`",
    );
    refused("* * 5-32 * *", "field 3 (day of month), column 7: `32` is out of range");
    refused("1-2-3 * * * *", "field 1 (minute), column 3: `2-3` is no value");
    refused("10- * * * *", "field 1 (minute), column 4: nothing stands where a value should");
    refused("*/0 * * * *", "field 1 (minute), column 3: the step `0`; allowed: 1..=59");
    refused("* */24 * * *", "field 2 (hour), column 5: the step `24`; allowed: 1..=23");
    refused("*/ * * * *", "field 1 (minute), column 3: the step ``");
    refused("*/-5 * * * *", "field 1 (minute), column 3: the step `-5`");
    refused("*/5/5 * * * *", "field 1 (minute), column 3: the step `5/5`");
    refused(
        "5/15 * * * *",
        "field 1 (minute), column 1: `5/15` steps through no range; allowed: `*/15`, or with a range such as `5-59/15`",
    );
    refused("/15 * * * *", "field 1 (minute), column 1: `/15` steps through no range; allowed: `*/15`, or with a range such as `0-59/15`");
    refused("1,,3 * * * *", "field 1 (minute), column 3: nothing stands where a value should");
    refused("1,2, * * * *", "field 1 (minute), column 5: nothing stands where a value should");
    refused("1,* * * * *", "field 1 (minute), column 3: `*` in a list");
    refused("** * * * *", "field 1 (minute), column 1: `**` is no value");
    let both = faults("61,5-1 25 * * 9");
    assert_eq!(both.len(), 4, "all of them at once: {both:#?}");
    assert!(
        both[1].starts_with("field 1 (minute), column 4: the range `5-1`") && both[3].starts_with("field 5 (day of week), column 15: `9`")
    );
}

#[test]
fn what_is_said_of_days_stands_in_its_field() {
    refused("L * * * *", "field 1 (minute), column 1: `L` in this field; allowed: `L` only as day of month or day of week");
    refused("* 5L * * *", "field 2 (hour), column 3: `5L` in this field");
    refused("* * * 2L *", "field 4 (month), column 7: `2L` in this field");
    refused("* * 5L * *", "field 3 (day of month), column 5: `5L` in this field; allowed: `L` or `LW`; `nL` only as day of week");
    refused("* * L-3 * *", "field 3 (day of month), column 5: `L` is no value");
    refused("* * * * L", "field 5 (day of week), column 9: `L` without a day; allowed: such as `5L`");
    refused("* * * * LW", "field 5 (day of week), column 9: `LW` in this field; allowed: `W` only as day of month");
    refused("* * * * 5W", "field 5 (day of week), column 9: `5W` in this field");
    refused("* 15W * * *", "field 2 (hour), column 3: `15W` in this field");
    refused("* * W * *", "field 3 (day of month), column 5: `W` without a day");
    refused("* * 32W * *", "field 3 (day of month), column 5: `32` is out of range");
    refused("* * 1-5W * *", "field 3 (day of month), column 7: `5W` is no value");
    refused("* * L,LW * *", "field 3 (day of month), column 5: both `L` and `LW`");
    refused("* * 5#2 * *", "field 3 (day of month), column 5: `5#2` in this field; allowed: `#` only as day of week");
    refused("* * * * 5#6", "field 5 (day of week), column 11: the `6` after `#`; allowed: 1..=5");
    refused("* * * * FRI#0", "field 5 (day of week), column 13: the `0` after `#`");
    refused("* * * * 8#1", "field 5 (day of week), column 9: `8` is out of range");
    refused("? * * * *", "field 1 (minute), column 1: `?` in this field; allowed: `?` only as day of month or day of week");
    refused("* * 1,? * *", "field 3 (day of month), column 7: `?` in a list");
}

#[test]
fn words_that_other_crons_know_are_refused_with_the_way_out() {
    refused("@reboot", "column 1: there is no `@reboot`; allowed: 5 fields");
    refused("@daily 5", "column 1: there is no `@daily 5`");
    refused("@every 5m", "column 1: there is no `@every 5m`; allowed: for a period: `every_ms` instead of `cron`");
    refused("TZ=UTC 0 9 * * *", "column 1: `TZ=UTC` sets a variable; allowed: the fields alone; the zone stands in `timezone`");
    refused("0 9 * * * CRON_TZ=Europe/Berlin", "column 11: `CRON_TZ=Europe/Berlin` sets a variable");
    refused("0 0 @daily * *", "field 3 (day of month), column 5: `@daily` is no value");
}

#[test]
fn what_never_ticks_is_refused() {
    for (text, column) in [
        ("0 0 31 2 *", 5),
        ("0 0 31 2,4,6 *", 5),
        ("0 0 31 4 *", 5),
        ("0 0 30,31 FEB *", 5),
        ("0 0 31W 4,6,9,11 *", 5),
        ("0 0 0  30 2 ?", 8),
    ] {
        let at = if text.split_whitespace().count() == 6 { 4 } else { 3 };
        refused(
            text,
            &format!("fields {at} to {} (day of month to day of week), column {column}: it never ticks: no year has a day `3", at + 2),
        );
    }
    for rare in ["0 0 29 2 *", "0 0 * 2 1#5", "0 0 31 2 1", "0 0 L 2 *", "59 59 23 31 12 *"] {
        assert!(Cron::parse(rare).is_ok(), "{rare}");
    }
}

#[test]
fn long_and_hostile_texts_cost_little() {
    refused(&"*".repeat(257), "257 bytes; allowed: at most 256");
    refused(&format!("{} * * * *", "1,".repeat(1 << 20)), "2097160 bytes");
    let many = faults(&format!("{} * * * *", ",".repeat(240)));
    assert_eq!(many.len(), 241);
    for text in ["* * * * * \u{0}", "\u{feff}* * * * *", "*/*/* * * * *", "#,#,# L W ? -", "- - - - -", ", , , , ,", "L#L/L-L * * * *"] {
        assert!(Cron::parse(text).is_err(), "{text}");
    }
}

#[test]
fn no_answer_is_before_the_question() {
    let cron = cron("*/11 3,4 */3 * *");
    let mut at = wall("2025-01-01T00:00:00");
    for _ in 0..500 {
        let next = cron.at_or_after(at).expect("there is always another");
        assert!(next >= at && next.minute().is_multiple_of(11) && [3, 4].contains(&next.hour()) && next.day() % 3 == 1, "{next}");
        at = next + chrono::TimeDelta::seconds(1);
    }
}
