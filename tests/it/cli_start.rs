//! How roles start, refuse to start, and end.

use crate::harness::{
    eventually, folder,
    longshore::{Longshore, path, run, run_with},
    redis,
};
use std::{os::unix::fs::PermissionsExt, time::Duration};

#[tokio::test]
async fn up_on_an_empty_folder_serves_and_ends_well() {
    let up = Longshore::up().await;
    let key = up.data.join("admin.key");
    assert_eq!(std::fs::metadata(&key).expect("the key file").permissions().mode() & 0o777, 0o600);
    let done = up.run(&["enqueue", "demo.echo", r#"{"hello":"world"}"#, "--wait"]);
    assert_eq!((done.code, done.out.trim()), (0, r#"{"hello":"world"}"#), "{}", done.told);
    assert_eq!(up.terminate().await, Some(0));

    // The same folder again: the key is kept, and so are the jobs.
    let before = std::fs::read(&key).expect("the key");
    let up = Longshore::start("longshore", "up", up.data.clone(), &[]).await;
    assert_eq!(std::fs::read(&key).expect("the key"), before);
    assert_eq!(up.json(&["jobs", "list"])["items"][0]["state"], "completed");
}

#[tokio::test]
async fn a_stopping_process_gives_back_what_it_could_not_finish() {
    let up = Longshore::start("longshore", "up", folder("data"), &["--config", path(&config("[worker]\ngrace_ms = 0\n"))]).await;
    let id = up.json(&["enqueue", "demo.sleep", r#"{"ms":600000}"#])["id"].as_str().expect("an id").to_owned();
    let state = |up: &Longshore| up.json(&["jobs", "show", &id]);
    eventually("the job runs", Duration::from_secs(20), async || state(&up)["state"] == "running").await;
    assert_eq!(up.terminate().await, Some(0));
    let up = Longshore::start("longshore", "api", up.data.clone(), &[]).await;
    let job = state(&up);
    assert_eq!((&job["state"], &job["attempts"], &job["interruptions"]), (&"ready".into(), &0.into(), &1.into()), "{job:#}");
}

#[tokio::test]
async fn a_second_process_on_the_same_queue_file_is_refused() {
    let up = Longshore::up().await;
    for role in ["up", "worker", "scheduler", "api"] {
        let second = run(&[role, "--data", path(&up.data), "--listen", "127.0.0.1:0"]);
        assert_eq!(second.code, 1, "{role}: {}", second.told);
        assert!(second.told.contains(&format!("owned by process {}", up.pid())), "{}", second.told);
        assert!(second.told.contains("Redis"), "what to do: {}", second.told);
    }
    assert_eq!(up.run(&["queues", "list"]).code, 0);
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let data = folder("parent").join("data");
    let file = config("lissten = 1\n[worker]\nlease_ms = 300\n");
    for role in ["up", "api", "worker", "scheduler"] {
        let ran = run_with(
            &[("LONGSHORE_WORKER__CONCURRENCY", "none"), ("LONGSHORE_LOG__FORMAT", "xml")],
            &[role, "--data", path(&data), "--listen", "nowhere", "--broker", "redis+sentinel://h", "--config", path(&file)],
        );
        assert_eq!(ran.code, 78, "{}", ran.told);
        let keys =
            ["lissten", "worker.lease_ms = 300", "worker.concurrency", "log.format", "listen = \"nowhere\"", "broker", "names no master"];
        assert!(keys.iter().all(|key| ran.told.contains(key)), "{}", ran.told);
        assert!(!data.exists(), "nothing is made");
    }
}

#[tokio::test]
async fn a_taken_port_and_a_folder_that_is_none_are_told() {
    let up = Longshore::up().await;
    let address = up.url.trim_start_matches("http://");
    let taken = run(&["up", "--data", path(&folder("data")), "--listen", address]);
    assert_eq!(taken.code, 1);
    assert!(taken.told.contains("--listen") && taken.told.contains(address), "{}", taken.told);

    let file = folder("parent").join("file");
    std::fs::write(&file, "").expect("a file");
    let none = run(&["up", "--data", path(&file), "--listen", "127.0.0.1:0"]);
    assert_eq!(none.code, 1);
    assert!(none.told.contains("the data folder") && none.told.contains("--data"), "{}", none.told);
}

#[test]
fn migrate_makes_the_folder_of_a_store() {
    let data = folder("parent").join("new");
    let ran = run(&["migrate", "--data", path(&data)]);
    assert_eq!((ran.code, data.is_dir()), (0, true), "{}", ran.told);
}

#[test]
fn a_store_that_does_not_answer_is_unreachable() {
    let ran = run(&["migrate", "--store", "postgres://nobody:hidden@127.0.0.1:1/none"]);
    assert_eq!(ran.code, 69, "{}", ran.told);
    assert!(ran.told.contains("nobody:***@127.0.0.1:1") && !ran.told.contains("hidden"), "{}", ran.told);
}

#[tokio::test]
async fn redis_that_may_evict_jobs_or_is_not_there_is_refused() {
    let redis = redis::Redis::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    let data = folder("data");
    for role in ["up", "api", "worker", "scheduler"] {
        let ran = run(&[role, "--broker", &redis.url(), "--data", path(&data), "--listen", "127.0.0.1:0"]);
        assert_eq!(ran.code, 1, "{}", ran.told);
        assert!(["maxmemory-policy", "allkeys-lru", "noeviction"].iter().all(|part| ran.told.contains(part)), "{}", ran.told);
    }
    redis.kill();
    let gone = run(&["worker", "--broker", &redis.url().replace("//", "//:hidden@"), "--data", path(&data)]);
    assert_eq!(gone.code, 69, "{}", gone.told);
    assert!(!gone.told.contains("hidden"), "{}", gone.told);
}

fn config(text: &str) -> std::path::PathBuf {
    let file = folder("config").join("longshore.toml");
    std::fs::write(&file, text).expect("a file");
    file
}
