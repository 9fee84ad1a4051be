//! SQLite: a copy of one moment, taken while others write, and compared by SQLite's own shell.

use super::{
    House,
    house::{files, read_manifest, shell},
};
use crate::harness::folder;
use rusqlite::Connection;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

/// A database of about so many megabytes, whose two tables always have the same in all.
pub(super) fn database(megabytes: i64) -> PathBuf {
    let file = folder("source").join("shop.db");
    let db = Connection::open(&file).expect("a database");
    let rows = megabytes * 1000;
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE accounts (id INTEGER PRIMARY KEY, money INTEGER, note BLOB); CREATE TABLE safes (id INTEGER PRIMARY KEY, money INTEGER);
         CREATE TABLE \"odd \"\" name\" (a, b REAL, c TEXT); INSERT INTO \"odd \"\" name\" VALUES (NULL, 1.5, 'ä'), (x'00', -0.0, '');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO accounts SELECT i, 100, randomblob(900) FROM n; INSERT INTO safes SELECT id, 0 FROM accounts;"
    ))
    .expect("tables");
    file
}

/// Moves money from one table to the other, a commit each, until it is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    pub(super) commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn on(file: &Path) -> Self {
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (file, ends, counts) = (file.to_owned(), Arc::clone(&stop), Arc::clone(&commits));
        let thread = std::thread::spawn(move || {
            let db = Connection::open(file).expect("the database");
            db.busy_timeout(std::time::Duration::from_secs(20)).expect("patience");
            let rows: i64 = db.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).expect("rows");
            for turn in 0.. {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (from, to) = (turn * 7919 % rows + 1, turn * 104_729 % rows + 1);
                db.execute_batch(&format!(
                    "BEGIN IMMEDIATE; UPDATE accounts SET money = money - 1, note = randomblob(900) WHERE id = {from};
                     UPDATE safes SET money = money + 1 WHERE id = {to}; COMMIT"
                ))
                .expect("a commit");
                counts.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, commits, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Whether a restored file is of one moment, and what the manifest says of it.
pub(super) fn is_as_it_was(file: &Path, manifest: &Value) {
    let db = Connection::open(file).expect("a database");
    let query = "SELECT (SELECT sum(money) FROM accounts) + (SELECT sum(money) FROM safes), (SELECT 100 * count(*) FROM accounts)";
    let (sum, wanted): (i64, i64) = db.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("sums");
    assert_eq!(sum, wanted, "the copy is of one moment");
    drop(db);
    let mut theirs: Vec<_> = shell(&format!("sqlite3 '{}' '.sha3sum --sha3-256 %'", file.display()))
        .lines()
        .map(|line| line.replace('|', " ").split_once(' ').map(|(hash, name)| (name.trim().to_owned(), hash.to_owned())).expect("a hash"))
        .collect();
    theirs.sort();
    let tables = manifest["contents"]["tables"].as_array().expect("tables");
    let text = |table: &Value, field: &str| table[field].as_str().expect("text").to_owned();
    let ours: Vec<_> = tables.iter().map(|table| (text(table, "name"), text(table, "hash"))).collect();
    assert_eq!(ours, theirs, "the contents equal the manifest's hashes");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_writes_to_a_folder_verified_and_restored_by_hand() {
    let (house, file) = (House::up().await, database(8));
    let writer = Writer::on(&file);
    let before = writer.commits.load(Ordering::Relaxed);
    let output = house.backup("shop", format!("sqlite:{}", file.display()), &house.in_folder()).await;
    assert!(writer.commits.load(Ordering::Relaxed) > before, "writers go on");
    drop(writer);
    let manifest = house.manifest(&output);
    assert_eq!((&output["bytes"], &output["sha256"]), (&manifest["data"]["bytes"], &manifest["data"]["sha256"]));
    let data = house.folder.join(manifest["data"]["file"].as_str().expect("a file"));
    assert_eq!(shell(&format!("sha256sum < '{}'", data.display())).split(' ').next(), output["sha256"].as_str());
    assert_eq!(files(&house.folder).len(), 2, "the data and the manifest: {:?}", files(&house.folder));

    let verified = house.verify("shop", &house.in_folder(), "completed").await;
    assert_eq!((&verified["output"]["tables"], &verified["output"]["engine"]), (&3.into(), &"sqlite".into()), "{verified}");

    let restored = folder("restored").join("shop.db");
    shell(&format!("age -d -i '{}' '{}' | zstd -dc > '{}'", house.key.file.display(), data.display(), restored.display()));
    is_as_it_was(&restored, &manifest);
    assert!(files(&house.engine.dir.join("scratch")).is_empty(), "the scratch folder is empty again");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_writes_to_a_bucket_verified_and_restored_by_the_command() {
    let (house, file, target) = (House::up().await, database(12), "s3://kept/nightly");
    let writer = Writer::on(&file);
    let output = house.backup("shop", format!("sqlite:{}", file.display()), target).await;
    drop(writer);
    let manifest = read_manifest(&house.s3.bucket("kept").join("nightly"), &output);
    assert!(manifest["data"]["bytes"].as_u64() > Some(8 << 20), "more than one part");
    house.verify("shop", target, "completed").await;
    let restored = folder("restored").join("shop.db");
    let ran = house.restore(target, &["--name", "shop", "--to", restored.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    is_as_it_was(&restored, &manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_only_replaced_when_that_is_asked_for() {
    let (house, file) = (House::up().await, database(1));
    let output = house.backup("shop", format!("sqlite:{}", file.display()), &house.in_folder()).await;
    // The source itself, in use, with a log that is newer than the backup.
    drop(Writer::on(&file));
    let (path, before) = (file.to_str().expect("UTF-8"), std::fs::read(&file).expect("the file"));
    let ran = house.restore(&house.in_folder(), &["--name", "shop", "--to", path]);
    assert_eq!((ran.code, ran.told.contains("backup.destination_taken")), (1, true), "{}", ran.told);
    assert!(std::fs::read(&file).expect("the file") == before, "it is untouched");
    let ran = house.restore(&house.in_folder(), &["--name", "shop", "--to", path, "--overwrite"]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    is_as_it_was(&file, &house.manifest(&output));
    let left = files(file.parent().expect("a folder"));
    assert!(left.iter().all(|file| !file.to_string_lossy().contains("restoring")), "{left:?}");
}
