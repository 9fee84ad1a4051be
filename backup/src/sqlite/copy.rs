//! Page by page. Where the database has a write-ahead log, the copy reads under one read transaction: writers are not held up and the copy is of
//! the moment at which it began. Without such a log a reader would hold writers up, so the copy lets go between its steps; SQLite begins it again
//! when somebody has written meanwhile, and after a few times it is made in one go.

use crate::{BackupError, Tell, halt::Halt};
use longshore_base::Code;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use std::{path::Path, time::Duration};

/// Pages of one step: 8 MiB of the usual 4 KiB.
const PAGES: i32 = 2_000;
/// So often it is begun again before it holds writers up.
const RESTARTS: u32 = 3;
/// How long a lock of somebody else is waited for, and how often in a row.
const BUSY: Duration = Duration::from_secs(5);
const BUSY_MAX: u32 = 12;
/// Between two looks at a lock. SQLite's own waits grow to 100 ms and miss the gaps that a writer leaves who does nothing but write.
const LOOK: Duration = Duration::from_millis(1);

/// Copies `source` to a new file; answers its length.
pub(super) fn copy(source: &Path, to: &Path, halt: &Halt, tell: &Tell) -> Result<u64, BackupError> {
    if !source.is_file() {
        return Err(BackupError::fatal(Code::BackupSource, format!("{} is no file", source.display())));
    }
    let failed = |error: rusqlite::Error| told(source, &error);
    let from = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    from.busy_handler(Some(wait)).map_err(failed)?;
    let journal: String = from.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)?;
    let logged = journal.eq_ignore_ascii_case("wal");
    if logged {
        from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    }
    let mut copy = Connection::open(to).map_err(failed)?;
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF").map_err(failed)?;
    let page_bytes: u64 = from.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(failed)?;
    steps(&from, &mut copy, page_bytes, halt, tell).map_err(|error| error.unwrap_or_else(failed))?;
    copy.close().map_err(|(_, error)| failed(error))?;
    std::fs::metadata(to).map(|about| about.len()).map_err(|error| BackupError::local("the copy", &error))
}

/// A moment, unless they are [`BUSY`] together. `looks`: how many there were for this lock.
#[expect(clippy::disallowed_methods, reason = "SQLite has no signal for a lock that is free, and asks on this thread")]
fn wait(looks: i32) -> bool {
    std::thread::sleep(LOOK);
    u128::try_from(looks).is_ok_and(|looks| looks < BUSY.as_millis() / LOOK.as_millis())
}

/// A failure of SQLite, or one that is ours already.
enum Broke {
    Sqlite(rusqlite::Error),
    Ours(BackupError),
}

impl Broke {
    fn unwrap_or_else(self, of: impl FnOnce(rusqlite::Error) -> BackupError) -> BackupError {
        match self {
            Self::Sqlite(error) => of(error),
            Self::Ours(error) => error,
        }
    }
}

fn steps(from: &Connection, copy: &mut Connection, page_bytes: u64, halt: &Halt, tell: &Tell) -> Result<(), Broke> {
    let backup = Backup::new(from, copy).map_err(Broke::Sqlite)?;
    let (mut busy, mut restarts, mut left) = (0, 0, i32::MAX);
    loop {
        halt.look().map_err(Broke::Ours)?;
        let pages = if restarts > RESTARTS { -1 } else { PAGES };
        match backup.step(pages).map_err(Broke::Sqlite)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                busy = 0;
                let now = backup.progress();
                // A step that went on leaves less. One after which as much is left began at the first page again.
                if now.remaining >= left {
                    restarts += 1;
                }
                left = now.remaining;
                let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * page_bytes;
                tell.tell("copy", bytes(now.pagecount - now.remaining), Some(bytes(now.pagecount)));
            }
            // The connection has waited already.
            _ => {
                busy += 1;
                if busy > BUSY_MAX {
                    let why = "somebody else keeps the database locked";
                    return Err(Broke::Ours(BackupError::transient(Code::BackupSource, why)));
                }
            }
        }
    }
}

fn told(source: &Path, error: &rusqlite::Error) -> BackupError {
    use rusqlite::ErrorCode as E;
    let message = format!("{}: {error}", source.display());
    match error.sqlite_error_code() {
        Some(E::NotADatabase | E::DatabaseCorrupt | E::CannotOpen | E::PermissionDenied | E::ReadOnly) => {
            BackupError::fatal(Code::BackupSource, message)
        }
        _ => BackupError::transient(Code::BackupSource, message),
    }
}
