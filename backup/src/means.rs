//! What the operator gives backups to work with, and whom they tell how far they are.

use longshore_base::Clock;
use longshore_config::Secret;
use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

/// From the operator, one per process.
#[derive(Debug, Clone)]
pub struct Means {
    /// The `AWS_…` variables, for targets in a bucket.
    pub aws: BTreeMap<String, Secret<String>>,
    /// Where copies lie while they are made or looked at; needs room for the largest SQLite file, and for what is verified.
    pub scratch: PathBuf,
    /// Where pg_dump, redis-cli and the like are looked for: the `PATH` of this process.
    pub path: OsString,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done: `copy`, `write`, `read`, `compare`.
    pub phase: &'static str,
    /// Bytes of the plain data so far.
    pub done: u64,
    /// Of how many, where that is known.
    pub of: Option<u64>,
}

/// Told now and then. Cheap to call: whoever listens decides how often it matters.
#[derive(Clone)]
pub struct Tell(Arc<dyn Fn(Progress) + Send + Sync>);

impl Tell {
    /// Calls this.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
    /// Nobody listens.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(drop)
    }
    pub(crate) fn tell(&self, phase: &'static str, done: u64, of: Option<u64>) {
        (self.0)(Progress { phase, done, of });
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// A tool that is silent for so long hangs.
pub(crate) const SILENCE_MAX: Duration = Duration::from_mins(10);
/// A tool that is only asked something, or asked to end.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(30);
