//! The store itself: which database, and how it is opened.

use crate::{StoreError, migrate};
use backon::{ConstantBuilder, Retryable};
use sqlx::{
    PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{os::unix::fs::OpenOptionsExt, str::FromStr, time::Duration};
use tokio::time::Instant;

/// A handle to the records. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pool: Pool,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Migrate PostgreSQL (`migrate` and `up` do). SQLite is migrated by whoever opens it.
    pub migrate: bool,
    /// Open connections at most.
    pub connections_max: u32,
    /// How long a call waits for a connection, or for SQLite's writer.
    pub timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { migrate: false, connections_max: 8, timeout: Duration::from_secs(5) }
    }
}

/// One of the two databases.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs `$body` with `$pool` as either pool: the statements are the same, only sqlx's types differ.
macro_rules! on {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.pool {
            $crate::store::Pool::Sqlite($pool) => $body,
            $crate::store::Pool::Postgres($pool) => $body,
        }
    };
}
pub(crate) use on;

impl Store {
    /// Opens `sqlite:PATH` (made if it is not there) or `postgres://…`, and sees to the schema.
    ///
    /// # Errors
    /// [`StoreError::Url`], [`StoreError::Unavailable`], or [`StoreError::Older`] when PostgreSQL's schema is older than needed and
    /// `options.migrate` is not set.
    pub async fn open(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let pool = match url.strip_prefix("sqlite:") {
            Some(path) => Pool::Sqlite(sqlite(path, options).await?),
            None if url.starts_with("postgres://") || url.starts_with("postgresql://") => Pool::Postgres(postgres(url, options).await?),
            None => return Err(StoreError::Url(url.split('@').next_back().unwrap_or_default().to_owned())),
        };
        if options.migrate || matches!(pool, Pool::Sqlite(_)) {
            migrate::migrate(&pool).await?;
        }
        let found = migrate::version(&pool).await?;
        if found < migrate::NEEDED {
            return Err(StoreError::Older { found, needed: migrate::NEEDED });
        }
        Ok(Self { pool })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        on!(self, pool => sqlx::query("select 1").execute(pool).await.map(|_| ())).map_err(StoreError::when("answer"))
    }

    /// Closes every connection; calls that come later fail.
    pub async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

/// `synchronous=FULL`: a job is removed from its queue once its history row is here, so the row must survive a power cut.
async fn sqlite(path: &str, options: &StoreOptions) -> Result<SqlitePool, StoreError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    // A new file is its owner's alone; SQLite gives its log the same mode. What cannot be made is told when it is opened.
    drop(std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path));
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.timeout);
    let pool = SqlitePoolOptions::new().max_connections(options.connections_max).acquire_timeout(options.timeout);
    // Who opens a new file turns its journal to WAL, and then SQLite answers BUSY at once instead of waiting for the others that are at it.
    // A lock that it did wait for has used up the time already.
    let began = Instant::now();
    let again = ConstantBuilder::new().with_delay(PAUSE).without_max_times();
    let opened = (|| pool.clone().connect_with(connect.clone())).retry(again).when(|e| busy(e) && began.elapsed() < options.timeout).await;
    opened.map_err(StoreError::when("open the SQLite file"))
}

/// Between two attempts to open a file that another process is opening.
const PAUSE: Duration = Duration::from_millis(20);

/// `SQLITE_BUSY` in any of its extended forms ("Result and Error Codes" of SQLite).
fn busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

async fn postgres(url: &str, options: &StoreOptions) -> Result<PgPool, StoreError> {
    let connect = PgConnectOptions::from_str(url).map_err(StoreError::when("read the URL"))?;
    let pool = PgPoolOptions::new().max_connections(options.connections_max).acquire_timeout(options.timeout);
    pool.connect_with(connect.application_name("longshore")).await.map_err(StoreError::when("connect to PostgreSQL"))
}
