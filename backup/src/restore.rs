//! A backup back to where it is used. A file appears whole and compared, or not at all; a database is filled in one transaction.

use crate::{
    BackupError, Destination, Engine, Identities, Manifest, Means, Target, Tell, Verified,
    postgres::{self, How},
    verify::{same, sqlite_contents, summary, write_file},
};
use longshore_base::Code;
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// What is there now.
pub type Restored = Verified;

/// Restores. `overwrite` allows that something is there already.
///
/// # Errors
/// `backup.destination_taken` and those of [`crate::verify`]. Nothing is left half done.
pub async fn restore(
    from: (&Target, &Manifest, Identities),
    to: &Destination,
    (overwrite, no_owner): (bool, bool),
    means: &Means,
    tell: &Tell,
) -> Result<Restored, BackupError> {
    let manifest = from.1;
    match to {
        Destination::File(path) => into_file(from, path, overwrite, tell).await?,
        Destination::Database(place) => {
            if !overwrite && !postgres::is_empty(place, means).await? {
                return Err(postgres::taken(place));
            }
            let mut found = postgres::into_database(from, place, How { clean: overwrite, no_owner }, means, tell).await?;
            if overwrite {
                // What the database had besides stays.
                let tables = &manifest.backup.contents.tables;
                found.tables.retain(|table| tables.iter().any(|ours| ours.name == table.name));
            }
            same(manifest, &found)?;
        }
    }
    Ok(summary(manifest))
}

async fn into_file(from: (&Target, &Manifest, Identities), path: &Path, overwrite: bool, tell: &Tell) -> Result<(), BackupError> {
    let (target, manifest, identities) = from;
    let beside = ["-wal", "-shm", "-journal"].map(|suffix| with_suffix(path, suffix));
    let is_sqlite = manifest.backup.engine == Engine::Sqlite;
    let there = |path: &Path| path.symlink_metadata().is_ok();
    let taken = |found: &Path| {
        let told = format!("{} is there already; --overwrite replaces it, once nobody uses it any more", found.display());
        BackupError::fatal(Code::BackupDestination, told)
    };
    if !overwrite {
        let mut would_go = std::iter::once(path).chain(beside.iter().filter(|_| is_sqlite).map(PathBuf::as_path));
        if let Some(found) = would_go.find(|path| there(path)) {
            return Err(taken(found));
        }
    }
    let unfinished = Unfinished(with_suffix(path, &format!(".restoring-{}", std::process::id())));
    drop(fs::remove_file(&unfinished.0));
    let passed = write_file(target, manifest, identities, &unfinished.0, tell).await?;
    tell.tell("compare", 0, Some(manifest.backup.plain.bytes));
    let found = match passed {
        Some(found) => found,
        None => sqlite_contents(unfinished.0.clone()).await?,
    };
    same(manifest, &found)?;
    let failed = |error: io::Error| BackupError::fatal(Code::BackupRestore, format!("{}: {error}", path.display()));
    if is_sqlite {
        // The log of the file before would be taken for that of the new one.
        for file in beside.iter().filter(|file| there(file)) {
            fs::remove_file(file).map_err(failed)?;
        }
    }
    if overwrite {
        fs::rename(&unfinished.0, path).map_err(failed)?;
    } else {
        // A link fails where a rename would replace what somebody made meanwhile.
        fs::hard_link(&unfinished.0, path).map_err(|error| if there(path) { taken(path) } else { failed(error) })?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removed unless it got its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already when it was renamed.
        drop(fs::remove_file(&self.0));
    }
}
