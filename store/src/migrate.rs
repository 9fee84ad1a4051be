//! Brings the schema up to what this program needs, in one transaction under a lock, so that processes that start
//! together migrate once. sqlx's own migrator takes no lock on SQLite; this one is as small as its configuration would be.

use crate::{StoreError, store::Pool};
use sqlx::Executor;

/// Every migration, oldest first; the version of a schema is how many were applied. Never edit one that was released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_keys_and_history.sql"),
    include_str!("../migrations/0002_letter_groups.sql"),
    include_str!("../migrations/0003_facts.sql"),
];

/// What this program needs.
pub(crate) const NEEDED: i64 = MIGRATIONS.len() as i64;

const TABLE: &str = "create table if not exists longshore_schema (version bigint primary key)";
const VERSION: &str = "select coalesce(max(version), 0) from longshore_schema";
const APPLIED: &str = "insert into longshore_schema (version) values ($1)";
/// PostgreSQL's lock; any number that nobody else would take. Held to the end of the transaction.
const LOCK: &str = "select pg_advisory_xact_lock(5507304810562341)";
/// PostgreSQL's code for a table that is not there.
const NO_TABLE: &str = "42P01";

/// The migrations in an open transaction of either database.
macro_rules! apply {
    ($tx:ident) => {
        async {
            $tx.execute(TABLE).await?;
            let (found,): (i64,) = sqlx::query_as(VERSION).fetch_one(&mut *$tx).await?;
            for (version, sql) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
                sqlx::raw_sql(*sql).execute(&mut *$tx).await?;
                sqlx::query(APPLIED).bind(version).execute(&mut *$tx).await?;
                tracing::info!(version, "the store's schema was migrated to version {version}");
            }
            $tx.commit().await?;
            Ok(found.max(NEEDED))
        }
        .await
    };
}

/// Applies what is missing. Answers the version reached; a newer schema than ours is left as it is.
pub(crate) async fn migrate(pool: &Pool) -> Result<i64, StoreError> {
    let failed = StoreError::when("migrate the schema");
    match pool {
        Pool::Sqlite(pool) => match pool.begin_with("begin immediate").await {
            Ok(mut tx) => apply!(tx),
            Err(error) => Err(error),
        },
        Pool::Postgres(pool) => match pool.begin().await {
            Ok(mut tx) => match tx.execute(LOCK).await {
                Ok(_) => apply!(tx),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
    }
    .map_err(failed)
}

/// The schema's version; 0 when there is none.
pub(crate) async fn version(pool: &Pool) -> Result<i64, StoreError> {
    let found: Result<(i64,), sqlx::Error> = match pool {
        Pool::Sqlite(pool) => sqlx::query_as(VERSION).fetch_one(pool).await,
        Pool::Postgres(pool) => sqlx::query_as(VERSION).fetch_one(pool).await,
    };
    match found {
        Ok((version,)) => Ok(version),
        Err(error) if error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == NO_TABLE) => Ok(0),
        Err(error) => Err(StoreError::when("read the schema's version")(error)),
    }
}
