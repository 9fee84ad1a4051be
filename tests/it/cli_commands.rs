//! The operator commands against a running `longshore up`.

use crate::harness::{
    eventually, folder,
    longshore::{Longshore, path, run, run_with},
};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn id(made: &Value) -> String {
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_job_is_enqueued_read_edited_and_cancelled() {
    let up = Longshore::up().await;
    let later = id(&up.json(&["enqueue", "demo.echo", r#"{"n":1}"#, "--delay", "1h", "--tag", "a", "--tag", "b", "--priority", "7"]));
    let job = up.json(&["jobs", "show", &later]);
    assert_eq!((&job["state"], &job["priority"], &job["tags"]), (&"scheduled".into(), &7.into(), &serde_json::json!(["a", "b"])));

    assert_eq!(up.run(&["jobs", "edit", &later, "--args", r#"{"n":2}"#, "--revision", "9"]).code, 1, "an older revision");
    assert_eq!(up.run(&["jobs", "edit", &later]).code, 2, "nothing to change");
    assert_eq!(up.run(&["jobs", "edit", &later, "--args", r#"{"n":2}"#]).code, 0);
    assert_eq!(up.run(&["jobs", "retry", &later]).code, 0);
    let watched = up.run(&["jobs", "watch", &later]);
    assert_eq!(watched.code, 0, "{}", watched.told);
    assert!(watched.out.contains("scheduled") && watched.out.contains("completed"), "{}", watched.out);
    assert_eq!(up.json(&["jobs", "show", &later])["output"]["n"], 2);

    let page = up.run(&["jobs", "show", &later]).out;
    assert!(["timeline", "  ready", "running    attempt 1 on", "  completed"].iter().all(|part| page.contains(part)), "{page}");
    let table = up.run(&["jobs", "list", "--tag", "a"]).out;
    assert!(table.contains(&later) && table.lines().count() == 2, "{table}");

    let long = id(&up.json(&["enqueue", "demo.sleep", r#"{"ms":600000}"#]));
    eventually("it runs", SOON, async || up.json(&["jobs", "show", &long])["state"] == "running").await;
    assert_eq!(up.run(&["jobs", "cancel", &long]).code, 0);
    eventually("it stops within a second or so", Duration::from_secs(3), async || {
        up.json(&["jobs", "show", &long])["state"] == "cancelled"
    })
    .await;
    assert_eq!(up.run(&["jobs", "cancel", &long]).code, 1, "it has ended");
}

#[tokio::test]
async fn enqueue_tells_faults_duplicates_and_failures() {
    let up = Longshore::up().await;
    let bad = up.run(&["enqueue", "demo.sleep", r#"{"ms":"x","more":1}"#]);
    assert_eq!(bad.code, 1);
    assert!(["jobs.args_invalid", "/args/ms", "/args/more", "what to do"].iter().all(|part| bad.told.contains(part)), "{}", bad.told);
    let unknown = up.run(&["enqueue", "demo.ekko"]);
    assert!(unknown.code == 1 && unknown.told.contains("demo.echo"), "{}", unknown.told);
    assert_eq!(up.run(&["enqueue", "demo.echo", "{no"]).code, 2);

    let dead = up.run(&["enqueue", "demo.fail", r#"{"fatal":true,"message":"as asked"}"#, "--wait"]);
    assert!(dead.code == 1 && dead.told.contains("is dead") && dead.told.contains("as asked"), "{}", dead.told);

    let twice = ["enqueue", "demo.echo", "{}", "--idempotency-key", "k-1"];
    assert_eq!(id(&up.json(&twice)), id(&up.json(&twice)));
    let unique = ["enqueue", "demo.echo", "{}", "--delay", "1h", "--unique", "one"];
    let (first, second) = (up.json(&unique), up.json(&unique));
    assert_eq!((id(&first), &second["duplicate"]), (id(&second), &true.into()));
}

#[tokio::test]
async fn queues_kinds_and_workers_are_steered() {
    let up = Longshore::up().await;
    let queues = up.json(&["queues", "list"]);
    let names: Vec<_> = queues["queues"].as_array().into_iter().flatten().filter_map(|queue| queue["name"].as_str()).collect();
    assert_eq!(names, ["backups", "default", "operations"], "there from the start");
    assert_eq!(up.run(&["queues", "pause", "default", "--reason", "a test"]).code, 0);
    let held = id(&up.json(&["enqueue", "demo.echo", "{}"]));
    let shown = up.run(&["queues", "show", "default"]).out;
    assert!(shown.contains("paused") && shown.contains("a test"), "{shown}");
    assert_eq!(up.json(&["jobs", "show", &held])["state"], "ready");
    assert_eq!(up.run(&["queues", "resume", "default"]).code, 0);
    assert_eq!(up.run(&["jobs", "watch", &held]).code, 0);

    assert_eq!(up.run(&["scale", "default", "3"]).code, 0);
    assert_eq!(up.json(&["queues", "show", "default"])["slots"], 3);
    assert_eq!(up.run(&["queues", "show", "nowhere"]).code, 1);

    let record = r#"{"name":"other.kind","version":1,"queue":"other","args_schema":{"type":"object","required":["n"]}}"#;
    let file = folder("kind").join("kind.json");
    std::fs::write(&file, record).expect("a file");
    let put = up.run(&["kinds", "put", path(&file)]);
    assert_eq!(put.code, 0, "{}", put.told);
    assert_eq!(up.json(&["kinds", "show", "other.kind"])["args_schema"]["required"][0], "n");
    assert!(up.run(&["kinds", "list"]).out.contains("other.kind"));
    assert!(up.run(&["enqueue", "other.kind", "{}"]).told.contains("/args/n"), "checked without its code");

    let worker = up.json(&["workers", "list"])["workers"][0]["id"].as_str().expect("a worker").to_owned();
    for (verb, state) in [("quiet", "quiet"), ("resume", "active")] {
        assert_eq!(up.run(&["workers", verb, &worker]).code, 0);
        eventually(verb, SOON, async || up.json(&["workers", "list"])["workers"][0]["state"] == state).await;
    }
    assert_eq!(up.run(&["workers", "quiet", "nobody"]).code, 1);
}

#[tokio::test]
async fn keys_open_one_tenants_door() {
    let up = Longshore::up().await;
    let made = up.json(&["keys", "create", "shop", "--tenant", "acme"]);
    let key = made["key"].as_str().expect("told once").to_owned();
    let as_tenant = |args: &[&str]| run_with(&[("LONGSHORE_KEY", &key), ("LONGSHORE_API", &up.url)], args);
    let foreign = id(&up.json(&["enqueue", "demo.echo", "{}", "--delay", "1h"]));
    assert_eq!(as_tenant(&["jobs", "show", &foreign]).code, 1, "another tenant's job does not exist");
    assert_eq!(as_tenant(&["enqueue", "demo.echo", "{}", "--delay", "1h"]).code, 0);
    assert_eq!(up.json(&["jobs", "list", "--tenant", "acme"])["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(as_tenant(&["scale", "default", "1"]).code, 77, "not a tenant's to do");
    assert_eq!(up.run(&["keys", "revoke", &id(&made)]).code, 0);
    assert_eq!(as_tenant(&["jobs", "list"]).code, 77);

    // The way back in when no key is left: the store itself.
    let local = up.json(&["keys", "create", "spare", "--local"]);
    let spare = local["key"].as_str().expect("told once");
    assert_eq!(run_with(&[("LONGSHORE_KEY", spare), ("LONGSHORE_API", &up.url)], &["keys", "list"]).code, 0);
    assert!(up.run(&["keys", "list"]).out.contains("revoked"));
}

#[tokio::test]
async fn exit_codes_are_as_promised() {
    let up = Longshore::up().await;
    let key_file = folder("key").join("wrong.key");
    std::fs::write(&key_file, "lsk_wrong\n").expect("a file");
    for (code, ran) in [
        (0, up.run(&["jobs", "list"])),
        (1, up.run(&["jobs", "show", "0199b0c4-0000-7000-8000-000000000001"])),
        (2, up.run(&["jobs", "list", "--state", "asleep"])),
        (69, run(&["jobs", "list", "--api", "http://127.0.0.1:1"])),
        (77, up.run(&["jobs", "list", "--key-file", path(&key_file)])),
        (77, run(&["jobs", "list", "--api", &up.url])),
        (78, run(&["config", "check", "--listen", "x"])),
    ] {
        assert_eq!(ran.code, code, "{}", ran.told);
        assert!(code == 0 || !ran.told.is_empty());
    }
    let refused = run(&["--json", "jobs", "list", "--api", &up.url]);
    let told: Value = serde_json::from_str(&refused.told).expect("JSON for programs");
    assert_eq!((&told["exit"], &told["error"]["code"]), (&77.into(), &"auth.unauthorized".into()));
    assert_eq!(up.run(&["doctor"]).code, 0);
    assert!(run(&["completions", "bash"]).out.contains("enqueue"));
}

#[tokio::test]
async fn rules_of_every_scope_are_set_shown_and_cleared() {
    let up = Longshore::up().await;
    assert_eq!(up.run(&["limits", "set", "default", "--max-running", "0"]).code, 2, "refused before it is sent");
    let set =
        up.json(&["limits", "set", "default", "--tenant", "acme", "--max-running", "5", "--budget", "100/day", "--soft", "0.8", "--hard"]);
    assert_eq!((&set["max_running"], &set["budget"]["soft"], &set["budget"]["hard"]), (&5.into(), &0.8.into(), &true.into()));
    let more = up.json(&["limits", "set", "default", "--tenant", "acme", "--rate", "100/60s:10", "--max-running", "none"]);
    assert_eq!(
        (more.get("max_running"), &more["rate"]["burst"], &more["budget"]["units"]),
        (None, &10.into(), &100.into()),
        "the rest stays"
    );
    let page = up.run(&["limits", "show", "default", "--tenant", "acme"]).out;
    assert!(page.contains("rate 100/1m, burst 10") && page.contains("0 used, 100 left"), "{page}");
    assert_eq!(up.run(&["limits", "set", "default", "--kind", "demo.echo", "--weight", "2"]).code, 1, "a rule of tenants");
    for key in ["acme/", "acme/-", "acme/a/b ä"] {
        assert_eq!(up.json(&["limits", "set", "default", "--key", key, "--max-running", "1"])["key"], key["acme/".len()..]);
        assert_eq!(up.run(&["limits", "clear", "default", "--key", key]).code, 0);
        assert_eq!(up.json(&["limits", "show", "default", "--key", key]).get("max_running"), None);
    }

    assert_eq!(up.run(&["queues", "pause", "default", "--tenant", "acme", "--for", "1h", "--reason", "too dear"]).code, 0);
    let held = id(&up.json(&["enqueue", "demo.echo", "{}", "--tenant", "acme"]));
    let why = up.run(&["jobs", "why", &held]).out;
    assert!(["gated.tenant", "too dear", "queues resume default --tenant acme"].iter().all(|part| why.contains(part)), "{why}");
    let lanes = up.run(&["lanes", "default"]).out;
    assert!(lanes.contains("acme") && lanes.contains("too dear"), "{lanes}");
    assert_eq!(up.json(&["queues", "lanes", "default"])["lanes"][0]["ready"], 1);
    assert_eq!(up.run(&["queues", "resume", "default", "--tenant", "acme"]).code, 0);
    assert_eq!(up.run(&["jobs", "watch", &held]).code, 0);
    assert!(up.run(&["jobs", "why", &held]).out.contains("ended.completed"));
}

#[tokio::test]
async fn resources_and_scaling_are_steered() {
    let up = Longshore::up().await;
    let made = up.json(&["resources", "set", "ads", "--points", "1000/60s", "--max-running", "5"]);
    assert_eq!((&made["points"]["count"], &made["revision"]), (&1000.into(), &1.into()));
    assert_eq!(up.json(&["resources", "set", "ads", "--rate", "5/1s"])["points"]["count"], 1000, "the rest stays");
    assert_eq!(up.run(&["resources", "pause", "ads", "--reason", "quota"]).code, 0);
    let table = up.run(&["resources", "list"]).out;
    assert!(table.contains("ads") && table.contains("quota"), "{table}");
    assert_eq!(up.run(&["resources", "resume", "ads"]).code, 0);
    assert!(up.run(&["resources", "show", "ads"]).out.contains("open"));
    assert_eq!(up.run(&["resources", "clear", "ads"]).code, 0);
    assert_eq!(up.run(&["resources", "show", "ads"]).code, 1);

    assert_eq!(up.run(&["scale", "default", "--auto", "--min", "2", "--max", "6", "--clear-in", "30s"]).code, 0);
    eventually("a scheduler sets the cap", SOON, async || up.json(&["queues", "show", "default"])["slots"] == 2).await;
    assert_eq!(up.run(&["scale", "default", "--no-cap"]).code, 0);
    let queue = up.json(&["queues", "show", "default"]);
    assert_eq!((&queue["slots"], &queue["auto"]), (&Value::Null, &Value::Null));
}
