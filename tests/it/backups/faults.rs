//! Everything that can be wrong has its own code, and whatever is wrong, nothing is half done and nothing is listed as good.

use super::{
    House,
    house::{Key, code, files},
    sqlite::database,
};
use crate::harness::folder;
use serde_json::{Value, json};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

fn script(bin: &Path, name: &str, text: &str) {
    std::fs::write(bin.join(name), text).expect("written");
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).expect("executable");
}

fn message(job: &Value) -> String {
    job["errors"].as_array().and_then(|errors| errors.last()).map(|error| error["message"].to_string()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_missing_or_old_is_named() {
    let bin = folder("bin");
    // What starts the engine is looked for there, too.
    std::os::unix::fs::symlink("/usr/bin/setpriv", bin.join("setpriv")).expect("a link");
    let path = format!("{}:/nowhere", bin.display());
    let house = House::up_with(&[("PATH", &path)]).await;
    let redis = crate::harness::redis::shared().await;
    let job = house.run("ops.backup", house.args("cache", redis.url(), &house.in_folder()), "dead").await;
    assert_eq!((code(&job), message(&job).contains("redis-cli")), ("backup.tool_missing", true), "{job}");
    script(&bin, "redis-cli", "#!/bin/sh\n[ \"$1\" = --version ] && echo redis-cli 6.2.1 || exec /usr/bin/redis-cli \"$@\"\n");
    let job = house.run("ops.backup", house.args("cache", redis.url(), &house.in_folder()), "dead").await;
    assert_eq!((code(&job), message(&job).contains("redis-cli 6.2")), ("backup.tool_outdated", true), "{job}");
    assert_eq!(job["attempts"], 1, "trying again installs nothing: {job}");

    let url = crate::harness::postgres::shared().await.database("backup_old_tool");
    script(&bin, "psql", "#!/bin/sh\nPATH=/usr/bin:/bin exec /usr/bin/psql \"$@\"\n");
    script(&bin, "pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n");
    let job = house.run("ops.backup", house.args("site", url, &house.in_folder()), "dead").await;
    assert_eq!((code(&job), message(&job).contains("pg_dump 9.6")), ("backup.tool_outdated", true), "{job}");
    assert!(files(&house.folder).is_empty(), "{:?}", files(&house.folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_cannot_be_written_is_told_before_the_work() {
    let (house, file) = (House::up().await, database(1));
    let source = format!("sqlite:{}", file.display());
    let blocked = folder("blocked").join("file");
    std::fs::write(&blocked, "in the way").expect("written");
    for target in [format!("file://{}/below", blocked.display()), "file:///proc/nowhere".to_owned(), "s3://no-such-bucket/x".to_owned()] {
        let job = house.run("ops.backup", house.args("shop", source.as_str(), &target), "dead").await;
        assert_eq!(code(&job), "backup.target_failed", "{target}: {job}");
    }
    let wrong = house.s3.variables_with("another-secret");
    let wrong: Vec<_> = wrong.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let other = House::up_with(&wrong).await;
    let job = other.run("ops.backup", other.args("shop", source, "s3://kept/x"), "dead").await;
    assert_eq!(code(&job), "backup.target_failed", "{job}");
    assert!(!job.to_string().contains("another-secret"), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_none_is_told() {
    let house = House::up().await;
    let text = folder("text").join("file");
    std::fs::write(&text, "no database").expect("written");
    for (source, wanted) in [
        (format!("sqlite:{}", text.display()), "backup.source_failed"),
        ("sqlite:/nowhere/at/all.db".to_owned(), "backup.source_failed"),
        ("mysql://nowhere/db".to_owned(), "jobs.args_invalid"),
        (
            crate::harness::postgres::shared().await.database("backup_none").replace("backup_none", "no_such_database"),
            "backup.source_failed",
        ),
    ] {
        let job = house.run("ops.backup", house.args("x", source.as_str(), &house.in_folder()), "dead").await;
        assert_eq!(code(&job), wanted, "{source}: {job}");
    }
    let job = house
        .run("ops.verify_backup", json!({"target": house.in_folder(), "name": "x", "identity": {"$secret": "backup-key"}}), "dead")
        .await;
    assert_eq!(code(&job), "backup.not_found", "{job}");
    let job =
        house.run("ops.verify_backup", json!({"target": house.in_folder(), "name": "x", "identity": {"$secret": "nothing"}}), "dead").await;
    assert_eq!(code(&job), "secrets.absent", "{job}");
}

/// Damages the data of a backup, asks the job and the command, and repairs it.
async fn damaged(house: &House, output: &Value, change: impl Fn(&mut Vec<u8>), wanted: &str) {
    let file = data(house, output);
    let whole = std::fs::read(&file).expect("the data");
    let mut bytes = whole.clone();
    change(&mut bytes);
    std::fs::write(&file, bytes).expect("written");
    // By its manifest: by its name an older one might be found.
    let manifest = output["manifest"].as_str().expect("a manifest");
    let args = json!({"target": house.in_folder(), "manifest": manifest, "identity": {"$secret": "backup-key"}});
    let job = house.run("ops.verify_backup", args, "dead").await;
    assert_eq!((code(&job), &job["attempts"]), (wanted, &json!(1)), "{job}");
    let to = folder("restored").join("file");
    let ran = house.restore(&house.in_folder(), &["--manifest", manifest, "--to", to.to_str().expect("UTF-8")]);
    assert_eq!((ran.code, ran.told.contains(wanted)), (1, true), "{}", ran.told);
    assert!(files(to.parent().expect("a folder")).is_empty(), "nothing half done is left");
    std::fs::write(&file, whole).expect("written");
}

fn data(house: &House, output: &Value) -> PathBuf {
    house.folder.join(house.manifest(output)["data"]["file"].as_str().expect("a file"))
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_cut_gone_and_under_another_key() {
    let (house, file) = (House::up().await, database(2));
    let output = house.backup("shop", format!("sqlite:{}", file.display()), &house.in_folder()).await;
    damaged(&house, &output, |bytes| bytes[40] ^= 1, "backup.damaged").await;
    let half = |bytes: &mut Vec<u8>| {
        let at = bytes.len() / 2;
        bytes[at] ^= 0x80;
    };
    damaged(&house, &output, half, "backup.damaged").await;
    damaged(&house, &output, |bytes| bytes.truncate(bytes.len() - 1), "backup.truncated").await;
    damaged(&house, &output, |bytes| bytes.truncate(100), "backup.truncated").await;

    let other = Key::new();
    let to = folder("restored").join("file");
    let ran = house.restore_with(&other.file, &house.in_folder(), &["--name", "shop", "--to", to.to_str().expect("UTF-8")]);
    assert_eq!((ran.code, ran.told.contains("backup.identity_wrong")), (1, true), "{}", ran.told);
    assert!(ran.told.contains(&other.recipient) && ran.told.contains(&house.key.recipient), "both are named: {}", ran.told);
    assert!(!ran.told.contains("AGE-SECRET"), "{}", ran.told);

    let manifest = house.folder.join(output["manifest"].as_str().expect("a manifest"));
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    std::fs::write(&manifest, text.replacen("\"rows\": 2000", "\"rows\": 2001", 1)).expect("written");
    let list = ["--name", "shop", "--list", "--json", "restore", "--target"];
    let listed = crate::harness::longshore::run(&[&list[4..], &[house.in_folder().as_str()], &list[..4]].concat());
    assert!(listed.out.contains("its seal does not fit") && !listed.out.contains("taken_at"), "it is not listed as good: {}", listed.out);
    assert_eq!(code(&house.verify("shop", &house.in_folder(), "dead").await), "backup.damaged");
    std::fs::write(&manifest, text).expect("written");
    house.verify("shop", &house.in_folder(), "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_backed_up_does_not_verify() {
    use longshore_backup::Manifest;
    let (house, file) = (House::up().await, database(1));
    let output = house.backup("shop", format!("sqlite:{}", file.display()), &house.in_folder()).await;
    // A manifest that is well sealed, and counts what is not there: as if a row had been lost on the way.
    let path = house.folder.join(output["manifest"].as_str().expect("a manifest"));
    let mut manifest: Manifest = serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("a manifest");
    manifest.backup.contents.tables[0].rows += 1;
    std::fs::write(&path, serde_json::to_vec(&manifest.backup.sealed()).expect("JSON")).expect("written");
    let job = house.verify("shop", &house.in_folder(), "dead").await;
    assert_eq!((code(&job), message(&job).contains("accounts has 1000 rows instead of 1001")), ("backup.mismatch", true), "{job}");
}
