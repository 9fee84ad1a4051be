//! bench.mark — answers when its handler began, so that the one who enqueued it can tell the pickup time.
//! Both stand on one machine, so one clock serves both.

use longshore::{
    Context, Failure, Kind,
    schemars::JsonSchema,
    serde::{Deserialize, Serialize},
};

pub(crate) struct Mark;

/// Nothing to say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "longshore::serde", deny_unknown_fields)]
#[schemars(crate = "longshore::schemars")]
pub(crate) struct Args {}

/// When the handler began.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "longshore::serde")]
#[schemars(crate = "longshore::schemars")]
pub(crate) struct Began {
    /// Microseconds since the Unix epoch.
    at_us: u64,
}

impl Kind for Mark {
    const NAME: &'static str = "bench.mark";
    const SUMMARY: &'static str = "Answers when its handler began.";
    type Args = Args;
    type Output = Began;

    async fn run(_: Args, _: &Context) -> Result<Began, Failure> {
        Ok(Began { at_us: now_us() })
    }
}

/// Microseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |passed| u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
}
