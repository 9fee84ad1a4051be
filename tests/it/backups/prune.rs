//! Prune keeps exactly what it says.

use super::{
    House,
    house::{files, read_manifest},
    sqlite::database,
};
use longshore_backup::Manifest;
use serde_json::{Value, json};
use std::path::Path;

/// Repeats a backup under other dates; answers the manifests by date.
fn dated(place: &Path, output: &Value, dates: &[&str]) -> Vec<String> {
    let first = place.join(output["manifest"].as_str().expect("a manifest"));
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(&first).expect("read")).expect("a manifest");
    let data = place.join(&manifest.backup.data.file);
    let mut names = Vec::new();
    for date in dates {
        let mut draft = manifest.backup.clone();
        draft.run = format!("{}-x", date.replace(['-', ':'], ""));
        draft.started_at = format!("{}.000Z", date.trim_end_matches('Z'));
        draft.started_at_ms = chrono::DateTime::parse_from_rfc3339(date).expect("a date").timestamp_millis();
        draft.data.file = format!("{}/{}/data-1.sqlite.zst.age", draft.name, draft.run);
        let file = place.join(&draft.data.file);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::copy(&data, &file).expect("copied");
        let name = format!("{}/{}/manifest.json", draft.name, draft.run);
        std::fs::write(place.join(&name), serde_json::to_vec(&draft.sealed()).expect("JSON")).expect("written");
        names.push(name);
    }
    std::fs::remove_dir_all(first.parent().expect("a folder")).expect("removed");
    names
}

fn manifests(output: &Value, field: &str) -> Vec<String> {
    output[field].as_array().expect("a list").iter().map(|one| one["manifest"].as_str().expect("a manifest").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_it_says_stays_in_a_folder_and_in_a_bucket() {
    let (house, file) = (House::up().await, database(1));
    let source = format!("sqlite:{}", file.display());
    for (target, place) in
        [(house.in_folder(), house.folder.clone()), ("s3://kept/nightly".to_owned(), house.s3.bucket("kept").join("nightly"))]
    {
        let output = house.backup("shop", source.as_str(), &target).await;
        read_manifest(&place, &output);
        let dates =
            ["2026-01-10T01:00:00Z", "2026-02-10T01:00:00Z", "2026-02-11T01:00:00Z", "2026-02-11T09:00:00Z", "2026-02-12T01:00:00Z"];
        let names = dated(&place, &output, &dates);
        // Another name's backups are nobody's business here, and neither is a stray file.
        std::fs::create_dir_all(place.join("other/run")).expect("made");
        std::fs::write(place.join("other/run/manifest.json"), "{}").expect("written");
        let args = |dry_run| json!({"target": target, "name": "shop", "daily": 2, "weekly": 0, "monthly": 2, "dry_run": dry_run});
        let before = files(&place);
        let dry = house.run("ops.prune_backups", args(true), "completed").await["output"].clone();
        assert_eq!(files(&place), before, "a dry run removes nothing");
        let done = house.run("ops.prune_backups", args(false), "completed").await["output"].clone();
        assert_eq!((&dry["kept"], &dry["removed"]), (&done["kept"], &done["removed"]), "it does what it said");
        let keep = [&names[4], &names[3], &names[0]].map(String::as_str);
        assert_eq!(manifests(&done, "kept"), keep);
        assert_eq!(done["kept"][0]["why"], json!(["newest", "daily 2026-02-12", "monthly 2026-02"]));
        assert_eq!(done["kept"][2]["why"], json!(["monthly 2026-01"]));
        assert_eq!(manifests(&done, "removed"), [&names[2], &names[1]].map(String::as_str));
        let left: Vec<_> =
            files(&place).iter().filter(|file| file.ends_with("manifest.json")).map(|file| file.to_string_lossy().into_owned()).collect();
        assert_eq!(left.len(), 4, "three and the other's: {left:?}");
        assert_eq!(files(&place).iter().filter(|file| file.to_string_lossy().contains("data-")).count(), 3);
        house.verify("shop", &target, "completed").await;

        let none = json!({"target": target, "name": "shop", "daily": 0, "weekly": 0, "monthly": 0});
        let done = house.run("ops.prune_backups", none, "completed").await["output"].clone();
        assert_eq!((manifests(&done, "kept"), manifests(&done, "removed").len()), (vec![names[4].clone()], 2), "the last good one stays");
        house.verify("shop", &target, "completed").await;
    }
}
