//! The bound doubles, is not passed, and the jitter takes any share of it.

use super::backoff;
use longshore_queue::Backoff;
use std::time::Duration;

const RULE: Backoff = Backoff { base_ms: 1_000, max_ms: 600_000 };

#[test]
fn the_bound_doubles_until_its_maximum() {
    let bounds: Vec<u128> = (0..12).map(|failures| backoff(RULE, failures, 1.0).as_millis()).collect();
    assert_eq!(bounds, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 600_000, 600_000]);
}

#[test]
fn the_jitter_is_full() {
    assert_eq!(backoff(RULE, 3, 0.0), Duration::ZERO);
    assert_eq!(backoff(RULE, 3, 0.25), Duration::from_secs(2));
}

#[test]
fn extremes_do_not_overflow() {
    let steep = Backoff { base_ms: u64::MAX, max_ms: 86_400_000 };
    for failures in [0, 63, 64, 1_000, u16::MAX] {
        assert_eq!(backoff(steep, failures, 1.0), Duration::from_millis(86_400_000), "{failures} failures");
    }
    assert_eq!(backoff(RULE, 0, 7.0), Duration::from_secs(1), "a jitter out of range is taken as its end");
    assert_eq!(backoff(RULE, 0, -7.0), Duration::ZERO);
}
