//! store — records at rest: API keys, the history of jobs that have ended, and what people say about groups of dead letters; and files at
//! rest. Read `store.rs`, `keys.rs`, `history.rs`, `files.rs`, in that order.
//!
//! One SQL for SQLite and PostgreSQL: the statements live in `.sql` files beside the code, by name.

mod admin;
mod error;
mod facts;
mod files;
mod groups;
mod history;
mod key;
mod keys;
mod migrate;
mod ring;
mod statement;
mod store;

pub use admin::ensure_admin_key;
pub use error::StoreError;
pub use files::{FileMeta, FileReader, FileWriter, Files, FilesError, FilesOptions};
pub use groups::{GroupChange, GroupWords, Said};
pub use history::HistoryRow;
pub use key::KeyText;
pub use keys::{ApiKey, CreatedKey, Role};
pub use ring::KeyRing;
pub use store::{Store, StoreOptions};

#[cfg(test)]
mod tests;
