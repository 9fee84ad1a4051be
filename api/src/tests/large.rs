//! Args and outputs that lie in files, as a caller sees them: like any others, but in lists.

use super::{
    harness::{Answer, Harness, on_both, request},
    letters::die,
};
use axum::body::Body;
use longshore_jobs::{BLOB_MAX, Blobs, Checker};
use longshore_queue::{Broker, Claim, Outcome, json as raw};
use longshore_store::{Files, FilesOptions};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

on_both!(
    large_args_are_shown_but_in_lists,
    a_batch_may_mix_sizes,
    args_are_edited_from_large_to_small_and_back,
    a_replay_keeps_its_args_when_the_letter_loses_them,
    letters_go_out_and_come_in_whole,
    a_lost_file_is_told_and_hides_nothing_else,
    without_a_place_nothing_is_enqueued,
    the_newest_args_replace_those_before,
    a_schedule_may_have_large_args,
    a_large_output_is_shown,
);

fn large(n: u64) -> Value {
    json!({ "n": n, "text": "x".repeat(300_000) })
}

async fn shown(api: &Harness, id: &str) -> Value {
    api.get(&api.operator, &format!("/v1/jobs/{id}")).await.expect(200).body
}

async fn patch(api: &Harness, path: &str, revision: &Value, body: Value) -> Answer {
    let sent = request(&api.operator, "PATCH", path).header("if-match", revision.to_string()).body(Body::from(body.to_string()));
    api.send(sent.expect("a request")).await
}

/// Every file, by its path below the folder.
fn files(api: &Harness) -> Vec<String> {
    let root = api.dir.path().join("files");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(&root).expect("below it").display().to_string()) }
        }
    }
    found.sort();
    found
}

/// Where the args of a job lie.
async fn file(api: &Harness, id: &str) -> PathBuf {
    let job = api.job(id).await;
    let claim = Claim::of(&job.args).expect("it can be read").expect("a claim");
    api.dir.path().join(format!("files/jobs/{}/{id}/{}", job.queue, claim.sha256))
}

async fn large_args_are_shown_but_in_lists(api: Harness) {
    api.make_queue("q").await;
    let id = api.echo(&api.acme, json!({ "queue": "q", "args": large(1) })).await;
    let job = shown(&api, &id).await;
    assert_eq!(job["args"], large(1));
    assert_eq!(job["large"]["args"]["bytes"], large(1).to_string().len());
    assert!(job["large"]["args"]["fault"].is_null() && job["large"]["output"].is_null());
    let page = api.get(&api.acme, "/v1/jobs?queue=q").await.expect(200).body;
    assert_eq!((&page["items"][0]["args"], &page["items"][0]["large"]), (&Value::Null, &job["large"]));
    api.get(&api.other, &format!("/v1/jobs/{id}")).await.problem(404, "jobs.not_found");
    let small = api.echo(&api.acme, json!({ "queue": "q" })).await;
    assert!(shown(&api, &small).await["large"].is_null(), "a job without files says nothing of them");

    let most = json!({ "a": "x".repeat(BLOB_MAX - 8) });
    let id = api.echo(&api.acme, json!({ "queue": "q", "args": most })).await;
    assert_eq!(shown(&api, &id).await["large"]["args"]["bytes"], BLOB_MAX);
    let over = json!({ "kind": "demo.echo", "args": { "a": "x".repeat(BLOB_MAX - 7) } });
    let refused = api.post(&api.acme, "/v1/jobs", over).await.problem(413, "jobs.args_too_large");
    assert_eq!(refused.body["errors"][0]["allowed"], format!("at most {BLOB_MAX} bytes of JSON"));
    assert_eq!(files(&api).len(), 2);
}

async fn a_batch_may_mix_sizes(api: Harness) {
    let jobs =
        [large(1), json!({}), json!({ "a": "x".repeat(BLOB_MAX) }), large(2)].map(|args| json!({ "kind": "demo.echo", "args": args }));
    let results = api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": jobs })).await.expect(202).body["results"].clone();
    assert_eq!(results[2]["error"]["code"], "jobs.args_too_large");
    for (at, args) in [(0, large(1)), (1, json!({})), (3, large(2))] {
        assert_eq!(shown(&api, results[at]["id"].as_str().expect("an id")).await["args"], args);
    }
}

async fn args_are_edited_from_large_to_small_and_back(api: Harness) {
    let id = api.echo(&api.operator, json!({ "args": large(1) })).await;
    let path = format!("/v1/jobs/{id}");
    for args in [large(2), json!({ "n": 3 }), large(4)] {
        let revision = shown(&api, &id).await["revision"].clone();
        let edited = patch(&api, &path, &revision, json!({ "args": args })).await.expect(200).body;
        assert_eq!(edited["args"], args);
        assert_eq!(edited["large"].is_null(), args["text"].is_null());
    }
    let sleep =
        api.post(&api.operator, "/v1/jobs", json!({ "kind": "demo.sleep", "args": { "ms": 1 }, "delay_ms": 9_000 })).await.expect(202).id();
    let revision = shown(&api, &sleep).await["revision"].clone();
    let refused = patch(&api, &format!("/v1/jobs/{sleep}"), &revision, json!({ "args": { "ms": "x".repeat(300_000) } })).await;
    refused.problem(422, "jobs.args_invalid");
    assert_eq!(files(&api).len(), 3, "what is refused is not written");
}

