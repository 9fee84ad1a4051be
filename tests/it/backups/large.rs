//! Full sizes. `cargo xtask test -- --ignored backups::large` runs them; smaller versions of the same always run.

use super::{
    House,
    house::{SOON, read_manifest},
    sqlite::{Writer, database, is_as_it_was},
};
use crate::harness::folder;
use std::sync::atomic::Ordering;

/// The most memory that a process has had, in MB.
fn peak_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}

/// A backup whose memory stays below 150 MB; answers how much it was.
async fn peak_of(megabytes: i64, target: &str) -> u64 {
    let (mut house, file) = (House::up().await, database(megabytes));
    let source = format!("sqlite:{}", file.display());
    let id = house.begin("ops.backup", house.args("shop", source, target)).await;
    let patience = SOON * u32::try_from(1 + megabytes / 50).expect("small");
    house.engine.until(&id, "completed", patience).await;
    let pid = house.engine.front().pid();
    peak_mb(pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_flat() {
    let (small, larger) = (peak_of(2, "s3://kept").await, peak_of(60, "s3://kept").await);
    assert!(larger < 150, "{larger} MB");
    // Three parts of 8 MiB and what lies between; not the 60 MB that passed through.
    assert!(larger < small + 50, "{small} MB, then {larger} MB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes 2 GB three times"]
async fn two_gigabytes_in_less_than_150_mb() {
    let peak = peak_of(2_000, "s3://kept").await;
    println!("peak memory of a backup of 2 GB: {peak} MB");
    assert!(peak < 150, "{peak} MB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes 200 MB several times"]
async fn two_hundred_megabytes_under_writes() {
    let (house, file) = (House::up().await, database(200));
    let writer = Writer::on(&file);
    let id = house.begin("ops.backup", house.args("shop", format!("sqlite:{}", file.display()), "s3://kept/large")).await;
    let job = house.engine.until(&id, "completed", SOON * 5).await;
    println!("{} commits meanwhile", writer.commits.load(Ordering::Relaxed));
    drop(writer);
    let manifest = read_manifest(&house.s3.bucket("kept").join("large"), &job["output"]);
    println!("{} ms for {} bytes, {} stored", manifest["duration_ms"], manifest["plain"]["bytes"], manifest["data"]["bytes"]);
    let id = house
        .begin("ops.verify_backup", serde_json::json!({"target": "s3://kept/large", "name": "shop", "identity": {"$secret": "backup-key"}}))
        .await;
    house.engine.until(&id, "completed", SOON * 5).await;
    let restored = folder("restored").join("shop.db");
    let ran = house.restore("s3://kept/large", &["--name", "shop", "--to", restored.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    is_as_it_was(&restored, &manifest);
}
