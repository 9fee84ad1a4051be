//! Opening the file: one owner, checked, migrated.

use super::{sql, sql::SCHEMA};
use crate::BrokerError;
use longshore_base::Millis;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

type Result<T> = std::result::Result<T, BrokerError>;

/// Of new files: args are nobody's business but ours.
const OWNERS: u32 = 0o600;
/// Statements that a connection keeps prepared; more than there are.
const PREPARED_MAX: usize = 256;
/// A log that was longer is cut to this many bytes when it starts again: more than it comes to before the writer folds it, because cutting
/// and growing takes the writer milliseconds.
const LOG_KEPT: u64 = 128 << 20;
/// Readers and the checkpointer touch each other for moments only.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The ownership of the file; the operating system frees it with the process, however that ends.
#[derive(Debug)]
pub(super) struct Owner {
    _lock: File,
}

/// Takes the ownership and writes our process id where the next one looks for it.
pub(super) fn own(path: &Path) -> Result<Owner> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|fault| refused("the folder of the queue file cannot be made", folder, &fault))?;
    }
    let beside = beside(path, ".lock");
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNERS)
        .open(&beside)
        .map_err(|fault| refused("the lock beside the queue file cannot be opened", &beside, &fault))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(path, &mut lock)),
        Err(TryLockError::Error(fault)) => return Err(refused("the queue file cannot be locked", &beside, &fault)),
    }
    let told = lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0))).and_then(|_| writeln!(lock, "{}", std::process::id()));
    told.map_err(|fault| refused("the lock beside the queue file cannot be written", &beside, &fault))?;
    Ok(Owner { _lock: lock })
}

/// The writer's connection, on a checked and migrated file, and how often that was opened.
pub(super) fn writer(path: &Path, now: Millis) -> Result<(Connection, u64)> {
    // SQLite gives its log the mode of the file.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(OWNERS).open(path).map(drop);
    let made = made.map_err(|fault| refused("the queue file cannot be opened", path, &fault));
    let opened = made.and_then(|()| connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)).and_then(|connection| {
        let starts = prepare(&connection, now)?;
        Ok((connection, starts))
    });
    opened.map_err(|fault| match fault {
        BrokerError::Refused(why) if !why.contains(&*path.to_string_lossy()) => BrokerError::Refused(format!("{}: {why}", path.display())),
        BrokerError::Corrupt(why) => BrokerError::Corrupt(format!("{}: {why}", path.display())),
        other => other,
    })
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("PRAGMA query_only=ON")?;
    leave_log(&connection)?;
    Ok(connection)
}

/// Closing this connection does not fold the log, even if it is the last one.
pub(super) fn leave_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// The log's path.
pub(super) fn log(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|fault| refused("the queue file cannot be opened", path, &fault))?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    connection.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000; PRAGMA wal_autocheckpoint=0")?;
    Ok(connection)
}

fn prepare(connection: &Connection, now: Millis) -> Result<u64> {
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(BrokerError::Refused(format!("the file cannot keep a write-ahead log (journal mode {mode}); use a local disk")));
    }
    connection.execute_batch(&format!("PRAGMA synchronous=FULL; PRAGMA journal_size_limit={LOG_KEPT}"))?;
    // Should the disk have failed us, pages of the log that are in memory only would stay so, and all that is written after them would be lost
    // with them: everything that is whole goes into the file, and the log starts again.
    if let Err(fault) = super::checkpoint::fold(connection) {
        tracing::warn!(%fault, "the log of the queue file could not be folded at the start");
    }
    migrate(connection)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute(sql::sql("around.orphans"), [now])?;
    connection.execute(sql::sql("around.fresh_start"), [now])?;
    let starts = connection.query_row(sql::sql("around.start"), [], |row| row.get(0))?;
    // From here on the log is synced beside the commits (syncer.rs).
    connection.execute_batch("COMMIT; PRAGMA synchronous=NORMAL")?;
    Ok(starts)
}

/// Brings an older file forward, each version in a transaction of its own; a newer file is refused.
fn migrate(connection: &Connection) -> Result<()> {
    let has: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let knows = SCHEMA.len();
    if has > knows {
        let why = format!("the queue file is of version {has}, this binary knows versions up to {knows}; start a newer binary");
        return Err(BrokerError::Refused(why));
    }
    for (at, step) in SCHEMA.iter().enumerate().skip(has) {
        connection.execute_batch(&format!("BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version={};\nCOMMIT;", at + 1)).inspect_err(|_| {
            if !connection.is_autocommit() {
                drop(connection.execute_batch("ROLLBACK"));
            }
        })?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn locked(path: &Path, lock: &mut File) -> BrokerError {
    let mut pid = String::new();
    drop(lock.read_to_string(&mut pid));
    let owner = match pid.trim() {
        "" => "another process".to_owned(),
        pid => format!("process {pid}"),
    };
    BrokerError::Locked(format!(
        "{} is owned by {owner}: one process owns a SQLite queue. Use that process through its API, stop it first, or use Redis for \
         several processes.",
        path.display()
    ))
}

fn refused(what: &str, path: &Path, fault: &dyn std::fmt::Display) -> BrokerError {
    BrokerError::Refused(format!("{what}: {}: {fault}", path.display()))
}
