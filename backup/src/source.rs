//! What is backed up: an address, read once, here. A password in it goes nowhere but into the environment of the tool that needs it.

use crate::{BackupError, Engine, postgres, rdb};
use longshore_config::Secret;
use std::path::PathBuf;

/// What may stand in `source`.
const ALLOWED: &str = "sqlite:/path · postgres://[user[:password]@]host[:port]/database · redis://[[user]:password@]host[:port] · rediss://… · unix:///path.sock";

/// A database.
#[derive(Debug, Clone)]
pub enum Source {
    /// A database file of this machine.
    Sqlite(PathBuf),
    /// One database of a PostgreSQL server.
    Postgres(postgres::Place),
    /// A Redis server with all its databases.
    Redis(rdb::Place),
}

impl Source {
    /// Reads an address.
    ///
    /// # Errors
    /// `jobs.args_invalid`, without the address.
    pub fn parse(text: &Secret<String>) -> Result<Self, BackupError> {
        let text = text.expose();
        let refused = |why: &str| BackupError::invalid(format!("/source: {why}; allowed: {ALLOWED}"));
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.starts_with('/') { Ok(Self::Sqlite(path.into())) } else { Err(refused("the path is not absolute")) };
        }
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "postgres" | "postgresql" => postgres::Place::parse(text).map(Self::Postgres).map_err(|why| refused(&why)),
            "redis" | "rediss" | "unix" | "redis+unix" => rdb::Place::parse(text).map(Self::Redis).map_err(|why| refused(&why)),
            _ => Err(refused("the address is of no kind that can be backed up")),
        }
    }

    /// Whether a password stands in the address.
    #[must_use]
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(place) => place.has_password(),
            Self::Redis(place) => place.has_password(),
        }
    }

    pub(crate) const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
            Self::Redis(_) => Engine::Redis,
        }
    }
}

impl Engine {
    /// What the data is called before it is compressed.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "pgdump",
            Self::Redis => "rdb",
        }
    }
}

/// A part of an address with its `%XX` read.
pub(crate) fn decoded(part: &str) -> Result<String, String> {
    let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| "a part of the address is no UTF-8".to_owned())
}

#[cfg(test)]
mod tests;
