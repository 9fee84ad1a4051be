//! Where ours and the oracle's may differ. Each has its reason in docs/adr/0011-what-a-cron-expression-means.md.

use serde::Deserialize;

/// 2100, in seconds since 1970: chrono-tz knows no change of any clock from then on.
pub(crate) const LAST_YEAR: i64 = 4_102_444_800;

/// What the oracle is asked where it reads the same expression differently.
///
/// cronsim takes an expression for a fixed time unless it has six fields, or its minute or hour begins with a star. We look for a star or a
/// step anywhere in minute and hour, and not at the number of fields.
pub(crate) fn as_asked(expression: &str) -> String {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let at = fields.len().saturating_sub(5);
    let clock = [fields[at], fields[at + 1]];
    let fixed = !clock.iter().any(|field| field.contains(['*', '/']));
    let begins_with_star = clock.iter().any(|field| field.starts_with('*'));
    match (at, fixed) {
        // With a seconds field it follows the clock: so does ours, by its step.
        (0, false) if !begins_with_star => format!("0 {expression}"),
        // Without one it is a fixed time: so is ours.
        (1, true) if fields[0] == "0" => fields[1..].join(" "),
        _ => expression.to_owned(),
    }
}

/// A change of a zone's clocks: when, and the offsets before and after it, in seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Change {
    pub(crate) at: i64,
    before: i64,
    after: i64,
}

impl Change {
    /// Not from one full hour to another: by a part of an hour, or at a part of an hour.
    const fn is_odd(self) -> bool {
        self.shifts_minutes() || (self.at + self.before) % 3_600 != 0
    }

    /// By a part of an hour.
    const fn shifts_minutes(self) -> bool {
        (self.after - self.before) % 3_600 != 0
    }
}

/// Whether `at`, a tick of `ours` and not of the oracle's, is one that cronsim is known to miss.
///
/// Where an expression follows the clock, it looks for the next hour in steps of an hour from the full hour before a change. After a change
/// by half an hour it stands between two full hours, and what comes earlier in the first hour that it finds on that day is missed; at a
/// change within an hour it steps over the part that is repeated. One minute (`30 * * * *`) it reaches in one leap of less than an hour; a
/// change by half an hour on the way moves it past the first tick after that change.
pub(crate) fn is_missed(expression: &str, changes: &[Change], ours: &[i64], at: i64) -> bool {
    let asked = as_asked(expression);
    let fields: Vec<&str> = asked.split_whitespace().collect();
    let clock = fields.len().saturating_sub(5);
    let (minute, hour) = (fields[clock], fields[clock + 1]);
    let follows = clock == 1 || minute.starts_with('*') || hour.starts_with('*');
    let none_between = |from: i64, to: i64| !ours.iter().any(|tick| (from..to).contains(tick));
    let first_hour = |change: &Change| {
        let (wall, wall_changed) = (at + change.after, change.at + change.after);
        let begin = at - wall.rem_euclid(3_600);
        let same_day = wall.div_euclid(86_400) == wall_changed.div_euclid(86_400);
        hour != "*" && same_day && none_between(change.at, begin)
    };
    let one_minute = minute.parse::<u32>().is_ok();
    let leapt_over = |change: &Change| one_minute && change.shifts_minutes() && at - change.at < 3_600 && none_between(change.at, at);
    let missed = |change: &Change| change.at <= at && ((change.is_odd() && first_hour(change)) || leapt_over(change));
    follows && changes.iter().any(missed)
}

#[cfg(test)]
mod tests {
    use super::{Change, as_asked, is_missed};

    #[test]
    fn only_what_the_two_read_differently_is_asked_in_other_words() {
        for same in ["30 2 * * *", "*/20 2 * * *", "7 */5 * * *", "15 */20 2 * * *", "30 15 2 * * *"] {
            assert_eq!(as_asked(same), same);
        }
        assert_eq!(as_asked("5-55/10 1,2 * * *"), "0 5-55/10 1,2 * * *");
        assert_eq!(as_asked("0 30 2 * * *"), "30 2 * * *");
    }

    #[test]
    fn what_cronsim_misses_is_the_first_hour_after_an_odd_change() {
        // Lord Howe, 6 April 2025: at 02:00 back to 01:30. Ticks at 02:00, 02:20 and 02:40, and on the next day.
        let odd = Change { at: 1_743_865_200, before: 39_600, after: 37_800 };
        let ours = [1_800, 3_000, 4_200, 88_200].map(|later| odd.at + later);
        for (at, missed) in ours.into_iter().zip([true, true, true, false]) {
            assert_eq!(is_missed("*/20 2 * * *", &[odd], &ours, at), missed, "{at}");
        }
        assert!(!is_missed("*/20 2,3 * * *", &[odd], &ours, odd.at + 5_400), "the second hour is found from a full one");
        assert!(!is_missed("0,20,40 2 * * *", &[odd], &ours, ours[0]), "a fixed time");
        assert!(!is_missed("*/20 * * * *", &[odd], &ours, ours[0]), "no hour to look for");
        assert!(!is_missed("*/20 2 * * *", &[odd], &ours, odd.at - 1_200), "before the change");
        let half_past = [-1_800, 0, 3_600, 7_200].map(|later| odd.at + later);
        assert!(is_missed("30 * * * *", &[odd], &half_past, odd.at), "01:30 comes again at the change");
        assert!(!is_missed("30 * * * *", &[odd], &half_past, odd.at + 3_600), "the next is found");
        assert!(!is_missed("30,31 * * * *", &[odd], &half_past, odd.at), "more than one minute is looked for minute by minute");
        let even = Change { after: 36_000, ..odd };
        assert!(!is_missed("*/20 2 * * *", &[even], &ours, ours[0]), "a change between full hours");
        assert!(!is_missed("30 * * * *", &[even], &half_past, odd.at), "a change by an hour");
    }
}
