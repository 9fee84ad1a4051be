//! `longshore dlq …`, `jobs bulk …` and `operations …` against a running `longshore up`.

use crate::harness::{
    eventually, folder,
    longshore::{Longshore, Ran, path, run_with},
};
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};

const SOON: Duration = Duration::from_secs(20);
const LATER: &str = "2099-01-01T00:00:00Z";

/// Enqueues jobs in one call.
async fn batch(up: &Longshore, jobs: &[Value]) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = std::fs::read_to_string(up.data.join("admin.key")).expect("the admin key");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(format!("{}/v1/jobs/batch", up.url)).bearer_auth(key.trim()).json(&json!({ "jobs": jobs }));
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let made = answer["results"].as_array().expect("results").iter().filter(|one| one["id"].is_string()).count();
    assert_eq!(made, jobs.len(), "{answer}");
}

/// A job that dies at once, with this in its error.
fn doomed(message: &str) -> Value {
    json!({ "kind": "demo.fail", "args": { "fatal": true, "message": message } })
}

/// Three letters of one cause and one of another; answers the fingerprints of both groups.
async fn four_letters(up: &Longshore) -> (String, String) {
    let alike = (1..=3).map(|n| doomed(&format!("no route to 10.0.0.{n}")));
    batch(up, &alike.chain([doomed("odd")]).collect::<Vec<_>>()).await;
    eventually("all are dead", SOON, async || count(up) == 4).await;
    let groups = up.json(&["dlq", "groups"])["groups"].as_array().expect("groups").clone();
    let of = |count: u64| groups.iter().find(|group| group["count"] == count).unwrap_or_else(|| panic!("{groups:#?}"));
    let fingerprint = |count| of(count)["fingerprint"].as_str().expect("a fingerprint").to_owned();
    (fingerprint(3), fingerprint(1))
}

fn letters(up: &Longshore, filter: &[&str]) -> Vec<Value> {
    let page = up.json(&["dlq", "list", "--all"].into_iter().chain(filter.iter().copied()).collect::<Vec<_>>());
    page["items"].as_array().expect("items").clone()
}

fn count(up: &Longshore) -> usize {
    letters(up, &[]).len()
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// What a command printed, as JSON.
fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{:?}: {error}: {}", ran.out, ran.told))
}

/// Begins an operation and stays until it is done; answers how it ended.
fn watched(up: &Longshore, command: &[&str]) -> (i32, Value) {
    let ran = up.run(&command.iter().copied().chain(["--watch", "--json"]).collect::<Vec<_>>());
    (ran.code, told(&ran))
}

fn file(name: &str, text: &str) -> PathBuf {
    let file = folder("letters").join(name);
    std::fs::write(&file, text).expect("a file");
    file
}

