//! backup — copies of databases that can be trusted: taken in one snapshot, compressed, encrypted, written to a folder or a bucket, listed
//! only when whole, and compared with what they were taken from when they are restored.
//!
//! Read `manifest.rs` (what a backup says of itself), `take.rs` (how one is made), `verify.rs`, `prune.rs`, `restore.rs`. The three sources are
//! `sqlite/`, `postgres/` and `rdb/` (Redis); `seal.rs` and `unseal.rs` are the way of the bytes, `tool.rs` starts pg_dump and its like.
//! Nothing here knows jobs: the kinds `ops.…` and the command `restore` call it.

mod destination;
mod digests;
mod error;
mod halt;
mod identity;
mod manifest;
mod means;
mod postgres;
mod prune;
mod rdb;
mod restore;
mod scratch;
mod seal;
mod server;
mod source;
mod sqlite;
mod take;
mod target;
mod tool;
mod unseal;
mod verify;

pub use destination::Destination;
pub use error::BackupError;
pub use identity::{Identities, Recipients};
pub use manifest::{Contents, Draft, Engine, Manifest, Stored, Sum, Table};
pub use means::{Means, Progress, Tell};
pub use prune::{Keeping, Kept, Plan, Removed, Spared, plan};
pub use restore::{Restored, restore};
pub use source::Source;
pub use take::{Order, dump};
pub use target::{Listed, Run, Target, Wanted};
pub use verify::{Verified, verify};
