//! jobs — what can be done: the `Kind` contract, the catalog of kinds, and one file per kind in domain folders.
//! Read `kind.rs`, `context.rs`, `decide.rs`, in that order. The domain modules are private: nobody above can name a kind.

mod backoff;
mod blobs;
mod catalog;
mod checker;
mod context;
mod decide;
mod failure;
mod kind;
mod kinds;
mod operations;
mod outbound;
mod request;
mod secrets;
#[cfg(test)]
mod testing;
mod ticks;
pub mod traces;
pub mod whole;

pub use backoff::backoff;
pub use blobs::{BLOB_MAX, BlobError, Blobs, Candidate, Listing, Owner, is_large};
pub use catalog::Catalog;
pub use checker::{Checker, Shape};
pub use context::{Context, Headers, Learning, Level, Parts, Remaining, Resource, Tools};
pub use decide::{Attempted, decide};
pub use failure::{Cause, Failure};
pub use kind::{Kind, Retry, minutes, seconds};
pub use longshore_config::{Secret, Veil};
pub use operations::{
    BULK, BulkArgs, BulkChange, PURGE, PurgeArgs, REPLAY, RefusedJob, ReplayArgs, Tally, UNDO, UndoArgs, Verb, signature,
};
pub use outbound::{Outbound, install_tls};
pub use request::{FieldFault, JobRequest, RequestError};
pub use secrets::{SecretError, SecretKeeper, SecretOr, SecretProvider, SecretRef};
pub use ticks::BACKFILL;
