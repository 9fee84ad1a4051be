//! Whether a backup can be restored: it is, into a scratch place, and what is there then is compared with what was there when it was taken.

use crate::{
    BackupError, Contents, Engine, Identities, Manifest, Means, Target, Tell, destination::unreadable, digests::Tee, halt::on_a_thread,
    postgres, rdb, scratch::Scratch, sqlite, unseal::unseal,
};
use longshore_base::Code;
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What was compared, and was the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Tables, or databases of Redis.
    pub tables: u64,
    /// Rows, or keys.
    pub rows: u64,
    /// Of the data as it was before compression.
    pub bytes: u64,
}

/// Restores into a scratch place and compares. `job` and `token` name that place.
///
/// # Errors
/// `backup.identity_wrong`, `backup.truncated`, `backup.damaged`, `backup.mismatch`, `backup.restore_failed`, `backup.tool_missing`,
/// `backup.tool_outdated`, `backup.scratch_failed`, `backup.target_failed`.
pub async fn verify(
    from: (&Target, &Manifest, Identities),
    (job, token): (&str, u64),
    means: &Means,
    tell: &Tell,
) -> Result<Verified, BackupError> {
    let (target, manifest, identities) = from;
    let found = match manifest.backup.engine {
        Engine::Sqlite => {
            let scratch = Scratch::new(means, job, token)?;
            let file = scratch.path().join("restored.sqlite");
            write_file(target, manifest, identities, &file, tell).await?;
            tell.tell("compare", 0, Some(manifest.backup.plain.bytes));
            sqlite_contents(file).await?
        }
        Engine::Redis => {
            let scratch = Scratch::for_server(means, job, token)?;
            let file = scratch.path().join(rdb::FILE);
            let passed = write_file(target, manifest, identities, &file, tell).await?;
            same(manifest, &passed.unwrap_or_else(|| manifest.backup.contents.clone()))?;
            tell.tell("compare", 0, Some(manifest.backup.plain.bytes));
            rdb::verify(&manifest.backup.engine_version, &scratch, means).await?
        }
        Engine::Postgres => {
            let scratch = Scratch::passable(means, job, token)?;
            postgres::verify((target, manifest, identities), &scratch, means, tell).await?
        }
    };
    same(manifest, &found)?;
    Ok(summary(manifest))
}

/// An error when `found` is not what the manifest says.
pub(crate) fn same(manifest: &Manifest, found: &Contents) -> Result<(), BackupError> {
    match manifest.backup.contents.difference(found) {
        None => Ok(()),
        Some(how) => Err(BackupError::fatal(Code::BackupMismatch, format!("what was restored is not what was backed up: {how}"))),
    }
}

pub(crate) fn summary(manifest: &Manifest) -> Verified {
    let tables = &manifest.backup.contents.tables;
    Verified { tables: tables.len() as u64, rows: tables.iter().map(|table| table.rows).sum(), bytes: manifest.backup.plain.bytes }
}

/// Writes the data into a new file that nobody else may read. Answers what passed by, of Redis.
pub(crate) async fn write_file(
    target: &Target,
    manifest: &Manifest,
    identities: Identities,
    file: &Path,
    tell: &Tell,
) -> Result<Option<Contents>, BackupError> {
    let is_redis = manifest.backup.engine == Engine::Redis;
    let path: PathBuf = file.to_owned();
    let sink = move |from: &mut dyn Read, halt: &crate::halt::Halt| {
        let failed = |error: io::Error| BackupError::transient(Code::BackupScratch, format!("{}: {error}", path.display()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        let contents =
            if is_redis { Some(rdb::contents(&mut Tee { inner: from, copy: &mut file })?) } else { copy(from, &mut file, halt, &failed)? };
        file.sync_all().map_err(failed)?;
        Ok(contents)
    };
    unseal(manifest, identities, &target.files, tell, sink).await
}

fn copy(
    from: &mut dyn Read,
    to: &mut File,
    halt: &crate::halt::Halt,
    failed: &impl Fn(io::Error) -> BackupError,
) -> Result<Option<Contents>, BackupError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        halt.look()?;
        match from.read(&mut buffer).map_err(|error| unreadable(&error))? {
            0 => return Ok(None),
            read => to.write_all(&buffer[..read]).map_err(failed)?,
        }
    }
}

pub(crate) async fn sqlite_contents(file: PathBuf) -> Result<Contents, BackupError> {
    on_a_thread(move |halt| {
        sqlite::sound(&file)?;
        let tables = sqlite::contents(&file, halt)?;
        Ok(Contents { method: sqlite::METHOD.into(), tables, digest: None, unknown: None, encoding: None })
    })
    .await
}