async fn a_replay_keeps_its_args_when_the_letter_loses_them(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q", "args": large(1) })).await;
    die(&api, "q", "no").await;
    let new = api.post(&api.operator, &format!("/v1/jobs/{id}/retry"), Value::Null).await.expect(200).id();
    std::fs::remove_file(file(&api, &id).await).expect("removed");
    assert_eq!(shown(&api, &new).await["args"], large(1));
    assert_eq!(shown(&api, &id).await["large"]["args"]["fault"], "files.missing");
}

async fn letters_go_out_and_come_in_whole(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q", "args": large(1) })).await;
    let other = api.echo(&api.operator, json!({ "queue": "q", "args": { "n": 2 } })).await;
    die(&api, "q", "no").await;
    let letter = format!("/v1/dead-letters/{id}");
    let read = api.get(&api.operator, &letter).await.expect(200).body;
    assert_eq!((&read["args"], &read["varies"]["sampled"]), (&large(1), &1.into()), "what lies in files is not compared");
    let edited = patch(&api, &letter, &read["revision"], json!({ "args": large(3) })).await.expect(200).body;
    assert_eq!(edited["args"], large(3));
    assert_eq!(edited["diff"], json!([{ "pointer": "/n", "before": 1, "after": 3 }]));
    let wish = json!({ "ids": [id], "args_patch": { "n": 4 }, "dry_run": true });
    let preview = api.post(&api.operator, "/v1/dead-letters/replay", wish).await.expect(200).body;
    assert_eq!(preview["preview"][0]["diff"], json!([{ "pointer": "/n", "before": 3, "after": 4 }]));
    let list = api.get(&api.operator, "/v1/dead-letters?queue=q").await.expect(200).body;
    assert!(list["items"].as_array().expect("items").iter().any(|item| item["id"] == *id && item["args"].is_null()), "{list}");

    let exported = api.get(&api.operator, "/v1/dead-letters/export").await.expect(200).text;
    let elsewhere = Harness::new().await;
    for again in [false, true] {
        let sent = request(&elsewhere.operator, "POST", "/v1/dead-letters/import").body(Body::from(exported.clone())).expect("a request");
        let told = elsewhere.send(sent).await.expect(200).body;
        let want = if again { json!([0, 2]) } else { json!([2, 0]) };
        assert_eq!(json!([told["imported"], told["duplicates"]]), want, "{told}");
    }
    let found = elsewhere.get(&elsewhere.operator, "/v1/dead-letters?queue=q").await.expect(200).body;
    let mut all = Vec::new();
    for item in found["items"].as_array().expect("items") {
        let there = item["id"].as_str().expect("an id");
        all.push(elsewhere.get(&elsewhere.operator, &format!("/v1/dead-letters/{there}")).await.expect(200).body["args"].clone());
    }
    all.sort_by_key(|args| args["n"].as_u64());
    assert_eq!(all, [json!({ "n": 2 }), large(3)]);
    assert_ne!(other, id);
}

async fn a_lost_file_is_told_and_hides_nothing_else(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q", "args": large(1) })).await;
    die(&api, "q", "no").await;
    let path = file(&api, &id).await;
    let whole = std::fs::read(&path).expect("the file");
    std::fs::write(&path, b"changed").expect("written");
    assert_eq!(shown(&api, &id).await["large"]["args"]["fault"], "files.damaged");
    std::fs::remove_file(&path).expect("removed");
    let job = shown(&api, &id).await;
    assert_eq!((&job["args"], &job["large"]["args"]["fault"], &job["state"]), (&Value::Null, &"files.missing".into(), &"dead".into()));
    api.post(&api.operator, &format!("/v1/jobs/{id}/retry"), Value::Null).await.problem(500, "files.missing");
    api.get(&api.operator, "/v1/dead-letters/export").await.problem(500, "files.missing");
    let letter = format!("/v1/dead-letters/{id}");
    let edited = patch(&api, &letter, &job["revision"], json!({ "args": { "n": 2 } })).await.expect(200).body;
    assert_eq!(edited["args"], json!({ "n": 2 }), "a letter whose args are lost can be given others");
    std::fs::write(&path, whole).expect("written");
    api.post(&api.operator, &format!("/v1/jobs/{id}/retry"), Value::Null).await.expect(200);
}

