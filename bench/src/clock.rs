//! Real time, of all processes of one machine alike.

/// Microseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |passed| u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
}

/// So much of it passes.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn pass(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}

/// How many a second, since `began_us`.
pub(crate) fn rate(count: u64, began_us: u64) -> f64 {
    count as f64 / seconds_since(began_us)
}

pub(crate) fn seconds_since(began_us: u64) -> f64 {
    now_us().saturating_sub(began_us).max(1) as f64 / 1e6
}
