use super::{Listed, Run, Target, Wanted};
use crate::{Draft, Keeping, Means, manifest::tests::draft, plan};
use bytes::Bytes;
use longshore_base::{Code, Millis, Name, SystemClock};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempDir;

fn name() -> Name {
    Name::literal("db")
}
/// Days after every file of these tests.
const LATER: Millis = 4_000_000_000_000;

fn means() -> Means {
    Means { aws: BTreeMap::new(), scratch: std::env::temp_dir(), path: "".into(), clock: SystemClock::new() }
}

fn target(dir: &TempDir) -> Target {
    Target::open_made(&format!("file://{}", dir.path().display()), &means()).expect("a folder that is there")
}

/// A backup of this day, with its data.
async fn publish(target: &Target, day: u8) -> Draft {
    let mut draft = draft();
    draft.run = format!("202611{day:02}T000000Z-1");
    draft.data.file = format!("db/{}/data-1.pgdump.zst.age", draft.run);
    draft.started_at_ms += Millis::from(day) * 86_400_000;
    target.files.put(&draft.data.file, Bytes::from_static(b"0123456789")).await.expect("written");
    target.publish(draft.clone()).await.expect("published");
    draft
}

fn old(dir: &TempDir, file: &str) {
    let path = dir.path().join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(&path, "of somebody else").expect("written");
    let file = fs::File::options().write(true).open(&path).expect("opened");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("aged");
}

#[tokio::test]
async fn what_is_not_ours_is_neither_listed_nor_removed() {
    let dir = TempDir::new().expect("a temporary folder");
    let foreign = [
        "db/.git/HEAD",
        "db/old/notes/readme.txt",
        "db/readme.txt",
        "db/old/draft#1",
        "db/20261101T000000Z-1/notes.txt",
        "db/20261101/data-1",
        "other/20261101T000000Z-1/data-1.sqlite.zst.age",
    ];
    let ours = ["db/20261101T000000Z-1/data-1.sqlite.zst.age", "db/20261102T000000Z-1/data-1.sqlite.zst.age#2"];
    foreign.iter().chain(&ours).for_each(|file| old(&dir, file));
    let target = target(&dir);
    let listed = target.list(&name()).await.expect("a list");
    let [Listed::Unfinished { files, .. }] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(files, &ours[..1]);
    let plan = plan(&listed, Keeping { daily: 0, weekly: 0, monthly: 0 }, LATER);
    assert_eq!(target.remove(&name(), &plan, LATER).await.expect("removed"), 2);
    for file in foreign {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
    assert!(ours.iter().all(|file| !dir.path().join(file).exists()));
    assert!(!dir.path().join("db/20261102T000000Z-1").exists(), "an empty run goes with its last file");
}

#[tokio::test]
async fn an_old_backup_is_not_taken_for_the_newest() {
    let dir = TempDir::new().expect("a temporary folder");
    let target = target(&dir);
    let find = async || target.find(&Wanted::Newest(name())).await;
    assert_eq!(find().await.expect_err("there is none").code(), Code::BackupNotFound);
    let (older, newer) = (publish(&target, 1).await, publish(&target, 2).await);
    assert_eq!(find().await.expect("the newest").backup.run, newer.run);
    fs::write(dir.path().join(&newer.data.file), "0123").expect("cut");
    let told = find().await.expect_err("the newest is damaged");
    assert_eq!(told.code(), Code::BackupTruncated);
    assert!(told.to_string().contains(&older.clone().sealed().file()), "{told}");
    fs::remove_file(dir.path().join(&newer.data.file)).expect("removed");
    assert_eq!(find().await.expect_err("its data is gone").code(), Code::BackupDamaged);
    let found = target.find(&Wanted::Manifest(older.clone().sealed().file())).await;
    assert_eq!(found.expect("by its manifest").backup.run, older.run);
    fs::write(dir.path().join(&older.data.file), "0").expect("cut");
    assert_eq!(find().await.expect_err("both are").code(), Code::BackupDamaged);
}

#[test]
fn a_folder_that_is_not_there_holds_no_backups() {
    let dir = TempDir::new().expect("a temporary folder");
    let url = format!("file://{}/not/there", dir.path().display());
    let told = Target::open_made(&url, &means()).expect_err("it is not there");
    assert!(told.code() == Code::BackupTarget && told.to_string().contains("not/there"), "{told}");
    assert!(!Path::new(&url[7..]).exists());
    Target::open(&url, &means()).expect("a backup makes it");
}

#[test]
fn a_run_is_known_by_its_name() {
    let run = Run::new(name(), 1_795_305_600_000, "01a20936-b168-7fbc-9634-3cb247e50003", 1);
    assert!(super::is_run(&run.id), "{}", run.id);
    for other in ["", ".git", "20261101", "20261101T000000Z", "20261101T000000Z-", "2026110XT000000Z-1", "x20261101T000000Z-1"] {
        assert!(!super::is_run(other), "{other}");
    }
}
