//! Dead letters as JSON lines: what goes out comes in again, here and elsewhere, and a wrong line harms no other.

use super::{
    flaky::Cut,
    harness::{Answer, Harness, NOW, on_both, request},
    letters::{die, letter, text},
};
use crate::Limits;
use axum::body::Body;
use longshore_queue::{Broker, ErrorInfo, Outcome, Replay, State};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    what_goes_out_comes_in_elsewhere,
    an_export_is_filtered_and_each_callers_own,
    the_same_file_again_makes_no_second_letter,
    a_broken_line_is_told_and_the_others_go_in,
    a_tenant_brings_its_own_letters,
    an_id_that_is_taken_elsewhere_is_made_anew,
    an_import_that_was_cut_off_goes_on,
);

async fn export(api: &Harness, key: &str, query: &str) -> Vec<Value> {
    let answer = api.get(key, &format!("/v1/dead-letters/export?{query}")).await.expect(200);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    assert!(answer.text.is_empty() || answer.text.ends_with('\n'));
    answer.text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn file(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn import(api: &Harness, key: &str, file: impl Into<Body>) -> Answer {
    api.send(request(key, "POST", "/v1/dead-letters/import").body(file.into()).expect("a request")).await
}

/// How many lines were read, are new, were there, were refused.
fn told(answer: &Answer) -> [u64; 4] {
    ["lines", "imported", "duplicates", "refused_count"].map(|field| answer.body[field].as_u64().expect("a count"))
}

fn line(more: Value) -> Value {
    let mut line = json!({ "id": "0199b0c4-0000-7000-8000-000000000001", "kind": "demo.echo", "queue": "q", "args": {}, "reason": "fatal",
        "ended_at": longshore_base::rfc3339(NOW - 5_000) });
    for (field, value) in more.as_object().into_iter().flatten() {
        line[field] = value.clone();
    }
    line
}

/// A letter with everything that one can have.
async fn rich(api: &Harness) -> String {
    let job = json!({ "kind": "demo.echo", "args": { "n": 1.50, "text": "Zoë\n" }, "queue": "rich", "tenant": "acme", "client": "shop", "priority": 7,
        "tags": ["red", "blue"], "attempts_max": 3, "timeout_ms": 7_000, "unique": { "key": "k", "mode": "throttle", "window_ms": 500 } });
    let id = api.post(&api.operator, "/v1/jobs", job).await.expect(202).id();
    let error = ErrorInfo { code: "demo.failed".into(), message: "first \"x\"".into(), fingerprint: "first".into() };
    api.run("rich", |_| Outcome::Retry { after: Duration::ZERO, error: error.clone() }).await;
    api.broker.retry_now(&longshore_queue::Scope::All, id.parse().expect("an id")).await.ok();
    assert_eq!(die(api, "rich", "then 2").await, 1);
    id
}

/// What a letter says, but for what an import cannot keep.
async fn kept(api: &Harness, id: &str) -> Value {
    let mut body = api.get(&api.operator, &format!("/v1/dead-letters/{id}")).await.expect(200).body;
    for field in ["id", "created_at", "timeline", "run_at"] {
        body.as_object_mut().expect("an object").remove(field);
    }
    body
}

async fn what_goes_out_comes_in_elsewhere(api: Harness) {
    let id = rich(&api).await;
    letter(&api, &api.other, "q", json!({ "n": 2 }), "account 1 is closed").await;
    letter(&api, &api.other, "q2", json!({ "n": 3 }), "account 2 is closed").await;
    let lines = export(&api, &api.operator, "").await;
    assert_eq!(lines.len(), 3);

    let there = Harness::new().await;
    // Other queues came first there, so that these have other numbers.
    there.make_queue("first").await;
    there.make_queue("q2").await;
    there.clock.advance(Duration::from_secs(60));
    let answer = import(&there, &there.operator, file(&lines)).await.expect(200);
    assert_eq!(told(&answer), [3, 3, 0, 0], "{}", answer.text);
    let again = export(&there, &there.operator, "").await;
    let brought = again.iter().find(|line| line["queue"] == "rich").expect("the rich one");
    assert_eq!(kept(&there, &text(brought, "id")).await, kept(&api, &id).await);
    let groups = |body: Value| {
        let mut groups = body["groups"].as_array().expect("groups").clone();
        groups.sort_by_key(|group| text(group, "fingerprint"));
        groups
    };
    let (here, elsewhere) =
        (api.get(&api.operator, "/v1/dead-letters/groups").await.body, there.get(&there.operator, "/v1/dead-letters/groups").await.body);
    assert_eq!(groups(elsewhere), groups(here), "counts, hours and samples are the same");
    // It is a letter like any other: it can be repeated, and runs.
    let letter = there.job(&text(brought, "id")).await;
    assert_eq!(letter.history.last().map(|event| event.what), Some(longshore_queue::EventKind::Imported));
    let replay = Replay { id: letter.id, new_id: Replay::id_of(letter.id, letter.id), args: None };
    there.broker.replay(&longshore_queue::Scope::All, vec![replay]).await.expect("an answer").remove(0).expect("repeated");
    assert_eq!(there.run("rich", |_| Outcome::Complete { output: None }).await, 1);
}

async fn an_export_is_filtered_and_each_callers_own(api: Harness) {
    let own = letter(&api, &api.acme, "q", json!({ "n": 1 }), "x").await;
    letter(&api, &api.acme, "q2", json!({ "n": 2 }), "y").await;
    letter(&api, &api.other, "q", json!({ "n": 1 }), "x").await;
    api.echo(&api.acme, json!({ "queue": "q" })).await;
    assert_eq!(export(&api, &api.operator, "").await.len(), 3);
    let lines = export(&api, &api.acme, "queue=q&args=%7B%22%2Fn%22%3A1%7D&text=x").await;
    assert_eq!(lines.iter().map(|line| text(line, "id")).collect::<Vec<_>>(), [own]);
    assert!(export(&api, &api.acme, "tag=none").await.is_empty());
    let refused = api.get(&api.acme, "/v1/dead-letters/export?tenant=other&limit=1").await.problem(422, "request.invalid");
    assert_eq!(refused.pointers(), ["/limit", "/tenant"]);
}

#[tokio::test]
async fn an_export_goes_on_over_pages() {
    let api = Harness::new().await;
    let jobs: Vec<_> = (0..250).map(|n| json!({ "kind": "demo.echo", "args": { "n": n } })).collect();
    api.post(&api.operator, "/v1/jobs/batch", json!({ "jobs": jobs })).await.expect(202);
    while die(&api, "default", "x").await > 0 {}
    let lines = export(&api, &api.operator, "").await;
    let numbers: std::collections::BTreeSet<_> = lines.iter().filter_map(|line| line["args"]["n"].as_u64()).collect();
    assert_eq!((lines.len(), numbers.len()), (250, 250), "each once");
    let there = Harness::new().await;
    assert_eq!(told(&import(&there, &there.operator, file(&lines)).await.expect(200)), [250, 250, 0, 0]);
}

async fn the_same_file_again_makes_no_second_letter(api: Harness) {
    letter(&api, &api.acme, "q", json!({}), "x").await;
    letter(&api, &api.acme, "q", json!({}), "x").await;
    let lines = export(&api, &api.operator, "").await;
    assert_eq!(told(&import(&api, &api.operator, file(&lines)).await.expect(200)), [2, 0, 2, 0], "they never left");
    let there = Harness::new().await;
    there.make_queue("other").await;
    // The letters ended before now there too: an export holds what had ended when it began.
    there.clock.advance(Duration::from_secs(60));
    let twice = [lines.clone(), lines.clone()].concat();
    assert_eq!(told(&import(&there, &there.operator, file(&twice)).await.expect(200)), [4, 2, 2, 0], "twice in one file");
    assert_eq!(told(&import(&there, &there.operator, file(&lines)).await.expect(200)), [2, 0, 2, 0]);
    let brought = export(&there, &there.operator, "").await;
    assert_eq!(told(&import(&there, &there.operator, file(&brought)).await.expect(200)), [2, 0, 2, 0], "by the ids that they have there");
    // What was removed comes back, and what was repeated does not.
    let id = text(&brought[0], "id").parse().expect("an id");
    assert_eq!(there.broker.purge(&longshore_queue::Scope::All, &[id]).await.expect("an answer"), [true]);
    let other = text(&brought[1], "id").parse().expect("an id");
    let replay = Replay { id: other, new_id: Replay::id_of(other, other), args: None };
    there.broker.replay(&longshore_queue::Scope::All, vec![replay]).await.expect("an answer").remove(0).expect("repeated");
    assert_eq!(told(&import(&there, &there.operator, file(&lines)).await.expect(200)), [2, 1, 1, 0]);
    assert_eq!(export(&there, &there.operator, "").await.len(), 1);
}

async fn a_broken_line_is_told_and_the_others_go_in(api: Harness) {
    let id = |n: u32| json!({ "id": format!("0199b0c4-0000-7000-8000-{n:012}") });
    let with = |n: u32, more: Value| {
        let mut line = line(id(n));
        more.as_object().into_iter().flatten().for_each(|(field, value)| line[field] = value.clone());
        line.to_string()
    };
    let later = longshore_base::rfc3339(NOW + 3_600_000);
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    let bad = [
        ("{not json".to_owned(), "not JSON"),
        ("[]".to_owned(), "wrong type"),
        ("{}".to_owned(), "/ended_at"),
        (with(1, json!({ "kind": "demo.ekko" })), "/kind"),
        (with(1, json!({ "kind": "dead_letters.purge", "args": { "filter": {}, "before": 1 } })), "/kind"),
        (with(1, json!({ "kind": "demo.sleep", "args": { "ms": "long" } })), "/args/ms"),
        (with(1, json!({ "queue": "operations" })), "/queue"),
        (with(1, json!({ "tenant": "operations" })), "/tenant"),
        (with(1, json!({ "id": "x" })), "/id"),
        (with(1, json!({ "colour": 1, "priority": 10 })), "/colour"),
        (with(1, json!({ "reason": "bored" })), "bored"),
        (with(1, json!({ "reason": "cancelled" })), "/reason"),
        (with(1, json!({ "ended_at": later })), "/ended_at"),
        (with(1, json!({ "started_at": longshore_base::rfc3339(NOW) })), "/started_at"),
        (with(1, json!({ "history": [{ "at": later, "what": "died" }] })), "/history/0/at"),
        (with(1, json!({ "unique": { "key": "k", "mode": "throttle" } })), "/unique/window_ms"),
        (format!("{{\"args\": {deep}}}"), "deeper"),
        ("x".repeat(longshore_jobs::BLOB_MAX + 3 * 1024 * 1024), "bytes"),
    ];
    let mut lines = vec![with(100, json!({}))];
    for (n, (bad, _)) in bad.iter().enumerate() {
        lines.push(bad.clone());
        lines.push(if n % 3 == 0 { String::new() } else { with(101 + n as u32, json!({})) });
    }
    let answer = import(&api, &api.operator, lines.join("\n")).await.expect(200);
    let good = lines.len() - bad.len() - bad.len().div_ceil(3);
    assert_eq!(told(&answer), [lines.len() as u64, good as u64, 0, bad.len() as u64], "{}", answer.text);
    let refused = answer.body["refused"].as_array().expect("refused");
    for (n, ((_, part), refused)) in bad.iter().zip(refused).enumerate() {
        assert_eq!(refused["line"], 2 * n + 2, "numbers count from 1, and empty lines too");
        assert!(text(refused, "reason").contains(part), "{part}: {refused}");
    }
    assert_eq!(export(&api, &api.operator, "").await.len(), good);
}

async fn a_tenant_brings_its_own_letters(api: Harness) {
    letter(&api, &api.acme, "q", json!({}), "x").await;
    let lines = export(&api, &api.acme, "").await;
    let answer = import(&api, &api.other, file(&lines)).await.expect(200);
    assert_eq!(told(&answer), [1, 0, 0, 1]);
    assert!(text(&answer.body["refused"][0], "reason").starts_with("/tenant"), "{}", answer.text);
    let nowhere = import(&api, &api.acme, file(&[line(json!({ "queue": "never-made" })), line(json!({}))])).await.expect(200);
    assert_eq!(told(&nowhere), [2, 1, 0, 1], "a tenant's key makes no queues");
    assert!(text(&nowhere.body["refused"][0], "reason").starts_with("/queue"), "{}", nowhere.text);
    let own = export(&api, &api.acme, "").await;
    assert_eq!(own.iter().map(|line| text(line, "tenant")).collect::<Vec<_>>(), ["acme", "acme"], "the key's tenant, where none is named");
    let refused = import(&api, &api.acme, file(&[line(json!({ "tenant": "operations" }))])).await.expect(200);
    assert_eq!(told(&refused), [1, 0, 0, 1]);
}

async fn an_id_that_is_taken_elsewhere_is_made_anew(api: Harness) {
    let taken = letter(&api, &api.other, "q", json!({ "secret": 1 }), "x").await;
    let mine = line(json!({ "id": taken, "args": { "mine": true } }));
    for imported in [1, 0] {
        let answer = import(&api, &api.acme, file(std::slice::from_ref(&mine))).await.expect(200);
        assert_eq!(told(&answer), [1, imported, 1 - imported, 0], "another tenant's job does not exist: {}", answer.text);
    }
    let own = export(&api, &api.acme, "").await;
    assert_eq!((own.len(), &own[0]["args"]), (1, &json!({ "mine": true })));
    assert_ne!(text(&own[0], "id"), taken);
    let others = api.job(&taken).await;
    assert_eq!((others.args.get(), others.state), (r#"{"secret":1}"#, State::Dead), "nobody changed it");
    // A living job of one's own is there before, and stays what it is.
    let living = api.echo(&api.acme, json!({ "queue": "q" })).await;
    let answer = import(&api, &api.acme, file(&[line(json!({ "id": living }))])).await.expect(200);
    assert_eq!(told(&answer), [1, 0, 1, 0]);
    assert_eq!(api.job(&living).await.state, State::Ready);
}

async fn an_import_that_was_cut_off_goes_on(api: Harness) {
    api.make_queue("q").await;
    let some = |from: u32, count: u32| -> Vec<Value> {
        (from..from + count).map(|n| line(json!({ "id": format!("0199b0c4-0000-7000-8000-{n:012}") }))).collect()
    };
    api.broker.cut([Cut::After, Cut::Before]);
    let sent = import(&api, &api.operator, file(&some(0, 3)));
    tokio::pin!(sent);
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut sent => break answer,
            () = tokio::task::yield_now() => api.clock.advance(Duration::from_millis(10)),
        }
    };
    let counts = told(&answer.expect(200));
    assert_eq!((counts[0], counts[1] + counts[2], counts[3]), (3, 3, 0), "a lost answer is asked for again");
    assert_eq!(export(&api, &api.operator, "").await.len(), 3);

    // A body that breaks off: what came before is in.
    let parts = vec![Ok(file(&some(3, 2))), Err(std::io::Error::other("cut"))];
    let broken = import(&api, &api.operator, Body::from_stream(futures::stream::iter(parts))).await.problem(400, "request.malformed");
    assert!(broken.text.contains("The first 2 lines are done with: 2 letters are new"), "{}", broken.text);
    assert_eq!(told(&import(&api, &api.operator, file(&some(3, 3))).await.expect(200)), [3, 1, 2, 0]);
    // The memory is full: nothing more goes in, and that is told.
    api.broker.cut([Cut::Full]);
    let full = import(&api, &api.operator, file(&some(6, 1))).await.problem(503, "queue.full");
    assert!(full.text.contains("The first 0 lines are done with"), "{}", full.text);
    assert_eq!(export(&api, &api.operator, "").await.len(), 6);
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused() {
    let api = Harness::with(Limits { body_bytes_max: 1_000, ..Limits::default() }).await;
    let lines: String = (0..10).map(|n| format!("{}\n", line(json!({ "id": format!("0199b0c4-0000-7000-8000-{n:012}") })))).collect();
    let parts = lines.as_bytes().chunks(100).map(|part| Ok::<_, std::io::Error>(part.to_vec())).collect::<Vec<_>>();
    let refused = import(&api, &api.operator, Body::from_stream(futures::stream::iter(parts))).await.problem(413, "request.too_large");
    assert!(refused.text.contains("lines are done with"), "{}", refused.text);
    let sent = request(&api.operator, "POST", "/v1/dead-letters/import").header("content-length", "1001");
    let whole = api.send(sent.body(Body::empty()).expect("a request")).await.problem(413, "request.too_large");
    assert!(whole.text.contains("1000 bytes"), "{}", whole.text);
    assert_eq!(told(&import(&api, &api.operator, "").await.expect(200)), [0, 0, 0, 0]);
}
