use super::{contents, copy, sound};
use crate::{BackupError, Tell, halt::Halt};
use longshore_base::Code;
use rusqlite::Connection;
use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use tempfile::TempDir;

fn copied(from: &Path, to: &Path) -> Result<u64, BackupError> {
    copy::copy(from, to, &Halt::default(), &Tell::nobody())
}

#[test]
fn hashes_are_those_of_the_shell() {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("a #?%.db");
    let db = Connection::open(&file).expect("a database");
    db.execute_batch(
        "CREATE TABLE Things (a, b TEXT, c REAL, d BLOB); CREATE TABLE \"odd \"\" name\" (x PRIMARY KEY) WITHOUT ROWID; CREATE TABLE empty (z);
         CREATE INDEX things_a ON Things (a); CREATE VIEW seen AS SELECT a FROM Things;
         CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
         INSERT INTO Things VALUES (1, 'ä', 1.5, x'00ff'), (NULL, '', -0.0, x''), (-9223372036854775808, 'x''y', 1e300, NULL), ('text', 2, 3, 4);
         INSERT INTO \"odd \"\" name\" VALUES (2), ('b'), (1); INSERT INTO counted (v) VALUES (9), (8);",
    )
    .expect("tables");
    drop(db);
    let found = contents(&file, &Halt::default()).expect("contents");
    let ours: Vec<String> = found.iter().map(|table| format!("{} {}", table.hash.as_deref().unwrap_or("-"), table.name)).collect();
    let shell = Command::new("sqlite3").arg(&file).arg(".sha3sum --sha3-256 %").output().expect("sqlite3 is installed");
    let mut theirs: Vec<String> =
        String::from_utf8(shell.stdout).expect("text").lines().map(|line| line.trim().replace('|', " ")).collect();
    theirs.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name.to_owned()));
    assert_eq!(ours, theirs);
    assert_eq!(found.iter().map(|table| table.rows).collect::<Vec<_>>(), [2, 0, 3, 4]);
}

/// Money moves between two tables while the copy is made: at every moment there is the same in all.
fn under_writes(journal: &str) {
    const ROWS: i64 = 20_000;
    let dir = TempDir::new().expect("a folder");
    let (file, to) = (dir.path().join("db"), dir.path().join("copy"));
    let db = Connection::open(&file).expect("a database");
    db.pragma_update(None, "journal_mode", journal).expect("a journal");
    db.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE a (id INTEGER PRIMARY KEY, v INTEGER, pad); CREATE TABLE b (id INTEGER PRIMARY KEY, v INTEGER)")
        .expect("tables");
    db.execute_batch(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO a SELECT i, 100, randomblob(600) FROM n; INSERT INTO b SELECT id, 0 FROM a;"
    ))
    .expect("rows");
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut db = Connection::open(&file).expect("the same database");
            db.busy_timeout(std::time::Duration::from_secs(20)).expect("patience");
            db.execute_batch("PRAGMA synchronous = OFF").expect("no sync");
            let mut row = 1;
            while !stop.load(Ordering::Relaxed) {
                let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).expect("a turn");
                tx.execute("UPDATE a SET v = v - 1, pad = randomblob(600) WHERE id = ?1", [row]).expect("out");
                tx.execute("UPDATE b SET v = v + 1 WHERE id = ?1", [ROWS + 1 - row]).expect("in");
                tx.commit().expect("both");
                row = row % ROWS + 1;
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        while written.load(Ordering::Relaxed) < 10 {
            std::hint::spin_loop();
        }
        let before = written.load(Ordering::Relaxed);
        let copied = copied(&file, &to);
        let meanwhile = written.load(Ordering::Relaxed) - before;
        // Before anything is asserted: the writer ends with this flag alone.
        stop.store(true, Ordering::Relaxed);
        copied.expect("a copy");
        if journal == "wal" {
            assert!(meanwhile > 0, "writers go on");
        }
    });
    sound(&to).expect("a sound copy");
    let copy = Connection::open(&to).expect("the copy");
    let sum: i64 = copy.query_row("SELECT (SELECT sum(v) FROM a) + (SELECT sum(v) FROM b)", [], |row| row.get(0)).expect("sums");
    assert_eq!(sum, ROWS * 100, "one moment, not two");
}

#[test]
fn a_copy_is_of_one_moment_with_a_log() {
    under_writes("wal");
}

#[test]
fn a_copy_is_of_one_moment_without_a_log() {
    under_writes("delete");
}

#[test]
fn what_is_no_database_is_told() {
    let dir = TempDir::new().expect("a folder");
    let (file, to) = (dir.path().join("db"), dir.path().join("copy"));
    let code = |result: Result<u64, BackupError>| result.map_err(|error| (error.code(), error.is_transient()));
    assert_eq!(code(copied(&file, &to)), Err((Code::BackupSource, false)), "there is nothing");
    std::fs::write(&file, vec![b'x'; 10_000]).expect("written");
    assert_eq!(code(copied(&file, &to)), Err((Code::BackupSource, false)), "that is text");
    let (halt, halts) = Halt::pair();
    drop(halts);
    std::fs::remove_file(&file).expect("removed");
    Connection::open(&file).and_then(|db| db.execute_batch("CREATE TABLE a (b)")).expect("a database");
    let stopped = copy::copy(&file, &dir.path().join("other"), &halt, &Tell::nobody());
    assert!(stopped.is_err_and(|error| error.is_transient()), "a copy that nobody wants any more stops");
}
