//! Time zones by their IANA names.

use super::TimingFault;
use chrono_tz::{TZ_VARIANTS, Tz};

/// Longer than any name; what is longer is not compared with them.
const NAME_MAX: usize = 64;

/// The zone of that name. Names are compared to the letter, as IANA writes them.
pub(super) fn find(name: &str) -> Result<Tz, TimingFault> {
    name.parse().map_err(|_| {
        let allowed = "an IANA name such as `Europe/Berlin` or `UTC`";
        if name.len() > NAME_MAX {
            return TimingFault::new("/timezone", format!("{} bytes are no time zone", name.len()), allowed);
        }
        let near = nearest(name).map_or_else(String::new, |near| format!("; the nearest name is `{near}`"));
        TimingFault::new("/timezone", format!("there is no time zone `{name}`"), format!("{allowed}{near}"))
    })
}

/// The name that was probably meant: the same in another case, else the one with this city, else the one that looks most like it.
fn nearest(name: &str) -> Option<&'static str> {
    let plain = |text: &str| text.trim().to_lowercase().replace([' ', '-'], "_");
    let asked = plain(name);
    if asked.is_empty() {
        return None;
    }
    let city = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let likeness = |zone: &str| {
        let zone = plain(zone);
        let same = if zone == asked { 4.0 } else { 0.0 };
        let same_city = if city(&zone) == city(&asked) { 2.0 } else { 0.0 };
        let whole = strsim::jaro_winkler(&asked, &zone);
        let cities = strsim::jaro_winkler(&city(&asked), &city(&zone));
        same + same_city + f64::max(whole, cities)
    };
    // The first of equals: the result does not hang on the order in which maxima are found.
    let scored = TZ_VARIANTS.iter().map(|zone| (likeness(zone.name()), zone.name()));
    scored.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::find;

    fn near(name: &str) -> String {
        let fault = find(name).expect_err(name);
        assert_eq!(fault.pointer, "/timezone");
        fault.allowed.split('`').rev().nth(1).unwrap_or_default().to_owned()
    }

    #[test]
    fn every_name_is_found_as_it_is_written() {
        for zone in chrono_tz::TZ_VARIANTS {
            assert_eq!(find(zone.name()).expect("a name"), zone);
        }
    }

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(near("europe/berlin"), "Europe/Berlin");
        assert_eq!(near("utc"), "UTC");
        assert_eq!(near("America/New York"), "America/New_York");
        assert_eq!(near("Germany/Berlin"), "Europe/Berlin");
        assert_eq!(near("Tokyo"), "Asia/Tokyo");
        assert_eq!(near("Europe/Berln"), "Europe/Berlin");
        assert_eq!(near("Kalkutta"), "Asia/Calcutta");
        assert_eq!(near("Mars/Olympus_Mons/Paris"), "Europe/Paris");
    }

    #[test]
    fn nothing_and_nonsense_are_refused_without_much_work() {
        assert!(find("").is_err());
        assert!(find(" ").is_err());
        assert!(find("\u{0}").is_err());
        let long = find(&"Europe/Berlin".repeat(10_000)).expect_err("too long");
        assert_eq!(long.detail, "130000 bytes are no time zone");
    }
}
