//! bench.lane — does nothing for so long, in the lane of its account. Answers when, so that shares of the slots can be drawn.

use crate::clock::now_us;
use longshore_jobs::{Context, Failure, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct Lane;

/// Which lane, and how long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// The lane's key.
    #[expect(dead_code, reason = "read through the record's pointer, where the job is enqueued")]
    account: String,
    /// Milliseconds.
    ms: u64,
}

/// When it ran.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ran {
    /// Microseconds since the Unix epoch.
    from_us: u64,
    /// The same.
    to_us: u64,
}

impl Kind for Lane {
    const NAME: &'static str = "bench.lane";
    const LANE_BY: &'static [&'static str] = &["/account"];
    const SUMMARY: &'static str = "Does nothing for so long, in the lane of its account.";
    type Args = Args;
    type Output = Ran;

    async fn run(args: Args, cx: &Context) -> Result<Ran, Failure> {
        let from_us = now_us();
        if args.ms > 0 {
            cx.clock().sleep(Duration::from_millis(args.ms)).await;
        }
        Ok(Ran { from_us, to_us: now_us() })
    }
}
