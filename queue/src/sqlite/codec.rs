//! What is stored as bytes: versioned envelopes. The first byte is the version of what follows.

use crate::{Backoff, BrokerError, ErrorInfo, Json, Keep, NewJob, Policy, Unique, UniqueMode};
use longshore_base::{Millis, Name, Trace};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::time::Duration;

type Result<T> = std::result::Result<T, BrokerError>;

const VERSION: u8 = 1;

/// The half of a job that hardly ever changes. Stored by position: a field is only ever added at the end,
/// with a default for the bodies that were written before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) kind_version: u32,
    pub(super) client: Option<Name>,
    pub(super) tags: Vec<Name>,
    pub(super) timeout_ms: u64,
    pub(super) runs_max: u32,
    pub(super) age_max_ms: Option<u64>,
    /// base, max
    pub(super) backoff_ms: (u64, u64),
    /// None: the engine's default; 0: not at all.
    pub(super) keep_ms: Option<u64>,
    pub(super) expires_at: Option<Millis>,
    /// The wait of *replace* or the window of *throttle*.
    pub(super) unique_ms: Option<u64>,
    pub(super) parent_key: Option<String>,
    pub(super) replay_of: Option<[u8; 16]>,
    pub(super) replays: Vec<[u8; 16]>,
    /// The due time that it came with.
    pub(super) run_at: Option<Millis>,
    /// The tick that made it: the schedule, and its time. Absent in bodies that were written before there were schedules.
    #[serde(default)]
    pub(super) tick: Option<(Name, Millis)>,
    /// The jobs of other queues before and after this one.
    #[serde(default)]
    pub(super) moved_from: Option<[u8; 16]>,
    #[serde(default)]
    pub(super) moved_to: Option<[u8; 16]>,
    /// Absent in bodies that were written before jobs had one.
    #[serde(default)]
    pub(super) trace: Option<Trace>,
}

impl Body {
    pub(super) fn of(job: &NewJob, run_at: Option<Millis>) -> Self {
        let policy = &job.policy;
        Self {
            kind_version: job.kind_version,
            client: job.client.clone(),
            tags: job.tags.clone(),
            timeout_ms: policy.timeout_ms,
            runs_max: policy.runs_max,
            age_max_ms: policy.age_max_ms,
            backoff_ms: (policy.backoff.base_ms, policy.backoff.max_ms),
            keep_ms: policy.keep.map(|keep| match keep {
                Keep::None => 0,
                Keep::Ms(ms) => ms.max(1),
            }),
            expires_at: job.expires_at,
            unique_ms: job.unique.as_ref().and_then(|unique| match unique.mode {
                UniqueMode::Replace { wait_max } => wait_max.map(ms),
                UniqueMode::Throttle { window } => Some(ms(window)),
                UniqueMode::Keep | UniqueMode::KeepUntilStarted => None,
            }),
            parent_key: job.parent.as_ref().map(|parent| parent.key.clone()),
            replay_of: job.replay_of.map(|id| *id.as_bytes()),
            replays: Vec::new(),
            run_at,
            tick: job.tick.as_ref().map(|tick| (tick.schedule.clone(), tick.at)),
            moved_from: job.moved_from.map(|id| *id.as_bytes()),
            moved_to: None,
            trace: job.trace.clone(),
        }
    }

    pub(super) fn policy(&self, attempts_max: u16, crashes_max: u8, repeatable: bool) -> Policy {
        Policy {
            attempts_max,
            crashes_max,
            timeout_ms: self.timeout_ms,
            repeatable,
            runs_max: self.runs_max,
            age_max_ms: self.age_max_ms,
            backoff: Backoff { base_ms: self.backoff_ms.0, max_ms: self.backoff_ms.1 },
            keep: self.keep_ms.map(|ms| if ms == 0 { Keep::None } else { Keep::Ms(ms) }),
        }
    }

    pub(super) fn unique(&self, key: String, mode: u8) -> Unique {
        let span = self.unique_ms.map(Duration::from_millis);
        let mode = match mode {
            0 => UniqueMode::Keep,
            1 => UniqueMode::KeepUntilStarted,
            2 => UniqueMode::Replace { wait_max: span },
            _ => UniqueMode::Throttle { window: span.unwrap_or_default() },
        };
        Unique { key, mode }
    }

    pub(super) fn pack(&self) -> Result<Vec<u8>> {
        envelope(rmp_serde::to_vec(self))
    }
}

/// The number that stands for a unique mode in its column.
pub(super) const fn mode(mode: UniqueMode) -> u8 {
    match mode {
        UniqueMode::Keep => 0,
        UniqueMode::KeepUntilStarted => 1,
        UniqueMode::Replace { .. } => 2,
        UniqueMode::Throttle { .. } => 3,
    }
}

/// `value` in an envelope, its fields by name.
pub(super) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    envelope(rmp_serde::to_vec_named(value))
}

/// Back from [`pack`] or [`Body::pack`].
pub(super) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => rmp_serde::from_slice(rest).map_err(|fault| BrokerError::Corrupt(fault.to_string())),
        Some((other, _)) => Err(BrokerError::Corrupt(format!("a record of version {other}; this binary reads up to {VERSION}"))),
        None => Err(BrokerError::Corrupt("an empty record".to_owned())),
    }
}

fn envelope(packed: std::result::Result<Vec<u8>, rmp_serde::encode::Error>) -> Result<Vec<u8>> {
    let mut packed = packed.map_err(|fault| BrokerError::Refused(format!("a record cannot be packed: {fault}")))?;
    packed.insert(0, VERSION);
    Ok(packed)
}

/// Stored JSON text.
pub(super) fn json(text: String) -> Result<Json> {
    RawValue::from_string(text).map_err(|fault| BrokerError::Corrupt(fault.to_string()))
}

/// A stored name.
pub(super) fn name(text: &str) -> Result<Name> {
    Name::new(text).map_err(|fault| BrokerError::Corrupt(fault.to_string()))
}

/// Whole milliseconds.
pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// `span` after `now`; never past the end of time.
pub(super) fn after(now: Millis, span: Duration) -> Millis {
    now.saturating_add(Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX))
}

/// The error as it is kept: its message cut to [`crate::ERROR_MAX`] bytes.
pub(super) fn cut(mut error: ErrorInfo) -> ErrorInfo {
    let end = error.message.floor_char_boundary(crate::ERROR_MAX);
    error.message.truncate(end);
    error
}
