//! Where ended jobs go when their queue lets go of them.

use async_trait::async_trait;
use longshore_queue::{Job, JobId, Scope};
use longshore_store::{HistoryRow, Store};
use std::{error::Error, fmt::Debug};

/// Keeps ended jobs beyond their retention.
#[async_trait]
pub trait History: Send + Sync + Debug + 'static {
    /// Keeps all of them or none. A job that is there already is replaced by the same.
    async fn keep(&self, jobs: &[Job]) -> Result<(), HistoryError>;
    /// A job that was kept.
    async fn find(&self, id: JobId) -> Result<Option<Job>, HistoryError>;
    /// The id of the deployment whose history this is; `proposed` becomes it if there is none yet.
    async fn deployment(&self, proposed: &str) -> Result<String, HistoryError>;
}

/// The history could not keep the jobs, which stay in their queue, or could not tell what it has.
#[derive(Debug, thiserror::Error)]
#[error("the history of ended jobs failed: {0}")]
pub struct HistoryError(#[source] pub Box<dyn Error + Send + Sync>);

#[async_trait]
impl History for Store {
    async fn keep(&self, jobs: &[Job]) -> Result<(), HistoryError> {
        let rows: Result<Vec<_>, _> = jobs.iter().map(row).collect();
        let rows = rows.map_err(|error| HistoryError(error.into()))?;
        self.keep_history(&rows).await.map_err(|error| HistoryError(error.into()))
    }

    async fn find(&self, id: JobId) -> Result<Option<Job>, HistoryError> {
        let kept = self.history(&Scope::All, &id.to_string()).await.map_err(|error| HistoryError(error.into()))?;
        kept.map(|job| serde_json::from_str(&job).map_err(|error| HistoryError(error.into()))).transpose()
    }

    async fn deployment(&self, proposed: &str) -> Result<String, HistoryError> {
        Store::deployment(self, proposed).await.map_err(|error| HistoryError(error.into()))
    }
}

fn row(job: &Job) -> serde_json::Result<HistoryRow> {
    let last_error = job.history.iter().rev().find_map(|event| event.error.as_ref());
    Ok(HistoryRow {
        id: job.id.to_string(),
        tenant: job.tenant.clone(),
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        client: job.client.clone(),
        state: job.state.to_string(),
        reason: job.reason.map(|reason| reason.as_str().to_owned()),
        fingerprint: last_error.map(|error| error.fingerprint.clone()),
        created_at: job.created_at,
        ended_at: job.ended_at.unwrap_or(job.created_at),
        job: serde_json::to_string(job)?,
    })
}
