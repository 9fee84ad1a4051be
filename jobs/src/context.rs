//! What a handler may know and do: whose job it is, its token, progress, logs, cancellation, time, checkpoints, children, waits.

use longshore_base::{Clock, Random};
use longshore_queue::{Broker, Lease};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the worker builds a [`Context`] from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The leased job.
    pub lease: Arc<Lease>,
    /// Where it lives.
    pub broker: Arc<dyn Broker>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Fires when the attempt should stop: cancel requested, lease lost, or the worker's grace is over.
    pub cancelled: CancellationToken,
    /// Networks that outbound calls may reach although they are private (`--allow-outbound`).
    pub allow_outbound: Arc<[ipnet::IpNet]>,
}

/// Handed to every [`crate::Kind::run`].
#[derive(Debug, Clone)]
pub struct Context {
    #[expect(dead_code, reason = "being built")]
    parts: Parts,
}

impl Context {
    /// The worker's way in.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }
}
