//! Jobs that retention has taken out of their queue: the whole job as JSON, and columns to search by.

use crate::{Store, StoreError, statement::statement, store::on};
use longshore_base::{Millis, Name, Scope};

const FILE: &str = include_str!("history.sql");
const UPSERT: &str = statement(FILE, "upsert");
const FIND: &str = statement(FILE, "find");

/// One ended job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The job's id, hyphenated.
    pub id: String,
    /// Whose job it was.
    pub tenant: Name,
    /// In which queue.
    pub queue: Name,
    /// Of which kind.
    pub kind: Name,
    /// For which client.
    pub client: Option<Name>,
    /// completed, cancelled or dead.
    pub state: String,
    /// Why, for cancelled and dead ones.
    pub reason: Option<String>,
    /// Of its last error.
    pub fingerprint: Option<String>,
    /// When it was enqueued.
    pub created_at: Millis,
    /// When it ended.
    pub ended_at: Millis,
    /// The whole job as JSON, as the queue's `Job` writes itself.
    pub job: String,
}

impl Store {
    /// Keeps ended jobs, all or none; one that is there already is replaced, so that retention may repeat itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; nothing was kept.
    pub async fn keep_history(&self, rows: &[HistoryRow]) -> Result<(), StoreError> {
        on!(self, pool => {
            async {
                let mut tx = pool.begin().await?;
                for row in rows {
                    sqlx::query(UPSERT)
                        .bind(&row.id)
                        .bind(row.tenant.as_str())
                        .bind(row.queue.as_str())
                        .bind(row.kind.as_str())
                        .bind(row.client.as_ref().map(Name::as_str))
                        .bind(&row.state)
                        .bind(&row.reason)
                        .bind(&row.fingerprint)
                        .bind(row.created_at)
                        .bind(row.ended_at)
                        .bind(&row.job)
                        .execute(&mut *tx)
                        .await?;
                }
                tx.commit().await
            }
            .await
        })
        .map_err(StoreError::when("keep ended jobs"))
    }

    /// The JSON of an ended job, if `scope` may see it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn history(&self, scope: &Scope, id: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = on!(self, pool => {
            sqlx::query_as(FIND).bind(id).bind(tenant_of(scope)).fetch_optional(pool).await
        })
        .map_err(StoreError::when("read the history"))?;
        Ok(row.map(|(job,)| job))
    }
}

/// What a statement's tenant parameter is bound to; None: every tenant.
pub(crate) fn tenant_of(scope: &Scope) -> Option<&str> {
    match scope {
        Scope::All => None,
        Scope::Tenant(tenant) => Some(tenant.as_str()),
    }
}
