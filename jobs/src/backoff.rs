//! The wait between two attempts: full jitter under an exponential bound
//! ("Exponential Backoff And Jitter", AWS Architecture Blog).

use longshore_queue::Backoff;
use std::time::Duration;

/// A random share (`jitter` in 0.0..1.0) of `min(base · 2^failures, max)`; `failures` counts those before this one.
#[must_use]
pub fn backoff(rule: Backoff, failures: u16, jitter: f64) -> Duration {
    let bound = rule.base_ms.saturating_mul(1u64.checked_shl(u32::from(failures)).unwrap_or(u64::MAX)).min(rule.max_ms);
    Duration::from_millis(bound).mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
