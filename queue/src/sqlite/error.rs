//! From SQLite's errors to the contract's: what a caller may repeat, and what an operator has to mend.

use crate::BrokerError;
use rusqlite::ErrorCode;
use std::time::Duration;

/// When to come again after the disk was full.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl From<rusqlite::Error> for BrokerError {
    fn from(error: rusqlite::Error) -> Self {
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                Self::Full { detail: format!("the disk of the queue file is full ({detail})"), retry_after: RETRY_AFTER }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::Refused(format!("the queue file cannot be written: {detail}")),
            Some(ErrorCode::NotADatabase) => Self::Refused(format!("the queue file is not a SQLite database: {detail}")),
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt(format!("the queue file is damaged: {detail}")),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted,
            ) => Self::Unavailable(format!("the queue file: {detail}")),
            _ => Self::Refused(format!("the queue file answered with an error: {detail}")),
        }
    }
}

/// A commit that failed: whether its pages reached the disk is not always known.
pub(super) fn of_commit(error: rusqlite::Error) -> BrokerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => BrokerError::OutcomeUnknown(format!("the commit to the queue file: {error}")),
        _ => error.into(),
    }
}
