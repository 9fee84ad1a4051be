//! What somebody wants done (over HTTP, from a handler, by a schedule), and what can be wrong with it.

use crate::BlobError;
use longshore_base::{Code, Millis, Name};
use longshore_queue::{BrokerError, Parent, Priority, Tick, Unique};
use serde_json::Value;
use std::time::Duration;

/// What somebody wants done.
#[derive(Debug, Clone, Default)]
pub struct JobRequest {
    /// Which kind; checked to be a name.
    pub kind: Option<Name>,
    /// Its args.
    pub args: Value,
    /// None: the kind's queue.
    pub queue: Option<Name>,
    /// Whose; filled in from the caller's key before. None: `default`.
    pub tenant: Option<Name>,
    /// For which client.
    pub client: Option<Name>,
    /// None: 5.
    pub priority: Option<Priority>,
    /// At most one of `run_at` and `delay`.
    pub run_at: Option<Millis>,
    /// See `run_at`.
    pub delay: Option<Duration>,
    /// None: the kind's `unique_by`, if it has one.
    pub unique: Option<Unique>,
    /// None: the kind's. 1..=1000.
    pub attempts_max: Option<u16>,
    /// None: the kind's. 1 ms ..= 7 days.
    pub timeout_ms: Option<u64>,
    /// Cancelled if not started by then.
    pub expires_at: Option<Millis>,
    /// At most 20.
    pub tags: Vec<Name>,
    /// The tick that it stands for.
    pub tick: Option<Tick>,
    /// Who waits for it; its id and key make the job's id.
    pub parent: Option<Parent>,
    /// Set by the calls that begin operations, and by nobody else: the kind may be an internal one, and the queue and the tenant those of
    /// the operations.
    pub internal: bool,
    /// A tenant's key asks; it may not have kinds that are for operators.
    pub by_tenant: bool,
}

impl JobRequest {
    /// A request with nothing but a kind and its args.
    #[must_use]
    pub fn new(kind: Name, args: Value) -> Self {
        Self { kind: Some(kind), args, ..Self::default() }
    }
}

/// One fault of a request: where (JSON pointer into the request, `/args/url`), what, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// RFC 6901.
    pub pointer: String,
    /// The fault, with the value.
    pub detail: String,
    /// What would be allowed.
    pub allowed: Option<String>,
}

impl FieldFault {
    /// A fault; an empty `allowed` is none.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>, allowed: impl Into<String>) -> Self {
        let allowed = allowed.into();
        Self { pointer: pointer.into(), detail: detail.into(), allowed: (!allowed.is_empty()).then_some(allowed) }
    }
}

/// Why a request was refused before any write.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// Faults of the request itself.
    #[error("{code}: {} fault(s)", faults.len())]
    Faults {
        /// jobs.kind_unknown, jobs.args_invalid, jobs.args_too_large or request.invalid.
        code: Code,
        /// Every fault.
        faults: Vec<FieldFault>,
    },
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The files, for args that do not fit into a record.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl RequestError {
    /// The code to branch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Faults { code, .. } => *code,
            Self::Broker(error) => error.code(),
            Self::Blob(error) => error.code(),
        }
    }
    /// Every fault in one line, for logs and for errors of jobs.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Faults { faults, .. } => {
                let each: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
                each.join("; ")
            }
            Self::Broker(error) => error.to_string(),
            Self::Blob(error) => error.to_string(),
        }
    }
}
