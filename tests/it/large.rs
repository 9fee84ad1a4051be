//! Args and outputs over 256 KiB with the binary, on both brokers: in a folder, in a bucket of a server that checks signatures, and on machines that do
//! not see each other's files.

use crate::harness::{
    eventually, folder,
    longshore::{Longshore, path, run_with},
    redis,
    s3::S3,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);

/// Args of 3 MiB.
fn large(n: u64) -> Value {
    json!({ "n": n, "text": "x".repeat(3 << 20) })
}

struct Caller {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Caller {
    fn of(up: &Longshore) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = std::fs::read_to_string(up.data.join("admin.key")).expect("the admin key").trim().to_owned();
        Self { client: reqwest::Client::builder().no_proxy().build().expect("a client"), url: up.url.clone(), key }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let sent = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.key).json(body).send().await;
        sent.expect("an answer").json().await.expect("JSON")
    }

    async fn get(&self, path: &str) -> Value {
        let sent = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.key).send().await;
        sent.expect("an answer").json().await.expect("JSON")
    }

    async fn enqueue(&self, body: &Value) -> String {
        let made = self.post("/v1/jobs", body).await;
        made["id"].as_str().unwrap_or_else(|| panic!("{made:#}")).to_owned()
    }

    async fn job(&self, id: &str) -> Value {
        self.get(&format!("/v1/jobs/{id}")).await
    }

    /// The job when it has come to this state.
    async fn in_state(&self, id: &str, state: &str) -> Value {
        eventually(&format!("the job is {state}"), SOON, async || self.job(id).await["state"] == state).await;
        self.job(id).await
    }
}

fn pairs(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The files of jobs below a folder.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| path.components().any(|part| part.as_os_str() == "jobs"));
    found
}

/// Through and back: as args, as an output, in a letter that is repeated, moved and taken elsewhere.
async fn a_life(up: &Longshore, kept: &Path) {
    let caller = Caller::of(up);
    let id = caller.enqueue(&json!({ "kind": "demo.echo", "args": large(1) })).await;
    let job = caller.in_state(&id, "completed").await;
    assert_eq!((&job["args"], &job["output"]), (&large(1), &large(1)));
    assert_eq!(job["large"]["args"]["sha256"], job["large"]["output"]["sha256"]);
    assert_eq!(files(kept).len(), 1, "one content of one job is one file");

    let doomed = json!({ "kind": "demo.fail", "args": { "message": "x".repeat(300_000), "fatal": true } });
    let letter = caller.enqueue(&doomed).await;
    caller.in_state(&letter, "dead").await;
    let before = files(kept).len();
    let done = up.json(&["dlq", "replay", &letter, "--watch"]);
    assert_eq!(done["replayed"], 1, "{done:#}");
    let new = caller.job(&letter).await["replays"][0].as_str().expect("a replay").to_owned();
    assert_eq!(caller.in_state(&new, "dead").await["args"], doomed["args"]);
    assert_eq!(files(kept).len(), before + 1);

    let waiting = caller.enqueue(&json!({ "kind": "demo.echo", "args": large(2), "tags": ["moves"], "delay_ms": 3_600_000 })).await;
    let ran = up.run(&["jobs", "bulk", "move", "elsewhere", "--tag", "moves", "--watch", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.told);
    let moved = caller.job(&waiting).await["moved_to"].as_str().expect("it was moved").to_owned();
    assert_eq!(caller.job(&moved).await["args"], large(2));

    let refused = caller.post("/v1/jobs", &json!({ "kind": "demo.echo", "args": { "a": "x".repeat(17 << 20) } })).await;
    assert_eq!(refused["code"], "jobs.args_too_large");
}

#[tokio::test]
async fn large_payloads_live_in_a_folder() {
    let up = Longshore::up().await;
    a_life(&up, &up.data.join("files")).await;
}

// The bucket is in this process, and the commands wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn large_payloads_live_in_a_bucket() {
    let s3 = S3::start().await;
    let up = Longshore::start_with(&pairs(&s3.variables()), "longshore", "up", folder("data"), &["--files", "s3://kept/a/b"]).await;
    a_life(&up, &s3.bucket("kept").join("a/b")).await;
    assert_eq!(std::fs::read_dir(up.data.join("files")).map(Iterator::count).unwrap_or_default(), 0, "nothing lies on this machine");
}

