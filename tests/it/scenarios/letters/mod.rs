//! The morning after an outage, on both brokers, with real processes: dead letters of a few causes are grouped, repeated at a rate, stopped, taken
//! back and repeated again, while whoever works is killed.
//!
//! Sizes are such that a busy machine with two cores is through in a minute. The sizes of the promise itself are ignored cases:
//! `cargo xtask test -- --ignored scenarios::letters`.

mod house;
mod morning;

/// Each case embedded and on a Redis of its own.
macro_rules! on_both {
    ($($(#[$meta:meta])* $case:ident;)*) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$meta])*
                async fn $case() {
                    super::$case(super::House::embedded().await).await;
                }
            )*
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$meta])*
                async fn $case() {
                    super::$case(super::House::on_redis().await).await;
                }
            )*
        }
    };
}
use on_both;
