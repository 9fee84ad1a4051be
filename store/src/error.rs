//! How a call to the store fails.

use longshore_base::Code;
use std::path::PathBuf;

/// A failed call. The message may name hosts and paths: it is for the log, not for a caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is of no kind that we know.
    #[error("`{0}` is no store: allowed are sqlite:PATH and postgres://…")]
    Url(String),
    /// The database could not be reached, or refused the call.
    #[error("the store failed to {doing}")]
    Unavailable {
        /// What was tried.
        doing: &'static str,
        /// Why it did not work.
        #[source]
        source: sqlx::Error,
    },
    /// The schema is older than this program needs.
    #[error("the store's schema is at version {found} and this program needs {needed}: run `longshore migrate --store …` first")]
    Older {
        /// What is there.
        found: i64,
        /// What this program needs.
        needed: i64,
    },
    /// A row that this program cannot read.
    #[error("a row of the store cannot be read: {0}")]
    Corrupt(String),
    /// The key file could not be read or written.
    #[error("the key file {path} cannot be used")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    /// The code to branch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Url(_) => Code::ConfigInvalid,
            Self::Unavailable { .. } | Self::Older { .. } | Self::Corrupt(_) | Self::KeyFile { .. } => Code::StoreUnavailable,
        }
    }

    /// For `map_err`: names what was tried.
    pub(crate) fn when(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Unavailable { doing, source }
    }
}
