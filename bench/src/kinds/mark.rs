//! bench.mark — answers when its handler began, so that the one who enqueued it can tell how long that took. Both stand on one machine, so one
//! clock serves both.

use crate::clock::now_us;
use longshore_jobs::{Context, Failure, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub(super) struct Mark;

/// What it is measured by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// When it should begin, in microseconds since the Unix epoch; told back.
    #[serde(default)]
    due_us: Option<u64>,
    /// How long it takes, in milliseconds.
    #[serde(default)]
    ms: u64,
    /// As long as other jobs are.
    #[serde(default)]
    #[expect(dead_code, reason = "it only takes room")]
    text: String,
}

/// When the handler began.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Began {
    /// Microseconds since the Unix epoch.
    at_us: u64,
    /// As asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_us: Option<u64>,
}

impl Kind for Mark {
    const NAME: &'static str = "bench.mark";
    const SUMMARY: &'static str = "Answers when its handler began.";
    type Args = Args;
    type Output = Began;

    async fn run(args: Args, cx: &Context) -> Result<Began, Failure> {
        let at_us = now_us();
        if args.ms > 0 {
            cx.clock().sleep(Duration::from_millis(args.ms)).await;
        }
        Ok(Began { at_us, due_us: args.due_us })
    }
}
