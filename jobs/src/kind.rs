//! A kind states its facts once; dispatch, argument checks, the schema in OpenAPI, docs/kinds.md, limits and metric labels are read from here.

use crate::{Context, Failure};
use longshore_queue::{Backoff, Keep, KindSchedule};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use std::{future::Future, time::Duration};

/// One kind of work. A new kind is one new file plus one registration.
pub trait Kind: Send + Sync + 'static {
    /// Stored in every job for ever; renaming needs an alias.
    const NAME: &'static str;
    /// Names it had before; jobs that were stored under them are still run, and may still be enqueued.
    const ALIASES: &'static [&'static str] = &[];
    /// Grows with the schema or the policy.
    const VERSION: u32 = 1;
    /// Where its jobs go unless they name another queue.
    const QUEUE: &'static str = "default";
    /// How often, and with which waits between.
    const RETRY: Retry = Retry::times(8);
    /// An attempt is stopped after this long.
    const TIMEOUT: Duration = minutes(5);
    /// JSON pointers into args that make the lane's key.
    const LANE_BY: &'static [&'static str] = &[];
    /// A JSON pointer into args to the number of units (of the tenant's budget) and points (of resources) that a job is expected to take.
    /// 1 where it leads to no number; what [`Context::used`] tells takes its place in the budget.
    const COST: Option<&'static str> = None;
    /// JSON pointers into args that keep a second job like it away.
    const UNIQUE_BY: &'static [&'static str] = &[];
    /// Names of the outside quotas that it uses; one that begins with `/` is a JSON pointer into args to the name.
    const RESOURCES: &'static [&'static str] = &[];
    /// False: never run it again when the outcome of an attempt is not known.
    const REPEATABLE: bool = true;
    /// So many crashes in a row make it Dead.
    const CRASHES_MAX: u8 = 3;
    /// So many leases make it Dead; bounds Snooze.
    const RUNS_MAX: u32 = 1_000_000;
    /// Older than this when it snoozes: Dead.
    const AGE_MAX: Option<Duration> = None;
    /// How long its ended jobs are kept; None: the engine's default.
    const KEEP: Option<Keep> = None;
    /// Who answers for it.
    const OWNER: Option<&'static str> = None;
    /// True: its jobs are made by calls of the API that are there for them, and nobody enqueues one by hand, on a schedule or from a handler.
    const INTERNAL: bool = false;
    /// True: only an operator's key may enqueue, schedule or edit its jobs; a handler may, for its own tenant.
    const OPERATORS: bool = false;
    /// One line for `longshore kinds list` and docs/kinds.md.
    const SUMMARY: &'static str = "";

    /// The timing that a schedule of this kind takes over when it names none, with a spread so that the tenants' runs do not come at once.
    #[must_use]
    fn schedule() -> Option<KindSchedule> {
        None
    }

    /// What it is called with. Derive `Deserialize` with `deny_unknown_fields`.
    type Args: DeserializeOwned + JsonSchema + Send;
    /// What it returns; at most [`crate::BLOB_MAX`] bytes of JSON, and [`longshore_queue::PAYLOAD_MAX`] in a process without files.
    type Output: Serialize + JsonSchema + Send;

    /// Does the work. May run more than once: at-least-once is the promise.
    fn run(args: Self::Args, cx: &Context) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// How often a kind is tried, and how long it waits between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// 1..=1000.
    pub attempts_max: u16,
    /// Full jitter below an exponential bound.
    pub backoff: Backoff,
}

impl Retry {
    /// One attempt, no second.
    pub const NEVER: Self = Self::times(1);

    /// So many attempts, waiting up to 1 s, 2 s, 4 s … 10 min between.
    #[must_use]
    pub const fn times(attempts_max: u16) -> Self {
        Self { attempts_max, backoff: Backoff { base_ms: 1_000, max_ms: 600_000 } }
    }
    /// The same with other bounds.
    #[must_use]
    pub const fn between(self, base: Duration, max: Duration) -> Self {
        Self { attempts_max: self.attempts_max, backoff: Backoff { base_ms: base.as_millis() as u64, max_ms: max.as_millis() as u64 } }
    }
}

/// `n` seconds, for consts.
#[must_use]
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
/// `n` minutes, for consts.
#[must_use]
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}
