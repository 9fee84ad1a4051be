//! What an operator may choose about a worker. `config` has checked it before.

use crate::Reporter;
use longshore_base::Name;
use longshore_jobs::{Blobs, SecretKeeper};
use std::{sync::Arc, time::Duration};

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which queues it serves besides that of the operations.
    pub queues: Queues,
    /// So many attempts at once, over all its queues.
    pub concurrency: usize,
    /// How long a lease lasts unless it is extended, in milliseconds.
    pub lease_ms: u64,
    /// How often leases are extended, in milliseconds; at most a third of `lease_ms`, so that two lost heartbeats cost no job.
    pub heartbeat_ms: u64,
    /// How long a drain waits for attempts to end by themselves, in milliseconds.
    pub grace_ms: u64,
    /// How often the worker reports and asks for commands, in milliseconds.
    pub beat_ms: u64,
    /// So many acks go into one call at most (1..=500).
    pub ack_batch: usize,
    /// How long the first ack of a batch waits for company.
    pub ack_linger: Duration,
    /// Threads that handlers run on; None: as many as the machine has cores.
    pub threads: Option<usize>,
    /// Networks that outbound calls may reach although they are private.
    pub allow_outbound: Arc<[ipnet::IpNet]>,
    /// Hears of failures; None: nobody does.
    pub report: Option<Arc<dyn Reporter>>,
    /// Where the secrets that args name come from.
    pub secrets: SecretKeeper,
    /// What backups work with; None: this worker makes none.
    pub backups: Option<Arc<longshore_backup::Means>>,
    /// Where large args and outputs lie.
    pub blobs: Blobs,
    /// Where the worker runs; part of its id.
    pub host: String,
    /// Of the binary.
    pub version: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queues: Queues::All,
            concurrency: 32,
            lease_ms: 15_000,
            heartbeat_ms: 5_000,
            grace_ms: 30_000,
            beat_ms: 2_000,
            ack_batch: 256,
            ack_linger: Duration::from_millis(1),
            threads: None,
            allow_outbound: Arc::from([]),
            report: None,
            secrets: SecretKeeper::none(),
            backups: None,
            blobs: Blobs::none(),
            host: "localhost".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl Options {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(2, usize::from);
        self.threads.unwrap_or_else(cores).max(1)
    }
    pub(crate) fn beat(&self) -> Duration {
        Duration::from_millis(self.beat_ms)
    }
}

/// Which queues a worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Queues {
    /// Every one; one that is made later is found within milliseconds, or within five seconds when the signal is lost.
    All,
    /// These, and the queue of the operations where the worker carries their kinds.
    Named(Vec<Name>),
}
