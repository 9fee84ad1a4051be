//! What the handlers work with.

use crate::{Limits, events::Hub, intake::KnownQueues, openapi::Document};
use longshore_base::{Clock, Random};
use longshore_jobs::Checker;
use longshore_queue::Broker;
use longshore_store::{KeyRing, Store};
use std::{fmt, sync::Arc, time::Duration};

/// How long ago this process last leased with success; None: never yet. Only roles that lease have one.
pub type LastLease = Arc<dyn Fn() -> Option<Duration> + Send + Sync>;

/// The process's own metrics in Prometheus' text form.
pub type OwnMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that the API needs from the process around it.
#[derive(Clone)]
pub struct ApiState {
    /// Jobs at rest.
    pub broker: Arc<dyn Broker>,
    /// Keys and history.
    pub store: Store,
    /// Checks args against the kinds' records.
    pub checker: Arc<Checker>,
    /// For waiting and durations.
    pub clock: Arc<dyn Clock>,
    /// For ids, keys and jitter.
    pub random: Arc<dyn Random>,
    /// What a caller may cost.
    pub limits: Limits,
    /// For `/readyz` of a process that leases.
    pub last_lease: Option<LastLease>,
    /// Shown on `/metrics` beside the broker's.
    pub own_metrics: Option<OwnMetrics>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("broker", &self.broker).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The state of a running router.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) state: ApiState,
    pub(crate) keys: KeyRing,
    pub(crate) document: Document,
    pub(crate) queues: KnownQueues,
    pub(crate) hub: Hub,
}

impl std::ops::Deref for Api {
    type Target = ApiState;
    fn deref(&self) -> &ApiState {
        &self.state
    }
}