#[tokio::test]
async fn letters_are_grouped_found_and_shown() {
    let up = Longshore::up().await;
    assert!(up.run(&["dlq", "groups"]).out.contains("no dead letters"));
    let (alike, odd) = four_letters(&up).await;
    let table = up.run(&["dlq", "groups"]);
    for part in ["FINGERPRINT", "24 HOURS", alike.as_str(), odd.as_str(), "demo.failed no route to 10.0.0."] {
        assert!(table.out.contains(part), "{part}: {}", table.out);
    }
    assert!(table.told.contains("4 letters"), "{}", table.told);

    for (filter, found) in [
        (&["--group", &alike][..], 3),
        (&["--arg", "/message=odd"], 1),
        (&["--arg", "/fatal=true"], 4),
        (&["--arg", "/fatal=\"true\""], 0),
        (&["--text", "NO ROUTE"], 3),
        (&["--kind", "demo.fail", "--queue", "default", "--tenant", "default"], 4),
        (&["--from", LATER], 0),
        (&["--to", LATER, "--text", "odd"], 1),
    ] {
        assert_eq!(letters(&up, filter).len(), found, "{filter:?}");
    }
    assert_eq!(up.run(&["dlq", "list", "--arg", "message=odd"]).code, 2, "no pointer");
    let letter = id(&letters(&up, &["--group", &alike])[0]);
    let page = up.run(&["dlq", "show", &letter]).out;
    for part in
        ["letter ", "attempt 1", " on ", "demo.failed", "no route to 10.0.0.", "in 3 letters of the group, these args differ", "/message"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(up.run(&["dlq", "show", "0199b0c4-0000-7000-8000-000000000001"]).code, 1);

    assert_eq!(up.run(&["dlq", "note", &alike]).code, 2, "nothing to say");
    assert_eq!(up.run(&["dlq", "note", &alike, "a router", "--acknowledge"]).code, 0);
    assert!(up.run(&["dlq", "groups"]).out.contains("known: a router"));
    let new = up.json(&["dlq", "groups", "--new"])["groups"].clone();
    assert_eq!((new.as_array().map(Vec::len), &new[0]["fingerprint"]), (Some(1), &json!(odd)));
    assert_eq!(up.run(&["dlq", "note", &alike, "--clear", "--unacknowledge"]).code, 0);
    assert!(!up.run(&["dlq", "groups"]).out.contains("a router"));
}

#[tokio::test]
async fn args_are_mended_and_the_letter_is_replayed() {
    let up = Longshore::up().await;
    let (_, odd) = four_letters(&up).await;
    let letter = id(&letters(&up, &["--group", &odd])[0]);
    let edit = |more: &[&str]| up.run(&["dlq", "edit", &letter].into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
    let args = || up.json(&["dlq", "show", &letter])["args"].clone();

    let mended = file("args.json", r#"{"times":0,"message":"odd"}"#);
    let tried = edit(&["--args", &format!("@{}", path(&mended)), "--dry-run"]);
    for part in ["- /fatal: true", "+ /times: 0", "nothing was changed"] {
        assert!(tried.code == 0 && tried.out.contains(part), "{part}: {}{}", tried.out, tried.told);
    }
    let refused = edit(&["--args", r#"{"fatal":"x","more":1}"#]);
    assert!(refused.code == 1 && ["/args/fatal", "/args/more"].iter().all(|part| refused.told.contains(part)), "{}", refused.told);
    assert_eq!(edit(&["--args", r#"{"times":0}"#, "--revision", "99"]).code, 1, "another revision");
    assert_eq!(args(), json!({ "fatal": true, "message": "odd" }), "unchanged so far");
    assert!(edit(&[]).told.contains("set EDITOR"));
    assert_eq!(edit(&["--args", "-"]).code, 2, "an empty stdin is no JSON");

    let in_editor = |editor: &str| {
        let temp = folder("editor");
        let ran =
            run_with(&[("EDITOR", editor), ("TMPDIR", path(&temp))], &["dlq", "edit", &letter, "--api", &up.url, "--data", path(&up.data)]);
        (ran, std::fs::read_dir(&temp).expect("a folder").count())
    };
    let (same, left) = in_editor("true");
    assert!(same.code == 0 && same.out.contains("nothing to change") && left == 0, "{}{}", same.out, same.told);
    let (broken, left) = in_editor("sed -i s/true/nonsense/");
    assert!(broken.code == 1 && broken.told.contains("not JSON") && left == 1, "what was written stays: {}", broken.told);
    let (changed, left) = in_editor("sed -i 's/\"fatal\": true/\"times\": 0/'");
    assert!(changed.code == 0 && changed.out.contains("+ /times: 0") && left == 0, "{}{}", changed.out, changed.told);
    assert_eq!(args(), json!({ "times": 0, "message": "odd" }));

    let (code, operation) = watched(&up, &["dlq", "replay", &letter]);
    assert_eq!((code, &operation["replayed"]), (0, &json!(1)), "{operation}");
    assert_eq!(count(&up), 3);
    let new = up.json(&["jobs", "show", &letter])["replays"][0].as_str().expect("a replay").to_owned();
    assert_eq!(up.run(&["jobs", "watch", &new]).code, 0, "it completes");
    let new = up.json(&["jobs", "show", &new]);
    assert_eq!((&new["replay_of"], &new["args"]["times"]), (&json!(letter), &json!(0)));
    assert_eq!(watched(&up, &["dlq", "undo", &id(&operation)]).0, 1, "what has started is told");
    assert_eq!(count(&up), 3);
}

#[tokio::test]
async fn a_replay_is_tried_watched_and_taken_back() {
    let up = Longshore::up().await;
    let (alike, _) = four_letters(&up).await;
    assert_eq!(up.run(&["dlq", "replay"]).code, 2, "nothing named is not everything");
    assert_eq!(up.run(&["dlq", "replay", "--group", &alike, "--stop-when-failing", "2"]).code, 2);
    let dry = up.run(&["dlq", "replay", "--group", &alike, "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("3 dead letters would be replayed"), "{}{}", dry.out, dry.told);
    let none = up.run(&["dlq", "replay", "--from", LATER]);
    assert!(none.code == 0 && none.out.contains("no dead letters match"), "{}{}", none.out, none.told);
    let other = up.run(&["dlq", "replay", "--group", &alike, "--confirm-count", "7"]);
    assert!(other.code == 1 && other.told.contains("--confirm-count 3"), "{}", other.told);

    assert_eq!(up.run(&["queues", "pause", "default"]).code, 0);
    let (code, operation) = watched(&up, &["dlq", "replay", "--group", &alike, "--confirm-count", "3", "--per-second", "1000"]);
    assert_eq!((code, &operation["replayed"]), (0, &json!(3)), "{operation}");
    assert_eq!(letters(&up, &["--group", &alike]).len(), 0);
    let undone = up.run(&["dlq", "undo", &id(&operation), "--watch"]);
    assert!(undone.code == 0 && undone.out.contains("3 of 3: 3 taken back"), "{}{}", undone.out, undone.told);
    assert_eq!(up.json(&["dlq", "groups"])["groups"].as_array().map(Vec::len), Some(2), "as it was");
    assert_eq!(letters(&up, &["--group", &alike]).len(), 3);

    assert_eq!(up.run(&["queues", "resume", "default"]).code, 0);
    let begun = up.run(&["dlq", "replay", "--group", &alike, "--args-patch", r#"{"fatal":null,"times":0}"#]);
    assert_eq!(begun.code, 0, "{}", begun.told);
    let again = begun.out.trim().to_owned();
    let shown = up.run(&["operations", "watch", &again]);
    assert!(shown.code == 0 && shown.out.contains("3 of 3: 3 replayed"), "{}{}", shown.out, shown.told);
    assert!(up.run(&["operations", "show", &again]).out.contains("asked for"));
    assert_eq!(count(&up), 1);

    let (code, purge) = watched(&up, &["dlq", "purge", "--all"]);
    assert_eq!((code, &purge["purged"]), (0, &json!(1)), "{purge}");
    assert_eq!(count(&up), 0);
}

#[tokio::test]
async fn letters_go_out_and_come_in_as_lines() {
    let up = Longshore::up().await;
    let (alike, _) = four_letters(&up).await;
    let all = folder("letters").join("all.jsonl");
    let export = |more: &[&str]| up.run(&["dlq", "export"].into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
    let out = export(&["-o", path(&all)]);
    assert!(out.code == 0 && out.out.contains("4 letters"), "{}{}", out.out, out.told);
    assert_eq!(export(&["-o", path(&all)]).code, 2, "a file that is there is left");
    assert_eq!(export(&["--group", &alike]).out.lines().count(), 3);
    assert_eq!(export(&["--from", LATER]).out, "");

    let same = up.json(&["dlq", "import", path(&all)]);
    assert_eq!(same, json!({ "lines": 4, "imported": 0, "duplicates": 4, "refused_count": 0, "refused": [] }), "no second letter");
    let other = Longshore::up().await;
    let text = std::fs::read_to_string(&all).expect("the export");
    let lines: Vec<_> = text.lines().collect();
    let broken = file("broken.jsonl", &[lines[0], "{no", lines[1], r#"{"kind":7}"#, lines[2]].join("\n"));
    let ran = other.run(&["dlq", "import", path(&broken), "--json"]);
    let answer = told(&ran);
    assert_eq!((ran.code, &answer["imported"]), (1, &json!(3)), "{answer}");
    let numbers: Vec<_> = answer["refused"].as_array().expect("refused").iter().map(|one| one["line"].as_u64()).collect();
    assert_eq!(numbers, [Some(2), Some(4)], "{answer}");
    let again = other.run(&["dlq", "import", path(&all)]);
    assert!(again.code == 0 && again.out.contains("1 imported, 3 there before, 0 refused"), "{}{}", again.out, again.told);
    let mut groups: Vec<_> =
        other.json(&["dlq", "groups"])["groups"].as_array().expect("groups").iter().map(|g| g["count"].as_u64()).collect();
    groups.sort_unstable();
    assert_eq!(groups, [Some(1), Some(3)]);
    assert_eq!(other.run(&["dlq", "import", "/no/such/file"]).code, 2);
}

#[tokio::test]
async fn living_jobs_are_changed_in_bulk() {
    let up = Longshore::up().await;
    let jobs: Vec<_> =
        (0..1_001).map(|n| json!({ "kind": "demo.echo", "args": { "n": n }, "delay_ms": 3_600_000, "tags": ["many"] })).collect();
    batch(&up, &jobs).await;
    let bulk = |more: &[&str]| up.run(&["jobs", "bulk"].into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
    let few = ["--arg", "/n=7", "--tag", "many"];
    let job =
        |queue: &str| up.json(&["jobs", "list", "--tag", "many", "--queue", queue, "--state", "scheduled", "--limit", "1000", "--all"]);
    let seven = || {
        let all = job("default")["items"].as_array().expect("items").clone();
        all.into_iter().find(|job| job["args"]["n"] == 7).expect("it is there")
    };

    assert_eq!(bulk(&["cancel"]).code, 2, "nothing named is not everything");
    let unconfirmed = bulk(&["cancel", "--tag", "many"]);
    assert!(unconfirmed.code == 1 && unconfirmed.told.contains("--confirm-count 1001"), "{}", unconfirmed.told);
    assert!(bulk(&["cancel", "--tag", "many", "--dry-run"]).out.contains("1,001 jobs would be cancelled"));

    let (code, changed) = watched(&up, &[&["jobs", "bulk", "priority", "9"][..], &few].concat());
    assert_eq!((code, &changed["changed"], &seven()["priority"]), (0, &json!(1), &json!(9)), "{changed}");
    let (code, undone) = watched(&up, &["dlq", "undo", &id(&changed)]);
    assert_eq!((code, &undone["undone"], &seven()["priority"]), (0, &json!(1), &json!(5)), "{undone}");
    let before = seven()["run_at"].as_str().expect("a time").to_owned();
    assert_eq!(watched(&up, &[&["jobs", "bulk", "postpone", "--by", "2h"][..], &few].concat()).0, 0);
    assert!(seven()["run_at"].as_str() > Some(before.as_str()), "later than {before}");
    assert_eq!(bulk(&["postpone", "--tag", "many", "--until", LATER]).code, 1, "nobody means to wait that long");
    assert_eq!(bulk(&["postpone", "--tag", "many"]).code, 2, "until when");

    let old = id(&seven());
    let (code, moved) = watched(&up, &[&["jobs", "bulk", "move", "slow"][..], &few].concat());
    assert_eq!((code, &moved["changed"]), (0, &json!(1)), "{moved}");
    eventually("it is in the other queue", SOON, async || job("slow")["items"].as_array().map(Vec::len) == Some(1)).await;
    let old = up.json(&["jobs", "show", &old]);
    assert_eq!((&old["state"], &old["reason"]), (&json!("cancelled"), &json!("moved")));

    let (code, cancelled) = watched(&up, &["jobs", "bulk", "cancel", "--tag", "many", "--confirm-count", "1001"]);
    assert_eq!((code, &cancelled["changed"]), (0, &json!(1_001)), "{cancelled}");
    assert_eq!(job("default")["items"], json!([]));
}
