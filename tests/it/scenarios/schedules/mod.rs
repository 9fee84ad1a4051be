//! Schedules on both brokers, with real processes: one job per tick whatever is killed, stopped or moved; what missed ticks and overlaps come to;
//! how late ticks are and what they cost; ranges that are made up for.
//!
//! Sizes are such that a busy machine with two cores is through in two minutes. The sizes of the promise itself are ignored cases:
//! `cargo xtask test -- --ignored scenarios::schedules`.

mod backfill;
mod by_hand;
mod chaos;
mod downtime;
mod many;
mod overlap;
mod site;

/// Each case embedded and on a Redis of its own.
macro_rules! on_both {
    ($($(#[$meta:meta])* $case:ident;)*) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$meta])*
                async fn $case() {
                    super::$case(super::Site::embedded().await).await;
                }
            )*
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$meta])*
                async fn $case() {
                    super::$case(super::Site::on_redis().await).await;
                }
            )*
        }
    };
}
use on_both;
