//! demo.fail — fails the first attempts, or all of them.
//! Safe to repeat: it touches nothing.

use crate::{Cause, Context, Failure, Kind};
use longshore_base::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) struct Fail;

/// How to fail.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// So many attempts fail, then one succeeds; absent: all fail.
    #[serde(default)]
    times: Option<u32>,
    /// What the error says; absent: "asked to fail".
    #[serde(default)]
    message: Option<String>,
    /// True: the first failure is final.
    #[serde(default)]
    fatal: bool,
}

/// When it succeeded.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// The attempt's number, from 1.
    attempt: u32,
}

impl Kind for Fail {
    const NAME: &'static str = "demo.fail";
    const SUMMARY: &'static str = "Fails the first `times` attempts, or all of them.";
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        let attempt = cx.attempt();
        if args.times.is_some_and(|times| attempt > times) {
            return Ok(Output { attempt });
        }
        let cause = Cause::new(Code::Demo, args.message.as_deref().unwrap_or("asked to fail"));
        Err(if args.fatal { Failure::Fatal(cause) } else { Failure::Retry(cause) })
    }
}
