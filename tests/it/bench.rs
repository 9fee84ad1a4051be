//! `longshore bench`: what it finds, refuses and leaves behind, at sizes that say nothing about speed.

use crate::{
    harness::{
        eventually, folder,
        longshore::{Ran, path, run_with},
        redis::Redis,
    },
    scenarios::binary,
};
use redis::{aio::MultiplexedConnection, cmd};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    time::Duration,
};

/// It starts servers of its own.
const PATH: (&str, &str) = ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin");

fn bench(args: &[&str]) -> Ran {
    run_with(&[PATH], &[&["bench"], args].concat())
}

fn figures(report: &Value) -> Vec<(String, f64)> {
    let results = report["results"].as_array().expect("results");
    let figures = results.iter().flat_map(|result| result["figures"].as_array().expect("figures").iter().map(move |of| (result, of)));
    figures
        .map(|(result, of)| {
            let name = format!(
                "{} {}: {}",
                result["broker"].as_str().unwrap_or_default(),
                result["workload"].as_str().unwrap_or_default(),
                of["name"]
            );
            (name, of["median"].as_f64().expect("a number"))
        })
        .collect()
}

async fn keys(redis: &Redis, pattern: &str) -> usize {
    let mut connection: MultiplexedConnection = redis.connect().await;
    let found: Vec<String> = cmd("KEYS").arg(pattern).query_async(&mut connection).await.expect("keys");
    found.len()
}

#[tokio::test]
async fn figures_are_told_as_a_table_as_json_and_as_a_page() {
    let home = folder("bench");
    let (page, saved) = (home.join("page.html"), home.join("figures.json"));
    let args =
        ["drain", "single", "retry", "fair", "big", "bare", "--jobs", "300", "--size", "20", "--data", path(&home), "--html", path(&page)];
    let done = bench(&[&args[..], &["--save", path(&saved), "--commit", "0123abc"]].concat());
    assert_eq!(done.code, 0, "{}", done.told);
    assert!(done.out.contains("| drain | jobs/s |") && done.out.contains("build of 0123abc"), "{}", done.out);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&saved).expect("saved")).expect("JSON");
    let found = figures(&report);
    for broker in ["embedded", "redis"] {
        for figure in [
            "drain: \"drain\"",
            "single: \"single enqueue p99\"",
            "retry: \"jobs that fail once\"",
            "fair: \"20 tenants over one\"",
            "bare: \"lease and ack by 100\"",
        ] {
            let name = format!("{broker} {figure}");
            assert!(found.iter().any(|(own, value)| *own == name && *value > 0.0), "{name}: {found:?}");
        }
    }
    for field in ["payload", "limits", "fsync"] {
        assert!(
            report["results"].as_array().expect("results").iter().all(|of| of[field].as_str().is_some_and(|said| !said.is_empty())),
            "{field}"
        );
    }
    assert!(std::fs::read_to_string(&page).expect("the page").contains("<svg"));
    let left: Vec<_> = std::fs::read_dir(&home).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "nothing but what was asked for: {left:?}");
}

#[tokio::test]
async fn a_redis_of_the_users_is_left_as_it_was() {
    let redis = Redis::start(&[]).await;
    let mut connection = redis.connect().await;
    let () = cmd("SET").arg("theirs").arg(1).query_async(&mut connection).await.expect("set");
    let url = redis.url();
    let refused = bench(&["retry", "--broker", &url, "--jobs", "50"]);
    assert!(refused.code == 1 && refused.out.is_empty() && refused.told.contains("--beside-other-data"), "{refused:?}");
    assert_eq!(keys(&redis, "*").await, 1, "nothing was written");

    let done = bench(&["retry", "--broker", &url, "--beside-other-data", "--jobs", "50"]);
    assert_eq!(done.code, 0, "{}", done.told);
    assert_eq!((keys(&redis, "theirs").await, keys(&redis, "*").await), (1, 1), "what it wrote is gone");

    let () = cmd("SET").arg("ls:kinds").arg(1).query_async(&mut connection).await.expect("set");
    let refused = bench(&["retry", "--broker", &url, "--beside-other-data", "--jobs", "50"]);
    assert!(refused.code == 1 && refused.told.contains("holds jobs of Longshore"), "{refused:?}");
    assert_eq!(keys(&redis, "ls:kinds").await, 1, "it is not ours to remove");
}

#[tokio::test]
async fn an_incomplete_run_gives_no_figure() {
    let redis = Redis::start(&[]).await;
    let mut bench = Command::new(binary("longshore"));
    let url = redis.url();
    bench.args(["bench", "drain", "pickup", "--broker", &url, "--jobs", "300000", "--json"]).env_clear().env(PATH.0, PATH.1);
    let bench =
        bench.current_dir(folder("bench")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    eventually("jobs are enqueued", Duration::from_secs(60), async || keys(&redis, "ls:*drain*").await > 0).await;
    redis.kill();
    let done = bench.wait_with_output().expect("it ends");
    let (out, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.code() == Some(1) && out.is_empty() && told.contains("bench:"), "{out} {told}");

    let gone = super::bench::bench(&["drain", "--broker", "redis://127.0.0.1:1/0"]);
    assert!(gone.code == 1 && gone.out.is_empty(), "{gone:?}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let usage = bench(&["drain", "--jobs", "0"]);
    assert!(usage.code == 2 && usage.told.contains("--jobs"), "{usage:?}");
    let unknown = bench(&["speed"]);
    assert!(unknown.code == 2 && unknown.told.contains("drain"), "{unknown:?}");
    let cluster = bench(&["drain", "--broker", "redis+cluster://a,b"]);
    assert!(cluster.code == 1 && cluster.told.contains("a cluster"), "{cluster:?}");
    let none = bench(&["drain", "--against", "/no/such/file"]);
    assert!(none.code == 1 && none.told.contains("no such file"), "{none:?}");
    let pairs = bench(&["deep", "--against", "/bin/true"]);
    assert!(pairs.code == 1 && pairs.told.contains("deep has pairs of its own"), "{pairs:?}");
}