// The bucket is in this process, and the commands wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn roles_on_a_redis_share_a_bucket() {
    let (redis, s3) = (redis::Redis::start(&[]).await, S3::start().await);
    let broker = format!("redis://127.0.0.1:{}", redis.port);
    let flags = ["--broker", broker.as_str(), "--files", "s3://kept"];
    let api = Longshore::start_with(&pairs(&s3.variables()), "longshore", "api", folder("data"), &flags).await;
    let _worker = Longshore::start_with(&pairs(&s3.variables()), "longshore", "worker", folder("data"), &flags).await;
    let caller = Caller::of(&api);
    let id = caller.enqueue(&json!({ "kind": "demo.echo", "args": large(1) })).await;
    let job = caller.in_state(&id, "completed").await;
    assert_eq!((&job["args"], &job["output"]), (&large(1), &large(1)));
    let doctor = run_with(
        &pairs(&s3.variables()),
        &["doctor", "--json", "--data", path(&api.data), "--api", &api.url, flags[0], flags[1], flags[2], flags[3]],
    );
    let told: Value = serde_json::from_str(&doctor.out).expect("JSON");
    let finding = told["findings"].as_array().expect("findings").iter().find(|one| one["part"] == "files").expect("of the files").clone();
    assert_eq!(finding["grade"], "ok", "{finding}");
}

#[tokio::test]
async fn a_worker_that_does_not_see_a_file_says_so() {
    let redis = redis::Redis::start(&[]).await;
    let broker = format!("redis://127.0.0.1:{}", redis.port);
    let api = Longshore::start("longshore", "api", folder("data"), &["--broker", &broker]).await;
    let elsewhere = folder("data");
    let _worker = Longshore::start("longshore", "worker", elsewhere.clone(), &["--broker", &broker]).await;
    let caller = Caller::of(&api);
    let id = caller.enqueue(&json!({ "kind": "demo.echo", "args": large(1), "attempts_max": 1 })).await;
    let job = caller.in_state(&id, "dead").await;
    assert_eq!(job["errors"][0]["code"], "files.missing");
    let message = job["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("--files") && message.contains(path(&elsewhere)), "{message}");
    assert_eq!(job["args"], large(1), "where they are, they are");

    let doctor = run_with(&[], &["doctor", "--json", "--data", path(&api.data), "--api", &api.url, "--broker", &broker]);
    let told: Value = serde_json::from_str(&doctor.out).expect("JSON");
    let findings: Vec<_> = told["findings"].as_array().expect("findings").iter().filter(|one| one["part"] == "files").collect();
    assert!(
        findings.iter().any(|one| one["grade"] == "note" && one["detail"].as_str().is_some_and(|text| text.contains("other machines"))),
        "{told:#}"
    );
}

// The bucket is in this process, and the commands wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_reached_hold_up_only_what_needs_them() {
    let s3 = S3::start().await;
    let wrong = s3.variables_with("not-the-one-it-has");
    let wrong = pairs(&wrong);
    let up = Longshore::start_with(&wrong, "longshore", "up", folder("data"), &["--files", "s3://kept"]).await;
    let caller = Caller::of(&up);
    let refused = caller.post("/v1/jobs", &json!({ "kind": "demo.echo", "args": large(1) })).await;
    assert_eq!(refused["code"], "files.unavailable", "{refused}");
    let ready = caller.get("/readyz").await;
    assert_eq!((&ready["code"], &ready["errors"][0]["pointer"]), (&"files.unavailable".into(), &"/files".into()), "{ready}");
    let id = caller.enqueue(&json!({ "kind": "demo.echo", "args": { "n": 1 } })).await;
    caller.in_state(&id, "completed").await;
    let doctor = run_with(&wrong, &["doctor", "--json", "--data", path(&up.data), "--api", &up.url, "--files", "s3://kept"]);
    let told: Value = serde_json::from_str(&doctor.out).expect("JSON");
    let finding = told["findings"].as_array().expect("findings").iter().find(|one| one["part"] == "files").expect("of the files").clone();
    assert_eq!((doctor.code, &finding["grade"]), (1, &"fault".into()), "{finding}");
    assert!(!doctor.out.contains("not-the-one-it-has"), "no secret is told");
}

#[test]
fn a_place_that_cannot_be_used_is_refused_at_start() {
    let data = folder("data");
    std::fs::write(data.join("files"), "").expect("a file where the folder would be");
    let ran = run_with(&[], &["up", "--data", path(&data), "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, 1, "{}", ran.told);
    assert!(ran.told.contains("--files"), "what to do: {}", ran.told);
    let half =
        run_with(&[("AWS_ACCESS_KEY_ID", "k")], &["up", "--data", path(&folder("data")), "--listen", "127.0.0.1:0", "--files", "s3://b"]);
    assert_eq!(half.code, 1, "{}", half.told);
}
