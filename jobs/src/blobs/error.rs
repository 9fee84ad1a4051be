//! How keeping or reading large args and outputs fails.

use crate::{Cause, Failure};
use longshore_base::{Code, chain};
use longshore_queue::BrokerError;
use longshore_store::FilesError;

/// A failed call. The message may name hosts and paths: it is for the log and the operator.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{told}")]
pub struct BlobError {
    code: Code,
    told: String,
    transient: bool,
}

impl BlobError {
    /// The code to branch on: files.unavailable, files.missing, files.damaged, or internal.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Whether the same call may work later, with nothing changed by people.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.transient
    }

    pub(super) fn no_files() -> Self {
        let told = "this process was started without files, and a job has something in one".to_owned();
        Self { code: Code::FilesUnavailable, told, transient: false }
    }

    pub(super) fn damaged(name: &str) -> Self {
        Self { code: Code::FilesDamaged, told: format!("the file {name} is not what was written"), transient: false }
    }

    /// The error of a read: where it was looked for tells whoever forgot to give every process the same place.
    pub(super) fn at(error: &FilesError, place: &str) -> Self {
        let told = match error {
            FilesError::Missing { name } => format!("there is no file {name} in {place}; every process needs the same --files"),
            other => chain(other),
        };
        Self { code: error.code(), told, transient: error.is_transient() }
    }
}

impl From<FilesError> for BlobError {
    fn from(error: FilesError) -> Self {
        Self { code: error.code(), told: chain(&error), transient: error.is_transient() }
    }
}

/// A claim that cannot be read.
impl From<BrokerError> for BlobError {
    fn from(error: BrokerError) -> Self {
        Self { code: error.code(), told: error.to_string(), transient: false }
    }
}

/// What an attempt comes to: it is tried again by the kind's policy.
impl BlobError {
    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.code, self)
    }
}

impl From<BlobError> for BrokerError {
    /// Where only a broker's failure can be told; the text says what it was.
    fn from(error: BlobError) -> Self {
        let BlobError { code, told: detail, transient } = error;
        if transient { Self::Dependency { code, detail } } else { Self::Conflict { code, detail } }
    }
}

impl BlobError {
    /// As the failure of an attempt.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::Retry(self.cause())
    }
}
