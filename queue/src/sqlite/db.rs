//! A connection that speaks in named statements, prepared once.

use super::sql::sql;
use crate::BrokerError;
use rusqlite::{Connection, OptionalExtension, Params, Row};

type Result<T> = std::result::Result<T, BrokerError>;

/// Borrowed for one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Db<'c>(pub(super) &'c Connection);

impl Db<'_> {
    /// Runs a statement; answers how many rows it changed.
    pub(super) fn exec(self, name: &str, params: impl Params) -> Result<usize> {
        Ok(self.0.prepare_cached(sql(name))?.execute(params)?)
    }

    /// The first row, if there is one. A statement that writes must be one that answers at most one row.
    pub(super) fn one<T>(self, name: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Result<Option<T>> {
        Ok(self.0.prepare_cached(sql(name))?.query_row(params, read).optional()?)
    }

    /// The one row that must be there.
    pub(super) fn must<T>(self, name: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.one(name, params, read)?.ok_or_else(|| BrokerError::Corrupt(format!("{name} found no row")))
    }

    /// Every row.
    pub(super) fn all<T>(self, name: &str, params: impl Params, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql(name))?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether there is a row.
    pub(super) fn any(self, name: &str, params: impl Params) -> Result<bool> {
        Ok(self.0.prepare_cached(sql(name))?.exists(params)?)
    }
}
