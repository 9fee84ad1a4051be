//! Killed in the middle, and stopped by somebody: nothing half is listed, the next attempt completes, and no tool goes on alone.

use super::{
    House,
    house::{SOON, files, shell},
    sqlite::{database, is_as_it_was},
};
use crate::harness::{eventually, folder, postgres};
use std::{os::unix::fs::PermissionsExt, path::PathBuf};

/// A pg_dump that writes some data and then waits until it is killed, as long as the file `hold` is there.
fn holding() -> (PathBuf, PathBuf) {
    let (bin, world) = (folder("bin"), folder("world"));
    let hold = world.join("hold");
    std::fs::write(&hold, "").expect("written");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" != --version ] && [ -e '{hold}' ]; then echo $$ > '{world}/pid'; head -c 30000000 /dev/urandom; exec sleep 10000; fi\n\
         PATH=/usr/bin:/bin exec /usr/bin/pg_dump \"$@\"\n",
        hold = hold.display(),
        world = world.display(),
    );
    std::fs::write(bin.join("pg_dump"), script).expect("written");
    std::fs::set_permissions(bin.join("pg_dump"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    (bin, world)
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn house_of(bin: &std::path::Path) -> House {
    let path = format!("{}:/usr/bin:/bin", bin.display());
    House::up_with(&[("PATH", &path), ("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")]).await
}

async fn held(world: &std::path::Path, house: &House) -> String {
    let file = world.join("pid");
    eventually("the dump is under way", SOON, async || file.exists()).await;
    // Data of the first part has reached the folder.
    eventually("data is being written", SOON, async || files(&house.folder).iter().any(|file| file.to_string_lossy().contains("data-")))
        .await;
    std::fs::read_to_string(file).expect("a number").trim().to_owned()
}

fn listed(house: &House) -> String {
    let ran = crate::harness::longshore::run(&["restore", "--list", "--json", "--target", &house.in_folder(), "--name", "site"]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    ran.out
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_and_the_next_attempt_completes() {
    let ((bin, world), url) = (holding(), postgres::shared().await.database("backup_killed"));
    shell(&format!("psql -X -q -d '{url}' -c 'CREATE TABLE a (b int); INSERT INTO a SELECT generate_series(1, 1000)'"));
    let mut house = house_of(&bin).await;
    let id = house.begin("ops.backup", house.args("site", url, &house.in_folder())).await;
    let pid = held(&world, &house).await;
    assert_eq!(listed(&house).trim(), r#"{"backups":[]}"#, "what is being made is not listed");
    house.engine.front().kill();
    assert_eq!(listed(&house).trim(), r#"{"backups":[]}"#, "what was interrupted is not listed");
    std::fs::remove_file(world.join("hold")).expect("removed");
    shell(&format!("kill -9 {pid} || true"));
    house.engine.start_front("up", &[]).await;
    let job = house.ends(&id, "completed").await;
    assert_eq!(job["crashes"], 1, "{job}");
    let left: Vec<_> = files(&house.folder).iter().map(|file| file.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!((left.len(), left.iter().any(|name| name == "manifest.json")), (2, true), "what the killed one wrote is gone: {left:?}");
    house.verify("site", &house.in_folder(), "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_takes_its_tools_along() {
    let ((bin, world), url) = (holding(), postgres::shared().await.database("backup_cancelled"));
    let house = house_of(&bin).await;
    let id = house.begin("ops.backup", house.args("site", url, &house.in_folder())).await;
    let pid = held(&world, &house).await;
    assert!(is_alive(&pid));
    house.engine.call("POST", &format!("/v1/jobs/{id}/cancel"), None).await;
    house.ends(&id, "cancelled").await;
    eventually("the tool ends with the attempt", SOON, async || !is_alive(&pid)).await;
    assert_eq!(listed(&house).trim(), r#"{"backups":[]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_folder_of_a_killed_attempt_is_cleared() {
    let file = database(4);
    let mut house = House::up_with(&[("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")]).await;
    let scratch = house.engine.dir.join("scratch");
    let id = house.begin("ops.backup", house.args("shop", format!("sqlite:{}", file.display()), &house.in_folder())).await;
    eventually("the copy is under way", SOON, async || !files(&scratch).is_empty() || !files(&house.folder).is_empty()).await;
    house.engine.front().kill();
    house.engine.start_front("up", &[]).await;
    let job = house.ends(&id, "completed").await;
    let manifest = house.manifest(&job["output"]);
    let restored = folder("restored").join("shop.db");
    let ran = house.restore(&house.in_folder(), &["--name", "shop", "--to", restored.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    is_as_it_was(&restored, &manifest);
    assert!(files(&scratch).is_empty(), "{:?}", files(&scratch));
}