async fn without_a_place_nothing_is_enqueued(api: Harness) {
    std::fs::write(api.dir.path().join("files/jobs"), "").expect("a file where a folder would be");
    let refused = api.post(&api.operator, "/v1/jobs", json!({ "kind": "demo.echo", "queue": "q", "args": large(1) })).await;
    let refused = refused.problem(503, "files.unavailable");
    assert!(!refused.text.contains(&api.dir.path().display().to_string()), "a caller learns no path: {}", refused.text);
    assert!(refused.headers.contains_key("retry-after"));
    api.echo(&api.operator, json!({ "queue": "q" })).await;
    let page = api.get(&api.operator, "/v1/jobs?queue=q").await.expect(200).body;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    let jobs = [large(1), json!({})].map(|args| json!({ "kind": "demo.echo", "args": args }));
    let results = api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": jobs })).await.expect(202).body["results"].clone();
    assert_eq!(results[0]["error"]["code"], "files.unavailable");
    assert!(results[1]["id"].is_string());
    std::fs::remove_file(api.dir.path().join("files/jobs")).expect("removed");
    api.echo(&api.operator, json!({ "args": large(1) })).await;
}

async fn the_newest_args_replace_those_before(api: Harness) {
    let wish = |n: u64| json!({ "delay_ms": 60_000, "args": large(n), "unique": { "key": "k", "mode": "replace" } });
    let id = api.echo(&api.operator, wish(1)).await;
    assert_eq!(api.echo(&api.operator, wish(2)).await, id);
    assert_eq!(shown(&api, &id).await["args"], large(2));
    let left = files(&api);
    assert!(left.len() == 2 && left.iter().all(|file| file.starts_with(&format!("jobs/default/{id}/"))), "{left:?}");
    let keep = |n: u64| json!({ "args": large(n), "unique": { "key": "kept", "mode": "keep" } });
    let first = api.echo(&api.operator, keep(3)).await;
    assert_eq!(api.echo(&api.operator, keep(4)).await, first);
    assert_eq!((shown(&api, &first).await["args"].clone(), files(&api).len()), (large(3), 3));
}

async fn a_schedule_may_have_large_args(api: Harness) {
    let body = json!({ "every_ms": 3_600_000, "kind": "demo.echo", "args": large(1) });
    let path = "/v1/schedules/nightly";
    let dry = api.call(&api.operator, "PUT", &format!("{path}?dry_run=true"), body.clone()).await.expect(200).body;
    assert_eq!((&dry["args"], files(&api).len()), (&large(1), 0));
    assert_eq!(api.call(&api.operator, "PUT", path, body).await.expect(200).body["args"], large(1));
    assert_eq!(api.get(&api.operator, path).await.expect(200).body["args"], large(1));
    let list = api.get(&api.operator, "/v1/schedules").await.expect(200).body;
    assert_eq!(list["items"][0]["args"], Value::Null);
    assert_eq!(list["items"][0]["large_args"]["bytes"], large(1).to_string().len());
    let run = api.post(&api.operator, &format!("{path}/run"), Value::Null).await;
    let run = run.body["job"].as_str().or(run.body["id"].as_str()).unwrap_or_else(|| panic!("{}", run.text)).to_owned();
    assert_eq!(shown(&api, &run).await["args"], large(1));
    assert_eq!(files(&api).len(), 2, "the run has a file of its own");
    std::fs::remove_dir_all(api.dir.path().join("files/schedules")).expect("removed");
    let lost = api.get(&api.operator, path).await.expect(200).body;
    assert_eq!((&lost["args"], &lost["large_args"]["fault"]), (&Value::Null, &"files.missing".into()));
    assert_eq!(shown(&api, &run).await["args"], large(1));
}

async fn a_large_output_is_shown(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    let job = api.job(&id).await;
    let output = api.state.checker.blobs().keep(&job.queue, job.id, &raw(&large(5))).await.expect("kept");
    api.run("q", |_| Outcome::Complete { output: Some(output.clone()) }).await;
    let job = shown(&api, &id).await;
    assert_eq!((&job["output"], &job["large"]["output"]["bytes"]), (&large(5), &large(5).to_string().len().into()));
}

#[tokio::test]
async fn a_process_that_cannot_reach_its_files_is_not_ready() {
    let api = Harness::new().await;
    api.get("", "/readyz").await.expect(200);
    let aws = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    let aws = aws.map(|(name, value)| (name.to_owned(), longshore_config::Secret::new(value.to_owned()))).into_iter().collect();
    let files = Files::open("s3://bucket", FilesOptions { aws, patience: std::time::Duration::ZERO, ..FilesOptions::default() });
    let checker = Checker::new(Arc::clone(&api.broker) as Arc<dyn Broker>, Arc::new(api.clock.clone()));
    let checker = Arc::new(checker.with_blobs(Blobs::new(files.expect("it opens"))));
    let away = Harness { router: crate::router(crate::ApiState { checker, ..api.state.clone() }), ..api };
    let told = away.get("", "/readyz").await.problem(503, "files.unavailable");
    assert_eq!(told.pointers(), ["/files"]);
}
