//! From a request (HTTP, a handler, a schedule) to a [`NewJob`]: the kind's record, cached, checks args and fills in what was not said.

use longshore_base::{Clock, Code, Millis, Name, Random};
use longshore_queue::{Broker, BrokerError, Json, NewJob, Parent, Priority, Unique};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// What somebody wants done.
#[derive(Debug, Clone, Default)]
pub struct JobRequest {
    /// Which kind; checked to be a name.
    pub kind: Option<Name>,
    /// Its args.
    pub args: Value,
    /// None: the kind's queue.
    pub queue: Option<Name>,
    /// Whose; filled in from the caller's key before.
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
    /// Who waits for it.
    pub parent: Option<Parent>,
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
}

/// Checks requests against kind records, which it caches (refreshed when a kind is not known, and every few seconds).
#[derive(Debug)]
pub struct Checker {
    _broker: Arc<dyn Broker>,
    _clock: Arc<dyn Clock>,
}

impl Checker {
    /// A checker on this broker's records.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, clock: Arc<dyn Clock>) -> Self {
        Self { _broker: broker, _clock: clock }
    }
    /// A job with a fresh id from `random`.
    ///
    /// # Errors
    /// Every fault at once, or the broker's failure to tell the kinds or the queue's home.
    pub async fn check(&self, _request: JobRequest, _random: &dyn Random) -> Result<NewJob, RequestError> {
        todo!()
    }
    /// Checks args alone, as an edit or a replay needs.
    ///
    /// # Errors
    /// As [`Checker::check`].
    pub async fn check_args(&self, _kind: &Name, _args: &Value) -> Result<Json, RequestError> {
        todo!()
    }
    /// Registers kinds at start. A record whose schema would refuse some of up to 10,000 waiting jobs is not taken over:
    /// the old version stays with `refused` set, and the reason is logged and returned.
    ///
    /// # Errors
    /// The broker's.
    pub async fn register(&self, _records: Vec<longshore_queue::KindRecord>) -> Result<Vec<(Name, String)>, BrokerError> {
        todo!()
    }
}
