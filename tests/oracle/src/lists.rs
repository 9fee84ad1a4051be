//! Which zones and which expressions are compared.

use crate::Part;
use chrono_tz::TZ_VARIANTS;
use std::ops::Range;

/// Of every kind: summer time in both halves of the year, by half an hour, by two, at midnight, by the moon; none; other quarters of an hour.
const ZONES: [&str; 40] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Kyiv",
    "Europe/Chisinau",
    "Europe/Moscow",
    "Europe/Istanbul",
    "Atlantic/Azores",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Africa/Lagos",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "America/Halifax",
    "America/St_Johns",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "America/Asuncion",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Norfolk",
    "Antarctica/Troll",
];

/// Some are read differently by the two, see `differs.rs`.
const EXPRESSIONS: [&str; 20] = [
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "15 1 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "0 3 * * SUN",
    "10,40 0-3 * * *",
    "*/20 2 * * *",
    "7 */5 * * *",
    "0 9 * * 1-5",
    "0 2 L * *",
    "45 1 LW 3,10 *",
    "0 2 13 * FRI",
    "30 0 */2 * 7",
    "30 2 * * 0L",
    "0 2 * 3,4,9-11 0#2",
    "5-55/10 1,2 * * *",
    "0 30 2 * * *",
    "15,45 */20 2 * * *",
];

/// What only the whole compares.
const MORE: [&str; 30] = [
    "* * * * *",
    "*/5 * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "0,30 * * * *",
    "0 */2 * * *",
    "* 2 * * *",
    "1 0 * * *",
    "30 1 * * *",
    "0 2 * * *",
    "0 3 * * *",
    "30 3 * * *",
    "0 1-3 * * *",
    "0-59 2 * * *",
    "30 22-23 * * *",
    "0 12 * * *",
    "0 0 * * 0",
    "0 0 1 * *",
    "0 0 1 1 *",
    "30 2 29 2 *",
    "0 4 8-14 * *",
    "0 17 * * FRI",
    "0 2 15,L * *",
    "0 2 1 * MON",
    "0 0 * * 6,7",
    "0 1 * 3-11 SUN",
    "0 2 */7 * *",
    "20-40/5 */3 * * *",
    "0 15 3 * * *",
    "15,45 * 2 * * SUN",
];

/// 2024, 2025 and 2026, in seconds since 1970.
const YEARS: Range<i64> = 1_704_067_200..1_798_761_600;

/// 40 zones and 20 expressions.
#[must_use]
pub fn suite() -> Part {
    Part { zones: ZONES.to_vec(), expressions: EXPRESSIONS.to_vec(), years: YEARS }
}

/// Every zone that is named after a place, and 50 expressions.
#[must_use]
pub fn whole() -> Part {
    const AREAS: [&str; 9] = ["Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/"];
    let is_place = |name: &&str| *name == "UTC" || name.starts_with("Pacific/") || AREAS.iter().any(|area| name.starts_with(area));
    let zones = TZ_VARIANTS.iter().map(|zone| zone.name()).filter(is_place).collect();
    Part { zones, expressions: [EXPRESSIONS.as_slice(), &MORE].concat(), years: YEARS }
}
