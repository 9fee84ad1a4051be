//! Lanes on both brokers: what tenants get of the slots, what rules hold back, and that it holds while workers are killed.
//!
//! Sizes are such that a busy machine with two cores is through in minutes. The sizes of the promise itself are ignored cases:
//! `cargo xtask test -- --ignored scenarios::lanes`.

mod budgets;
mod fairness;
mod gates;
mod house;
mod kills;
mod quotas;
mod slot_time;

/// Each case on SQLite and on a Redis of its own.
macro_rules! on_both {
    ($($(#[$meta:meta])* $case:ident;)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$meta])*
                async fn $case() {
                    super::$case(&super::House::on_sqlite(stringify!($case)).await).await;
                }
            )*
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                $(#[$meta])*
                async fn $case() {
                    super::$case(&super::House::on_redis(stringify!($case)).await).await;
                }
            )*
        }
    };
}
use on_both;
