//! A chore: something that has to be done again and again for every queue, by whoever gets to it.

use crate::HistoryError;
use async_trait::async_trait;
use longshore_base::Name;
use longshore_jobs::BlobError;
use longshore_queue::BrokerError;
use std::{fmt::Debug, time::Duration};

/// One kind of upkeep. An implementation does a bounded piece of work at a time and may run in many processes at once.
#[async_trait]
pub trait Chore: Send + Sync + Debug + 'static {
    /// For logs and metrics.
    fn name(&self) -> &'static str;
    /// How long a queue rests between two runs that leave nothing to do. None: a run comes when [`Chore::due`] says so, and only then.
    fn every(&self) -> Option<Duration>;
    /// Returns when a chore without a pace of its own should run for this queue. May be dropped and called again.
    async fn due(&self, _queue: &Name) {
        std::future::pending().await
    }
    /// Does one piece for one queue.
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError>;
}

/// How a piece of a chore ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Nothing is left for now.
    Idle,
    /// There is more to do at once.
    More,
}

/// Why a piece of a chore failed. It is tried again; nothing is half done.
#[derive(Debug, thiserror::Error)]
pub enum ChoreError {
    /// The broker's failure.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The store's failure.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The files' failure.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// It panicked, which is a fault in Longshore; the process's panic message is in the log.
    #[error("the chore panicked")]
    Panicked,
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
}
