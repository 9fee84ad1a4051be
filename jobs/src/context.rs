//! What a handler may know and do: whose job it is, its token, progress, logs, units used, cancellation, time, checkpoints, children,
//! waits, and what a provider said about an outside quota.
//!
//! Every write carries the lease's token. When one is refused because the lease was lost, the attempt's cancellation
//! fires and the call answers [`Failure::Cancelled`], so that a handler that uses `?` stops by itself.

mod bulk;
mod checkpoint;
mod family;
mod notes;
mod operations;
mod resource;
mod schedules;

pub use notes::Level;
pub use resource::{Headers, Learning, Remaining, Resource};

use crate::{Cause, Checker, Failure, Outbound, SecretKeeper};
use longshore_base::{Clock, Name, Random, Trace};
use longshore_config::Veil;
use longshore_queue::{Broker, BrokerError, Job, JobId, Lease, Tick, Token, Woken};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio_util::sync::CancellationToken;

/// What the worker builds a [`Context`] from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The leased job.
    pub lease: Arc<Lease>,
    /// Fires when the attempt should stop: cancel requested, lease lost, or the worker's grace is over.
    pub cancelled: CancellationToken,
    /// Where a trace goes on from this attempt.
    pub trace: Option<Trace>,
    /// What all attempts work with.
    pub tools: Arc<Tools>,
}

/// What all attempts of a process work with. Shared as one, so that an attempt counts one reference and not one for each.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Where the jobs live.
    pub broker: Arc<dyn Broker>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Checks the jobs that handlers enqueue.
    pub checker: Arc<Checker>,
    /// For calls to the outside world; knows `--allow-outbound`.
    pub outbound: Outbound,
    /// What providers said about outside quotas.
    pub headers: Headers,
    /// For the secrets that args name.
    pub secrets: SecretKeeper,
    /// What the operator gives backups to work with; None: this process makes none.
    pub backups: Option<Arc<longshore_backup::Means>>,
}

/// Handed to every [`crate::Kind::run`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) parts: Parts,
    /// The secrets that this attempt resolved.
    pub(crate) veil: Veil,
    lost: AtomicBool,
    notes: notes::Notes,
    checkpoint: checkpoint::Checkpoint,
}

impl Context {
    /// The worker's way in.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let (veil, lost, notes, checkpoint) = Default::default();
        Self { inner: Arc::new(Inner { parts, veil, lost, notes, checkpoint }) }
    }

    /// The job, as it stood when this attempt began.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.inner.parts.lease.job
    }
    /// The job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.job().id
    }
    /// Whose job it is.
    #[must_use]
    pub fn tenant(&self) -> &Name {
        &self.job().tenant
    }
    /// For which of the tenant's clients.
    #[must_use]
    pub fn client(&self) -> Option<&Name> {
        self.job().client.as_ref()
    }
    /// The tick of the schedule that it stands for: report for the time that it names, not for now.
    #[must_use]
    pub fn tick(&self) -> Option<&Tick> {
        self.job().tick.as_ref()
    }
    /// The number of this attempt, from 1. Crashes and interruptions do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        u32::from(self.job().counters.attempts) + 1
    }
    /// Grows with every lease of the queue: a target that remembers the highest one it saw can refuse a late writer.
    #[must_use]
    pub fn token(&self) -> Token {
        self.inner.parts.lease.token
    }
    /// The same for every attempt of this job; send it to targets that drop repeats by a key.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        self.id().to_string()
    }
    /// Time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.parts.tools.clock
    }
    /// Chance.
    #[must_use]
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.inner.parts.tools.random
    }
    /// The client for calls to the outside world.
    #[must_use]
    pub fn outbound(&self) -> &Outbound {
        &self.inner.parts.tools.outbound
    }
    /// Where a trace goes on from this attempt: the attempt's own span, or, where no spans are collected, what the job came with. The jobs that it
    /// makes and its calls through [`Context::outbound`] go on from there by themselves; for another way out, send it as `traceparent`.
    #[must_use]
    pub fn trace(&self) -> Option<&Trace> {
        self.inner.parts.trace.as_ref()
    }
    /// What the operator gives backups to work with.
    pub(crate) fn backup_means(&self) -> Option<&longshore_backup::Means> {
        self.inner.parts.tools.backups.as_deref()
    }
    /// Completes when the attempt should stop: cancel requested, lease lost, or the worker's grace is over.
    pub async fn cancelled(&self) {
        self.inner.parts.cancelled.cancelled().await;
    }
    /// Whether the attempt should stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.parts.cancelled.is_cancelled()
    }
    /// Whether a write of this attempt was refused because somebody else owns the job now. There is nothing to ack then.
    #[must_use]
    pub fn lease_lost(&self) -> bool {
        self.inner.lost.load(Ordering::Acquire)
    }
    /// Why the job runs again after a wait.
    #[must_use]
    pub fn woken(&self) -> Option<Woken> {
        self.inner.parts.lease.woken
    }
}

impl Inner {
    fn id(&self) -> JobId {
        self.parts.lease.job.id
    }
    /// A broker's failure as the attempt's: a lost lease stops it, anything else is tried again.
    fn failure(&self, error: &BrokerError) -> Failure {
        if matches!(error, BrokerError::LeaseLost) {
            self.lose();
            return Failure::Cancelled;
        }
        Failure::Retry(Cause::new(error.code(), error))
    }
    fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.parts.cancelled.cancel();
    }
}

#[cfg(test)]
mod tests;
