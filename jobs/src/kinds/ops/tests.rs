//! Who may ask, what may stand in the args, and what a repeated attempt keeps.

use crate::{
    Catalog, Context, Failure, JobRequest,
    testing::{House, name},
};
use longshore_backup::{Means, Target, Wanted};
use longshore_base::SystemClock;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, sync::Arc};

const RECIPIENT: &str = "age1q0cnnkz4j85dmks6rsjalwmwwaeguscwyam6np6ljcyzd0qzngtsw4zr7l";

fn backup(source: impl Into<Value>, target: &str) -> Value {
    json!({"name": "db", "source": source.into(), "target": target, "encrypt_to": [RECIPIENT]})
}

async fn faults(house: &House, kind: &'static str, args: Value) -> Vec<String> {
    match house.check(JobRequest::new(name(kind), args)).await {
        Ok(_) => Vec::new(),
        Err(crate::RequestError::Faults { faults, .. }) => faults.into_iter().map(|fault| fault.pointer).collect(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn args_are_checked_before_anything_runs() {
    let house = House::standard().await;
    let good = backup("sqlite:/a.db", "file:///backups");
    assert_eq!(faults(&house, "ops.backup", good.clone()).await, [""; 0]);
    assert_eq!(faults(&house, "ops.backup", backup(json!({"$secret": "db"}), "s3://b/p")).await, [""; 0]);
    for (field, value) in [
        ("target", json!("ftp://x")),
        ("encrypt_to", json!([])),
        ("encrypt_to", json!(["AGE-SECRET-KEY-1"])),
        ("name", json!("../up")),
        ("name", json!({"$secret": "db"})),
        ("more", json!(1)),
    ] {
        let mut args = good.clone();
        args[field] = value;
        let found = faults(&house, "ops.backup", args).await;
        assert!(found.iter().any(|pointer| pointer.starts_with("/args")), "{field}: {found:?}");
    }
    let verify = |more: Value| {
        let mut args = json!({"target": "file:///b", "identity": {"$secret": "key"}});
        args.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        args
    };
    assert_eq!(faults(&house, "ops.verify_backup", verify(json!({"name": "db"}))).await, [""; 0]);
    for more in [json!({}), json!({"name": "db", "manifest": "db/x/manifest.json"}), json!({"name": "db", "identity": "AGE-SECRET-KEY-1"})]
    {
        assert!(!faults(&house, "ops.verify_backup", verify(more.clone())).await.is_empty(), "{more}");
    }
    let prune = json!({"target": "file:///b", "name": "db", "daily": 1, "weekly": 1, "monthly": -1});
    assert!(!faults(&house, "ops.prune_backups", prune).await.is_empty());
}

#[tokio::test]
async fn a_tenants_key_has_none_of_them() {
    let house = House::standard().await;
    for kind in ["ops.backup", "ops.verify_backup", "ops.prune_backups"] {
        let request = JobRequest { by_tenant: true, ..JobRequest::new(name(kind), json!({})) };
        let Err(crate::RequestError::Faults { faults, .. }) = house.check(request).await else { panic!("{kind} was allowed") };
        assert_eq!(faults[0].pointer, "/kind");
        assert!(
            house.checker.check_caller(&name(kind), true).await.is_err() && house.checker.check_caller(&name(kind), false).await.is_ok()
        );
    }
    let other = JobRequest { by_tenant: true, ..JobRequest::new(name("demo.echo"), json!({})) };
    assert!(house.check(other).await.is_ok());
}

fn means(folder: &Path) -> Means {
    Means { aws: BTreeMap::new(), scratch: folder.join("scratch"), path: "/usr/bin:/bin".into(), clock: SystemClock::new() }
}

async fn run(house: &House, cx: &Context) -> Result<Value, Failure> {
    let done = Catalog::standard().run(cx).await.expect("the kind is carried");
    let _ = house;
    done.map(|output| serde_json::from_str(output.get()).expect("JSON"))
}

#[tokio::test]
async fn data_that_was_written_to_its_end_is_not_written_again() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (source, target) = (folder.path().join("a.db"), folder.path().join("target"));
    // An empty file is a database without tables.
    std::fs::write(&source, "").expect("written");
    let mut house = House::standard().await;
    house.backups = Some(Arc::new(means(folder.path())));
    let url = format!("file://{}", target.display());
    let lease = house.leased("ops.backup", backup(format!("sqlite:{}", source.display()), &url)).await;
    let cx = house.context(lease.clone());
    let run_of = format!("{}-{}", "20261122T000000Z", cx.id());
    // A folder stands where the manifest should be: the data is written, the manifest is not.
    let manifest = target.join("db").join(&run_of).join("manifest.json");
    std::fs::create_dir_all(&manifest).expect("made");
    assert!(run(&house, &cx).await.is_err(), "no manifest, no backup");
    let opened = Target::open(&url, &means(folder.path())).expect("a target");
    assert!(opened.find(&Wanted::Newest(name("db"))).await.is_err());

    // The source is gone; another attempt of the job has what it needs.
    std::fs::remove_dir(&manifest).expect("removed");
    std::fs::remove_file(&source).expect("removed");
    let output = run(&house, &house.context(lease.clone())).await.expect("only the manifest was missing");
    assert_eq!(output["manifest"], format!("db/{run_of}/manifest.json"));
    // And a third, which died between the manifest and its ack, says the same.
    assert_eq!(run(&house, &house.context(lease)).await.expect("it is there"), output);
}

#[tokio::test]
async fn a_worker_without_means_says_so() {
    let house = House::standard().await;
    let cx = house.running("ops.backup", backup("sqlite:/a.db", "file:///nowhere")).await;
    assert!(matches!(run(&house, &cx).await, Err(Failure::Fatal(cause)) if cause.code == "backup.scratch_failed"));
}
