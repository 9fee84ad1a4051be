//! team.greet — say hello to somebody, so many times. Safe to repeat: it changes nothing anywhere.

use longshore::{Context, Failure, Kind, Retry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says hello.
#[derive(Debug)]
pub(crate) struct Greet;

/// Whom to greet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// Who is greeted.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// How often; once by default.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 10))]
    times: u8,
}

/// What was said.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Greeting {
    /// One line per greeting.
    lines: Vec<String>,
}

const fn once() -> u8 {
    1
}

impl Kind for Greet {
    const NAME: &'static str = "team.greet";
    const QUEUE: &'static str = "team";
    const RETRY: Retry = Retry::times(3);
    const OWNER: Option<&'static str> = Some("the team");
    const SUMMARY: &'static str = "say hello to somebody";
    type Args = Args;
    type Output = Greeting;

    async fn run(args: Args, _: &Context) -> Result<Greeting, Failure> {
        Ok(Greeting { lines: vec![format!("Hello {}", args.name); args.times.into()] })
    }
}
