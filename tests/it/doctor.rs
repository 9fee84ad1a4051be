//! What `doctor` finds, whether what it tells to do mends it, how it ends, and what `/readyz` makes of it.

use crate::{
    harness::{
        eventually, folder,
        jumping::Jumping,
        longshore::{Longshore, Ran, path, run},
        redis::Redis,
        redis_broker::connect,
    },
    scenarios::Engine,
};
use ::redis::{Value as Answer, cmd};
use longshore_base::Name;
use longshore_queue::{Broker, ServedQueue, WorkerReport, WorkerState};
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::Command, time::Duration};

const LONG_ENOUGH: Duration = Duration::from_secs(30);

/// Findings by setting, or by part where they are about none.
fn findings(ran: &Ran) -> BTreeMap<String, Value> {
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {:?} {}", ran.out, ran.told));
    let key = |finding: &Value| finding["key"].as_str().or(finding["part"].as_str()).expect("a name").to_owned();
    let all = report["findings"].as_array().expect("findings").iter();
    all.map(|finding| (key(finding), finding.clone())).collect()
}

fn doctor(broker: &str) -> Ran {
    // Nobody listens there.
    run(&["doctor", "--broker", broker, "--data", path(&folder("data")), "--json", "--api", "http://127.0.0.1:1"])
}

#[tokio::test]
async fn a_sound_redis_has_no_fault() {
    let redis = Redis::start(&["--maxmemory", "200mb", "--appendfsync", "always"]).await;
    let ran = doctor(&redis.url());
    let found = findings(&ran);
    assert_eq!(ran.code, 0, "{found:#?}");
    let wrong: Vec<_> = found.values().filter(|finding| finding["key"].is_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for part in ["version", "configuration", "data folder", "broker", "durability", "clock"] {
        assert_eq!(found[part]["grade"], "ok", "{part}: {:#?}", found[part]);
    }
    assert!(found["durability"]["detail"].to_string().contains("durable: "), "{:#?}", found["durability"]);
    assert!(found["broker"]["detail"].to_string().contains("redis 7."), "{:#?}", found["broker"]);
    assert!(found["disk"]["detail"].to_string().contains(" free of "), "{:#?}", found["disk"]);
}

/// Runs what a finding tells to do, against this server.
fn carry_out(told: &Value, port: u16) {
    let told = told.as_str().expect("something to do");
    // The server has no file to rewrite.
    let commands = told.split(';').map(str::trim).filter(|command| !command.contains("REWRITE"));
    for command in commands {
        assert!(command.starts_with("redis-cli CONFIG SET "), "{told}");
        let command = command.replacen("redis-cli", &format!("redis-cli -p {port}"), 1);
        let ran = Command::new("sh").args(["-c", &command]).output().expect("sh");
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "OK", "{command}");
    }
}

#[tokio::test]
async fn every_finding_is_mended_by_what_it_tells_to_do() {
    let redis = Redis::start(&[
        "--maxmemory-policy",
        "allkeys-lru",
        "--appendonly",
        "no",
        "--timeout",
        "5",
        "--client-output-buffer-limit",
        "pubsub",
        "0",
        "0",
        "0",
    ])
    .await;
    let ran = doctor(&redis.url());
    let found = findings(&ran);
    assert_eq!((ran.code, &found["maxmemory-policy"]["grade"]), (1, &json!("fault")), "{found:#?}");
    let notes = ["appendonly", "maxmemory", "timeout", "client-output-buffer-limit pubsub"];
    for key in notes {
        assert_eq!(found[key]["grade"], "note", "{key}: {found:#?}");
    }
    for key in notes.iter().chain(&["maxmemory-policy"]) {
        carry_out(&found[*key]["what_to_do"], redis.port);
    }
    let ran = doctor(&redis.url());
    let found = findings(&ran);
    assert_eq!(ran.code, 0, "{found:#?}");
    assert!(found.values().all(|finding| finding["key"].is_null()), "{found:#?}");
    assert!(found["durability"]["detail"].to_string().contains("fast: "), "{found:#?}");
}

#[tokio::test]
async fn the_exit_code_tells_what_is_wrong() {
    let redis = Redis::start(&["--maxmemory-policy", "volatile-ttl"]).await;
    assert_eq!(doctor(&redis.url()).code, 1, "a fault");
    assert_eq!(doctor("redis+cluster://h/2").code, 78, "a fault of the configuration");
    redis.kill();
    let gone = doctor(&redis.url().replace("//", "//:hidden@"));
    assert_eq!((gone.code, &findings(&gone)["broker"]["grade"]), (69, &json!("unreachable")), "{}", gone.out);
    assert!(!gone.out.contains("hidden") && !gone.told.contains("hidden"), "{} {}", gone.out, gone.told);
    // For people it is a table, with what to do below.
    let ran = run(&["doctor", "--broker", &redis.url(), "--data", path(&folder("data")), "--api", "http://127.0.0.1:1"]);
    assert!(ran.out.contains("unreachable") && ran.out.contains("what to do: "), "{}", ran.out);
}

#[tokio::test]
async fn a_server_of_another_kind_than_the_url_says_is_refused() {
    let clustered = Redis::start(&["--cluster-enabled", "yes"]).await;
    let single = Redis::start(&[]).await;
    for (broker, said) in [(clustered.url(), "redis+cluster://"), (format!("redis+cluster://127.0.0.1:{}", single.port), "redis://")] {
        let ran = run(&["worker", "--broker", &broker, "--data", path(&folder("data"))]);
        assert_eq!(ran.code, 1, "{broker}: {}", ran.told);
        assert!(ran.told.contains("cluster_enabled") && ran.told.contains(said), "{broker}: {}", ran.told);
    }
}

