//! Where a backup is restored to.

use crate::{BackupError, Engine, postgres, source::Source};
use longshore_base::Code;
use longshore_config::Secret;
use std::{io, path::PathBuf};

/// A file that is made, or a database that is filled.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The database file of SQLite, the RDB file of Redis.
    File(PathBuf),
    /// A database that is there and empty.
    Database(postgres::Place),
}

impl Destination {
    /// Reads a path (`sqlite:/path` is one, too), or `postgres://…` for a dump of PostgreSQL.
    ///
    /// # Errors
    /// `jobs.args_invalid` when the backup cannot be restored to such a place.
    pub fn parse(text: &Secret<String>, engine: Engine) -> Result<Self, BackupError> {
        let refused = |wanted: &str| BackupError::invalid(format!("the backup is one of {engine:?}: it is restored to {wanted}"));
        let is_address = text.expose().contains("://") && !text.expose().starts_with("sqlite:");
        match engine {
            Engine::Postgres => match Source::parse(text) {
                Ok(Source::Postgres(place)) => Ok(Self::Database(place)),
                _ => Err(refused("a database, postgres://…")),
            },
            Engine::Sqlite | Engine::Redis if is_address => Err(refused("a file")),
            Engine::Sqlite | Engine::Redis => {
                let path = text.expose();
                Ok(Self::File(path.strip_prefix("sqlite:").unwrap_or(path).into()))
            }
        }
    }
}

/// The data broke off while it was read; `unseal.rs` finds out why.
pub(crate) fn unreadable(error: &io::Error) -> BackupError {
    BackupError::fatal(Code::BackupDamaged, format!("the data cannot be read: {error}"))
}
