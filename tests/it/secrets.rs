//! Secrets are planted in real processes, a kind does everything to tell them, and everything that was written is searched: logs, answers over
//! HTTP, data files, a dump of Redis, what receivers got. Marks that are no secrets are planted beside them, so that a search that finds
//! nothing has looked in the right places.

use crate::{
    harness::{self, folder, longshore, receiver::Receiver, redis::Redis},
    scenarios::{Engine, until},
};
use serde_json::{Value, json};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Every value holds the first of these as it is, or is the second.
const NEEDLES: &[&str] = &["planted-", "cGxhbnRlZC1zaWduaW5n", "706c616e7465642d", "cGxhbnRlZC"];
const FILE: &str = r#"
["default"]
own = "planted-own-5f1c9e"
address = "postgres://backup:planted-password-77@db.example/app"
signing = "whsec_cGxhbnRlZC1zaWduaW5nLWtleS1vZi0zMC1ieXRl"
quoted = 'planted-"quoted"-\back-3c'
["acme"]
theirs = "planted-theirs-88aa"
["*"]
shared = "planted-shared-71b2"
"#;
const VARIABLE: (&str, &str) = ("LONGSHORE_SECRET_FROM_ENVIRONMENT", "planted-environment-90ab");
/// The kind's ways to tell a secret (tests/it/kinds).
const WAYS: &[&str] = &["output", "error", "fatal", "panic", "gate", "notes", "child", "checkpoint"];
const SECRETS: &[&str] = &["own", "address", "quoted", "shared", "from-environment", "signing"];
const SOON: Duration = Duration::from_secs(60);

