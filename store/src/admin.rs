//! The first operator's key, in a file that only its owner can read.

use crate::{Role, Store, StoreError};
use longshore_base::{Clock, Name, Random};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Makes an operator's key and writes it to `path` (mode 0600, whole or not at all) if the file is missing or no operator's key is valid.
/// Answers whether it made one.
///
/// # Errors
/// The store's, or [`StoreError::KeyFile`].
pub async fn ensure_admin_key(store: &Store, clock: &dyn Clock, random: &dyn Random, path: &Path) -> Result<bool, StoreError> {
    let failed = |source| StoreError::KeyFile { path: path.to_owned(), source };
    let there = fs::exists(path).map_err(failed)?;
    if there && store.has_operator().await? {
        return Ok(false);
    }
    let made = store.create_key(&Name::literal("admin"), &Role::Operator, clock.now(), random).await?;
    write(path, made.text.reveal(), random).map_err(failed)?;
    Ok(true)
}

/// Through a file beside it, so that a reader never sees half a key.
fn write(path: &Path, key: &str, random: &dyn Random) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.new", random.bits()));
    let beside = path.with_file_name(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        writeln!(file, "{key}")?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        // The cause is what the caller must hear of, not this.
        fs::remove_file(&beside).ok();
    }
    written
}