#[tokio::test]
async fn clocks_versions_and_losses_are_told() {
    let clock = Jumping::new();
    let redis = Redis::under(&clock).await;
    let broker = connect(&redis.url()).await;
    let (mut plain, now) = (redis.connect().await, clock.now());
    clock.jump(-90_000);
    let (queues, kinds) = (vec![ServedQueue { name: Name::literal("default"), slots: 1, running: 0 }], vec![Name::literal("k")]);
    let (id, host, version) = ("other-1".into(), "other".into(), "0.0.1".into());
    let report = WorkerReport { id, host, pid: 1, version, started_at: now, seen_at: now, queues, kinds, state: WorkerState::Active };
    broker.beat(report, Duration::from_secs(600)).await.expect("reported");
    let _: Answer = cmd("HSET")
        .arg("ls:{losses}")
        .arg(&["jobs", "37", "ends", "4", "at", &now.to_string()])
        .query_async(&mut plain)
        .await
        .expect("HSET");
    let ran = doctor(&redis.url());
    let found = findings(&ran);
    assert_eq!(ran.code, 0, "notes are no faults: {found:#?}");
    for (key, said) in [("clock", "behind"), ("workers", "0.0.1"), ("lost_jobs", "37 jobs and 4 ends")] {
        assert_eq!(found[key]["grade"], "note", "{key}: {found:#?}");
        assert!(found[key]["detail"].to_string().contains(said) && found[key]["what_to_do"] != "", "{key}: {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_write_to_its_disk_makes_roles_unready_until_it_can() {
    let data = folder("redis");
    let redis = Redis::in_folder(data.clone(), &["--save", "3600 1000000", "--appendonly", "no", "--maxmemory", "200mb"]).await;
    let engine = Engine::on(&redis.url(), &[]).await;
    assert_eq!(engine.try_call("GET", "/readyz", None).await.expect("an answer").0, 200);
    let mut plain = redis.connect().await;
    std::fs::remove_dir_all(&data).expect("our own folder");
    let _: Answer = cmd("BGSAVE").query_async(&mut plain).await.expect("begun");
    eventually("not ready", LONG_ENOUGH, async || {
        let (status, answer) = engine.try_call("GET", "/readyz", None).await.expect("an answer");
        status == 503 && answer.to_string().contains("rdb_last_bgsave_status")
    })
    .await;
    let (status, answer) = engine.try_call("POST", "/v1/jobs", Some(json!({"kind": "demo.echo", "args": {}}))).await.expect("an answer");
    assert_eq!((status, &answer["code"]), (503, &json!("queue.full")), "{answer}");
    let found = findings(&doctor(&redis.url()));
    assert_eq!(found["rdb_last_bgsave_status"]["grade"], "fault", "{found:#?}");
    let _: () = cmd("CONFIG").arg(&["SET", "stop-writes-on-bgsave-error", "no"]).query_async(&mut plain).await.expect("CONFIG SET");
    assert_eq!(engine.try_call("GET", "/readyz", None).await.expect("an answer").0, 200);
    assert_eq!(engine.enqueue(vec![json!({"kind": "demo.echo", "args": {}})]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_without_the_replicas_it_wants_takes_nothing_and_says_so() {
    let redis = Redis::start(&["--maxmemory", "200mb"]).await;
    let engine = Engine::on(&redis.url(), &[("LONGSHORE_REDIS__RESPONSE_MS", "1000")]).await;
    let mut plain = redis.connect().await;
    let _: () = cmd("CONFIG").arg(&["SET", "min-replicas-to-write", "1"]).query_async(&mut plain).await.expect("CONFIG SET");
    let (status, answer) = engine.try_call("POST", "/v1/jobs", Some(json!({"kind": "demo.echo", "args": {}}))).await.expect("an answer");
    // Which of the two depends on whether the request's own time was over in the middle of a try.
    let codes = [json!("queue.unavailable"), json!("queue.outcome_unknown")];
    assert!(status == 503 && codes.contains(&answer["code"]), "{answer}");
    let (status, answer) = engine.try_call("GET", "/readyz", None).await.expect("an answer");
    assert!(status == 503 && answer.to_string().contains("min-replicas-to-write"), "{answer}");
    assert_eq!(findings(&doctor(&redis.url()))["min-replicas-to-write"]["grade"], "fault");
    let _: () = cmd("CONFIG").arg(&["SET", "min-replicas-to-write", "0"]).query_async(&mut plain).await.expect("CONFIG SET");
    assert_eq!(engine.enqueue(vec![json!({"kind": "demo.echo", "args": {}})]).await.len(), 1);
    assert_eq!(engine.try_call("GET", "/readyz", None).await.expect("an answer").0, 200);
}

#[tokio::test]
async fn a_setting_that_changes_while_a_role_runs_is_noticed() {
    let redis = Redis::start(&["--maxmemory", "200mb"]).await;
    let up = Longshore::start("longshore", "up", folder("data"), &["--broker", &redis.url()]).await;
    assert_eq!(up.run(&["doctor", "--broker", &redis.url()]).code, 0);
    let _: () =
        cmd("CONFIG").arg(&["SET", "maxmemory-policy", "allkeys-lru"]).query_async(&mut redis.connect().await).await.expect("CONFIG SET");
    let ran = up.run(&["doctor", "--broker", &redis.url(), "--json"]);
    let found = findings(&ran);
    assert_eq!(
        (ran.code, &found["maxmemory-policy"]["grade"], &found["api"]["grade"]),
        (1, &json!("fault"), &json!("fault")),
        "{found:#?}"
    );
    assert!(found["api"]["detail"].to_string().contains("maxmemory-policy"), "{found:#?}");
}