fn secrets_file() -> PathBuf {
    let file = folder("secrets").join("secrets.toml");
    std::fs::write(&file, FILE).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("private");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_on_sqlite() {
    let file = secrets_file();
    let variables = [
        ("LONGSHORE_SECRETS", longshore::path(&file)),
        VARIABLE,
        ("LONGSHORE_LOG__LEVEL", "trace"),
        ("LONGSHORE_ALLOW_OUTBOUND", "127.0.0.0/8"),
    ];
    let mut engine = Engine::up_of("it-kinds", &variables).await;
    let written = tell_everything(&engine).await;
    engine.front().signal("TERM");
    assert!(engine.front().ended(SOON).await.success());
    search("answers over HTTP", written.as_bytes(), &["mark-in-args", "\"***\""]);
    let read = |name: &str| std::fs::read(engine.dir.join(name)).unwrap_or_default();
    search("the log", &read("up.log"), &["mark-in-log", "***"]);
    search("the queue's file", &[read("queue.db"), read("queue.db-wal")].concat(), &["mark-in-args", "***"]);
    search_folder(&engine.dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_many_processes_on_redis() {
    let (file, data) = (secrets_file(), folder("redis"));
    let redis = Redis::in_folder(data.clone(), &["--rdbcompression", "no"]).await;
    let engine = Engine::on(&redis.url(), &[VARIABLE, ("LONGSHORE_LOG__LEVEL", "trace"), ("LONGSHORE_LOG__FORMAT", "json")]).await;
    let _scheduler = engine.role("scheduler", &[]).await;
    let metrics = format!("127.0.0.1:{}", harness::free_port());
    let flags = ["--secrets", longshore::path(&file), "--allow-outbound", "127.0.0.0/8", "--metrics-listen", &metrics];
    let mut worker = engine.role_of("it-kinds", "worker", &flags).await;
    let mut written = tell_everything(&engine).await;
    written += &reqwest::get(format!("http://{metrics}/metrics")).await.expect("metrics").text().await.expect("text");
    worker.signal("TERM");
    assert!(worker.ended(SOON).await.success());
    search("answers over HTTP", written.as_bytes(), &["mark-in-args", "\"***\"", "longshore_jobs"]);
    let mut connection = redis.connect().await;
    redis::cmd("SAVE").exec_async(&mut connection).await.expect("a dump");
    search("the dump", &std::fs::read(data.join("dump.rdb")).expect("a dump"), &["mark-in-args", "***"]);
    search("the worker's log", &std::fs::read(engine.dir.join("worker.log")).expect("a log"), &["mark-in-log", "***"]);
    search_folder(&data);
    search_folder(&engine.dir);
}

/// Runs every way with every secret, and answers everything that was told over HTTP.
async fn tell_everything(engine: &Engine) -> String {
    until("the kind is known", SOON, async || {
        let (status, _) = engine.try_call("GET", "/v1/kinds/it.leaks", None).await.ok()?;
        (status == 200).then_some(())
    })
    .await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    listen(engine, &heard).await;
    let receiver = Receiver::start(|_| (200, String::new())).await;
    let way = |way: &&str, secret: &&str| {
        let args = json!({ "secret": { "$secret": secret }, "way": way, "mark": "mark-in-args" });
        json!({ "kind": "it.leaks", "args": args, "attempts_max": 2 })
    };
    let mut jobs: Vec<Value> = WAYS.iter().flat_map(|w| SECRETS.iter().map(move |s| way(w, s))).collect();
    let signed = json!({ "url": receiver.url("/"), "json": { "a": 1 }, "sign_with": [{ "$secret": "signing" }] });
    jobs.push(json!({ "kind": "http.request", "args": signed }));
    jobs.push(way(&"output", &"theirs"));
    let count = jobs.len();
    let ids = engine.enqueue(jobs).await;
    let ended = |queue: &Value| queue["completed"].as_u64().unwrap_or(0) + queue["dead"].as_u64().unwrap_or(0) >= count as u64;
    engine.queue_until("default", "every job has ended", SOON, ended).await;

    let mut told = String::new();
    for (n, id) in ids.iter().enumerate() {
        let job = engine.job(id).await;
        check(n, &job);
        for path in [format!("/v1/jobs/{id}"), format!("/v1/jobs/{id}/logs"), format!("/v1/jobs/{id}/why"), format!("/v1/jobs/{id}/events")]
        {
            told += &engine.get(&path).await.to_string();
        }
    }
    let misplaced = json!({ "kind": "demo.echo", "args": { "a": { "$secret": "own" } } });
    let (status, problem) = engine.try_call("POST", "/v1/jobs", Some(misplaced)).await.expect("an answer");
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/args/a")), "{problem}");
    told += &problem.to_string();
    for path in
        ["/v1/jobs", "/v1/kinds", "/v1/queues", "/v1/workers", "/v1/dead-letters", "/v1/dead-letters/groups", "/metrics", "/openapi.json"]
    {
        told += &engine.get(path).await.to_string();
    }
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    told += &format!("{got:?}");
    let heard = String::from_utf8_lossy(&heard.lock().expect("not poisoned")).into_owned();
    assert!(heard.contains("\"output\"") && heard.contains("***"), "events were heard: {heard}");
    told + &heard
}

/// What became of the n-th job.
fn check(n: usize, job: &Value) {
    let last = job["errors"].as_array().and_then(|errors| errors.last()).cloned().unwrap_or_default();
    let (state, code, message) = (&job["state"], &last["code"], last["message"].as_str().unwrap_or_default());
    match WAYS.get(n / SECRETS.len()).copied() {
        Some("output") => assert_eq!((state, &job["output"]["told"]), (&json!("completed"), &json!(["before *** after"])), "{job:#}"),
        Some("error") => assert_eq!((state, code, message), (&json!("dead"), &json!("handler.failed"), "it said ***"), "{job:#}"),
        Some("fatal") => assert_eq!((state, code, message), (&json!("dead"), &json!("leak.***"), "it said ***"), "{job:#}"),
        Some("panic") => assert_eq!((state, code, message), (&json!("dead"), &json!("attempt.panicked"), "it cried ***"), "{job:#}"),
        Some("gate" | "notes") => assert_eq!(state, "completed", "{job:#}"),
        Some(_) => assert_eq!((state, code), (&json!("dead"), &json!("secrets.exposed")), "{job:#}"),
        None if job["kind"] == "http.request" => assert_eq!(state, "completed", "{job:#}"),
        None => assert_eq!(
            (state, code, message),
            (&json!("dead"), &json!("secrets.absent"), "tenant default has no secret `theirs`"),
            "{job:#}"
        ),
    }
}

/// Reads the stream of events until the test ends.
async fn listen(engine: &Engine, heard: &Arc<Mutex<Vec<u8>>>) {
    let url = format!("{}/v1/events?queue=default", engine.url);
    let mut stream = engine.plain_client().get(url).bearer_auth(engine.key()).timeout(SOON * 5).send().await.expect("a stream");
    assert_eq!(stream.status(), 200);
    let heard = Arc::clone(heard);
    tokio::spawn(async move {
        while let Ok(Some(part)) = stream.chunk().await {
            heard.lock().expect("not poisoned").extend_from_slice(&part);
        }
    });
}

/// Nothing planted is in there, and every mark is.
fn search(what: &str, bytes: &[u8], marks: &[&str]) {
    let at = |text: &str| bytes.windows(text.len()).position(|window| window == text.as_bytes());
    for mark in marks {
        assert!(at(mark).is_some(), "{what} has no {mark}: the search looks at the wrong place");
    }
    for needle in NEEDLES {
        if let Some(at) = at(needle) {
            let around = String::from_utf8_lossy(&bytes[at.saturating_sub(200)..bytes.len().min(at + 100)]).into_owned();
            panic!("{what} has {needle}: {around}");
        }
    }
}

fn search_folder(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("our folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search_folder(&path);
        } else {
            search(longshore::path(&path), &std::fs::read(&path).expect("our file"), &[]);
        }
    }
}
