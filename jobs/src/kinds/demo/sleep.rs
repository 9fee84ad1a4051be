//! demo.sleep — takes a while and does nothing; stops at once when it is cancelled.
//! Safe to repeat: it touches nothing.

use crate::{Context, Failure, Kind, minutes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct Sleep;

/// How long.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Milliseconds.
    #[schemars(range(max = 86_400_000))]
    ms: u64,
}

/// How long it was.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// Milliseconds asked for.
    slept_ms: u64,
}

impl Kind for Sleep {
    const NAME: &'static str = "demo.sleep";
    const TIMEOUT: Duration = minutes(24 * 60 + 1);
    const SUMMARY: &'static str = "Sleeps for `ms` milliseconds without holding a thread.";
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        tokio::select! {
            () = cx.clock().sleep(Duration::from_millis(args.ms)) => Ok(Output { slept_ms: args.ms }),
            () = cx.cancelled() => Err(Failure::Cancelled),
        }
    }
}
