//! Rows and a hash of every table, the same that `sqlite3 FILE '.sha3sum --sha3-256 %'` prints, so that anybody can compare a restored file by hand.
//! The form is documented with SQLite's extension shathree: the statement, then for each row `R` and its values, each with its type.

use crate::{BackupError, Table, halt::Halt};
use longshore_base::Code;
use rusqlite::{Connection, OpenFlags, types::ValueRef};
use sha3::{Digest, Sha3_256};
use std::{fmt::Write, path::Path};

/// What the manifest calls it.
pub(crate) const METHOD: &str = "sqlite3 .sha3sum --sha3-256 %";

const TABLES: &str =
    "SELECT lower(name) FROM sqlite_schema WHERE type = 'table' AND coalesce(rootpage, 0) > 1 AND name NOT LIKE 'sqlite_%' ORDER BY 1";

/// Of a file that nobody writes to.
pub(crate) fn contents(file: &Path, halt: &Halt) -> Result<Vec<Table>, BackupError> {
    let db = open(file)?;
    let mut statement = db.prepare(TABLES).map_err(|error| told(&error))?;
    let names = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect::<Result<Vec<String>, _>>);
    names.map_err(|error| told(&error))?.into_iter().map(|name| table(&db, name, halt)).collect()
}

/// Whether SQLite finds nothing wrong with the file.
pub(crate) fn sound(file: &Path) -> Result<(), BackupError> {
    let found: String = open(file)?.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| told(&error))?;
    if found == "ok" { Ok(()) } else { Err(BackupError::fatal(Code::BackupMismatch, format!("the restored file is not sound: {found}"))) }
}

fn table(db: &Connection, name: String, halt: &Halt) -> Result<Table, BackupError> {
    let sql = format!("SELECT * FROM \"{}\" NOT INDEXED;", name.replace('"', "\"\""));
    let mut hash = Sha3_256::new();
    hash.update(format!("S{}:{sql}", sql.len()));
    let mut rows = 0;
    let mut each = || -> Result<(), rusqlite::Error> {
        let mut statement = db.prepare(&sql)?;
        let columns = statement.column_count();
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            rows += 1;
            hash.update(b"R");
            for column in 0..columns {
                add(&mut hash, row.get_ref(column)?);
            }
            if rows % 1_000 == 0 && halt.look().is_err() {
                return Ok(());
            }
        }
        Ok(())
    };
    let read = each();
    halt.look()?;
    match read {
        Ok(()) => Ok(Table { name, rows, hash: Some(hex::encode(hash.finalize())) }),
        // A table that stock SQLite cannot read (a function or collation of somebody's own) is in the copy all the same.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) => Ok(Table { name, rows: 0, hash: None }),
        Err(error) => Err(told(&error)),
    }
}

fn add(hash: &mut Sha3_256, value: ValueRef<'_>) {
    let mut sized = |letter: char, bytes: &[u8]| {
        let mut head = String::new();
        let _ = write!(head, "{letter}{}:", bytes.len());
        hash.update(head);
        hash.update(bytes);
    };
    match value {
        ValueRef::Text(bytes) => sized('T', bytes),
        ValueRef::Blob(bytes) => sized('B', bytes),
        ValueRef::Null => hash.update(b"N"),
        ValueRef::Integer(number) => {
            hash.update(b"I");
            hash.update(number.to_be_bytes());
        }
        ValueRef::Real(number) => {
            hash.update(b"F");
            hash.update(number.to_bits().to_be_bytes());
        }
    }
}

/// Immutable: no log and no lock beside the file, and none left behind.
fn open(file: &Path) -> Result<Connection, BackupError> {
    let path = percent_encoding::utf8_percent_encode(&file.to_string_lossy(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{}?immutable=1", path.replace("%2F", "/")), flags).map_err(|error| told(&error))
}

fn told(error: &rusqlite::Error) -> BackupError {
    BackupError::fatal(Code::BackupSource, format!("the copy cannot be read as a database: {error}"))
}
