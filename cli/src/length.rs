//! Lengths of time and points in time as people type them.

use std::time::Duration;

/// `1500` and `1500ms`, `10s`, `5m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match &text[digits..] {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("allowed: 1500ms, 10s, 5m, 2h, 1d".into()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "allowed: 1500ms, 10s, 5m, 2h, 1d".to_owned())?;
    number.checked_mul(unit).map(Duration::from_millis).ok_or_else(|| "is too long".to_owned())
}

/// RFC 3339, kept as typed once it is known to be one.
pub(crate) fn time(text: &str) -> Result<String, String> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|_| text.to_owned())
        .map_err(|_| "allowed: RFC 3339, such as 2026-05-01T18:00:00Z".into())
}

/// Whole milliseconds, as the API wants them.
pub(crate) fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{duration, ms};

    #[test]
    fn lengths() {
        let told = |text| duration(text).map(ms);
        assert_eq!(["7", "7ms", "7s", "7m", "7h", "7d"].map(|t| told(t).ok()), [7, 7, 7_000, 420_000, 25_200_000, 604_800_000].map(Some));
        assert!(["", "s", "7 s", "-7s", "7w", "99999999999999999999d", "999999999999999999d"].iter().all(|t| told(t).is_err()));
    }
}
