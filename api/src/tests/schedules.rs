//! Schedules: what is refused, what is filled in, who may ask, and what a run, a preview and a backfill answer.

use super::{
    flaky::Cut,
    harness::{Answer, Harness, NOW, on_both, request},
    outages::post,
};
use axum::body::Body;
use longshore_base::Name;
use longshore_queue::{Broker, Fire, FireTick, Outcome, Plan, Timetable, Turn};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    what_is_not_said_is_filled_in,
    a_kinds_own_schedule_is_taken_over,
    a_revision_keeps_changes_apart,
    a_dry_run_writes_nothing,
    a_pause_is_told_with_its_reason,
    tenants_are_apart,
    pages_go_on,
    a_run_by_hand_is_one_job_under_a_key,
    ticks_are_told_with_their_jobs,
    a_held_tick_says_what_holds_it,
    a_backfill_counts_its_ticks,
    an_operation_is_a_view_of_its_job,
);

/// A schedule with these fields besides the kind and its args.
fn body(more: Value) -> Value {
    let mut body = json!({ "kind": "demo.echo", "args": {} });
    for (field, value) in more.as_object().into_iter().flatten() {
        body[field] = value.clone();
    }
    body
}

fn daily(more: Value) -> Value {
    let mut body = body(more);
    body["cron"] = "0 3 * * *".into();
    body
}

async fn put(api: &Harness, name: &str, body: Value) -> Answer {
    api.call(&api.operator, "PUT", &format!("/v1/schedules/{name}"), body).await
}

async fn with(api: &Harness, header: (&str, &str), method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    api.send(request(&api.operator, method, path).header(header.0, header.1).body(body).expect("a request")).await
}

/// Does what a scheduler does about everything that is due.
async fn look(api: &Harness, queue: &'static str) -> usize {
    let queue = Name::literal(queue);
    let due = api.broker.due_schedules(&queue, 100).await.expect("due");
    let mut fires = Vec::new();
    for state in due.due {
        let schedule = &state.schedule;
        let timetable = Timetable::new(&schedule.timing, &schedule.tenant, &schedule.name, state.created_at).expect("a timetable");
        let plan = Plan::new(&timetable, schedule.missed, state.cursor, due.now);
        let mut ticks = Vec::new();
        for at in plan.ticks {
            let job = api.state.checker.tick(&state, at).await.map(Box::new).map_err(|error| error.told());
            ticks.push(FireTick { at, due_at: timetable.due(at), job });
        }
        let turn = Turn::Advance { revision: state.revision, from: state.cursor, to: plan.cursor, next_at: plan.next_at };
        let (tenant, name, incarnation) = (schedule.tenant.clone(), schedule.name.clone(), state.incarnation);
        fires.push(Fire { tenant, name, incarnation, turn, missed: plan.missed, ticks });
    }
    let fired = api.broker.fire(&queue, fires).await.expect("fires");
    fired.into_iter().map(|fired| fired.expect("fired").len()).sum()
}

#[tokio::test]
async fn every_fault_of_a_schedule_has_its_pointer() {
    let api = Harness::new().await;
    let many: Vec<_> = (0..21).map(|n| format!("t{n}")).collect();
    let cases: Vec<(Value, &[&str])> = vec![
        (json!([]), &[""]),
        (json!({}), &["/kind"]),
        (json!({ "kind": "demo.echo" }), &["/args", "/cron"]),
        (body(json!({})), &["/cron"]),
        (body(json!({ "cron": "@daily", "every_ms": 1000 })), &["/every_ms"]),
        (body(json!({ "cron": 5 })), &["/cron"]),
        (body(json!({ "cron": "61 * * * *" })), &["/cron"]),
        (body(json!({ "cron": "0 0 31 2 *" })), &["/cron"]),
        (body(json!({ "every_ms": 999 })), &["/every_ms"]),
        (body(json!({ "every_ms": "5m" })), &["/every_ms"]),
        (daily(json!({ "timezone": "Europe/Berln" })), &["/timezone"]),
        (
            daily(json!({ "gap": "soon", "repeated_hour": "never", "missed": "some", "overlap": "maybe" })),
            &["/gap", "/missed", "/overlap", "/repeated_hour"],
        ),
        (daily(json!({ "missed_max": 5 })), &["/missed_max"]),
        (daily(json!({ "missed": "latest", "missed_max": 5 })), &["/missed_max"]),
        (daily(json!({ "missed": "all", "missed_max": 0 })), &["/missed_max"]),
        (daily(json!({ "missed": "all", "missed_max": 10_001 })), &["/missed_max"]),
        (daily(json!({ "starts_at": "2027-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z" })), &["/ends_at"]),
        (daily(json!({ "starts_at": "tomorrow" })), &["/starts_at"]),
        (daily(json!({ "spread_ms": 40_000_000_000_u64 })), &["/spread_ms"]),
        (daily(json!({ "tags": many })), &["/tags"]),
        (
            daily(json!({ "priority": 10, "client": "a b", "queue": "!", "managed_by": "" })),
            &["/client", "/managed_by", "/priority", "/queue"],
        ),
        (daily(json!({ "colour": "red", "tenant": "acme" })), &["/colour", "/tenant"]),
        // All at once: of the fields, of the timing, of the args.
        (
            json!({ "kind": "demo.sleep", "args": { "ms": "x" }, "cron": "61 * * * *", "timezone": "Mars", "missed_max": 3, "colour": 1 }),
            &["/args/ms", "/colour", "/cron", "/missed_max", "/timezone"],
        ),
        (json!({ "kind": "demo.ekko", "args": {}, "cron": "61 * * * *" }), &["/cron", "/kind"]),
    ];
    for (body, pointers) in cases {
        for query in ["", "?dry_run=true"] {
            let answer = put(&api, &format!("s{query}"), body.clone()).await.problem(422, "request.invalid");
            let mut told = answer.pointers();
            told.dedup();
            assert_eq!(told, pointers, "{body}: {}", answer.text);
        }
    }
    let of_the_kind = put(&api, "s", json!({ "kind": "demo.sleep", "args": {}, "cron": "@daily" })).await;
    assert_eq!(of_the_kind.problem(422, "jobs.args_invalid").pointers(), ["/args/ms"]);
    let unknown = put(&api, "s", json!({ "kind": "demo.ekko", "args": {}, "cron": "@daily" })).await.problem(422, "jobs.kind_unknown");
    assert!(unknown.pointers() == ["/kind"] && unknown.text.contains("demo.echo"), "{}", unknown.text);
    let zone = put(&api, "s", daily(json!({ "timezone": "Europe/Berln" }))).await;
    assert!(zone.text.contains("Europe/Berlin"), "the nearest name is offered: {}", zone.text);
    assert_eq!(api.get(&api.operator, "/v1/schedules").await.body["items"], json!([]), "nothing was made");
    for (path, pointers) in
        [("s?tenant=a%20b", ["/tenant"]), ("s?dry_run=maybe", ["/dry_run"]), ("s?colour=red", ["/colour"]), ("a%20b", ["/name"])]
    {
        assert_eq!(put(&api, path, daily(json!({}))).await.problem(422, "request.invalid").pointers(), pointers, "{path}");
    }
}

async fn what_is_not_said_is_filled_in(api: Harness) {
    let made = put(&api, "nightly", daily(json!({}))).await.expect(200);
    assert_eq!(made.headers["etag"], "\"1\"");
    let mut told = made.body.clone();
    let (created, next) = (told["created_at"].take(), told["next_at"].take());
    told["changed_at"].take();
    assert_eq!(
        told,
        json!({ "name": "nightly", "tenant": "default", "cron": "0 3 * * *", "timezone": "UTC", "kind": "demo.echo", "args": {},
            "queue": "default", "client": null, "priority": 5, "tags": [], "gap": "next", "repeated_hour": "once", "missed": "latest",
            "overlap": "allow", "spread_ms": 0, "starts_at": null, "ends_at": null, "paused": null, "managed_by": null, "revision": 1,
            "created_at": null, "changed_at": null, "next_at": null, "last_tick": null, "last_job": null, "held_job": null, "late": false,
            "late_ms": null })
    );
    // NOW is 2027-01-15T08:00:00Z. Nobody has looked at it yet, and the time is told all the same.
    assert_eq!((created, next), (json!("2027-01-15T08:00:00.000Z"), json!("2027-01-16T03:00:00.000Z")));
    assert_eq!(api.get(&api.operator, "/v1/schedules/nightly").await.expect(200).body, made.body);
    assert_eq!(look(&api, "default").await, 0, "a look finds no tick, and keeps when the next one is");
    assert_eq!(api.get(&api.operator, "/v1/schedules/nightly").await.body["next_at"], "2027-01-16T03:00:00.000Z");

    let all = json!({ "missed": "all", "every_ms": 90_000, "timezone": "Asia/Tokyo", "gap": "skip", "repeated_hour": "twice",
        "overlap": "cancel", "spread_ms": 1000, "starts_at": "2027-01-15T10:00:00+01:00", "ends_at": "2028-01-01T00:00:00Z", "queue": "other",
        "client": "shop", "priority": 9, "tags": ["a", "b"], "managed_by": "crontab", "args": { "n": 1 } });
    let full = put(&api, "nightly", body(all)).await.expect(200).body;
    assert_eq!((&full["missed"], &full["missed_max"], &full["cron"]), (&json!("all"), &json!(100), &Value::Null));
    assert_eq!((&full["starts_at"], &full["revision"]), (&json!("2027-01-15T09:00:00.000Z"), &json!(2)));
    assert_eq!((&full["every_ms"], &full["queue"], &full["tags"]), (&json!(90_000), &json!("other"), &json!(["a", "b"])));
    let next = full["next_at"].as_str().expect("a time");
    assert!(next.starts_with("2027-01-15T09:00:0"), "the first tick and its part of the spread: {next}");
}

async fn a_kinds_own_schedule_is_taken_over(api: Harness) {
    let kind = |schedule: Value| {
        json!({ "version": 1, "schedule": schedule,
        "args_schema": { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } } })
    };
    let own = json!({ "cron": "30 4 * * *", "timezone": "Europe/Berlin", "spread_ms": 60_000, "args": { "n": 7 } });
    let bad: Vec<(Value, &[&str])> = vec![
        (json!({}), &["/schedule/cron"]),
        (json!({ "cron": "@daily", "every_ms": 5000 }), &["/schedule/every_ms"]),
        (
            json!({ "cron": "99 * * * *", "timezone": "Mars", "args": { "n": "x" } }),
            &["/schedule/args/n", "/schedule/cron", "/schedule/timezone"],
        ),
        (json!({ "cron": "@daily", "overlap": "skip" }), &["/schedule/overlap"]),
    ];
    for (schedule, pointers) in bad {
        let answer = api.call(&api.operator, "PUT", "/v1/kinds/own.sync", kind(schedule)).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), pointers, "{}", answer.text);
    }
    let shown = api.call(&api.operator, "PUT", "/v1/kinds/own.sync", kind(own.clone())).await.expect(200).body;
    assert_eq!((&shown["schedule"]["cron"], &shown["schedule"]["args"]), (&own["cron"], &own["args"]));

    let taken = put(&api, "sync", json!({ "kind": "own.sync" })).await.expect(200).body;
    let told = [&taken["cron"], &taken["timezone"], &taken["spread_ms"], &taken["args"]];
    assert_eq!(told, [&json!("30 4 * * *"), &json!("Europe/Berlin"), &json!(60_000), &json!({ "n": 7 })]);
    let partly =
        put(&api, "sync", json!({ "kind": "own.sync", "timezone": "UTC", "spread_ms": 0, "args": { "n": 8 } })).await.expect(200).body;
    assert_eq!(
        (&partly["timezone"], &partly["args"]["n"], &partly["next_at"]),
        (&json!("UTC"), &json!(8), &json!("2027-01-16T04:30:00.000Z"))
    );
    let other = put(&api, "sync", json!({ "kind": "own.sync", "every_ms": 5000 })).await.expect(200).body;
    let told = [&other["timezone"], &other["spread_ms"], &other["args"]];
    assert_eq!(told, [&json!("UTC"), &json!(0), &json!({ "n": 7 })], "a timing of its own takes the args alone");
}

async fn a_revision_keeps_changes_apart(api: Harness) {
    let path = "/v1/schedules/nightly";
    with(&api, ("if-match", "*"), "PUT", path, daily(json!({}))).await.problem(412, "schedules.revision_mismatch");
    with(&api, ("if-match", "\"1\""), "PUT", path, daily(json!({}))).await.problem(412, "schedules.revision_mismatch");
    with(&api, ("if-match", "\"0\""), "PUT", path, daily(json!({}))).await.expect(200);
    with(&api, ("if-match", "\"0\""), "PUT", path, daily(json!({}))).await.problem(412, "schedules.revision_mismatch");
    let two = with(&api, ("if-match", "\"1\""), "PUT", path, daily(json!({}))).await.expect(200);
    assert_eq!((&two.body["revision"], &two.headers["etag"]), (&json!(2), &"\"2\"".parse().expect("a header")));
    with(&api, ("if-match", "1"), "DELETE", path, Value::Null).await.problem(412, "schedules.revision_mismatch");
    with(&api, ("if-match", "1"), "POST", &format!("{path}/pause"), json!({})).await.problem(412, "schedules.revision_mismatch");
    with(&api, ("if-match", "2"), "DELETE", path, Value::Null).await.expect(204);
    for (method, below) in
        [("GET", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause"), ("POST", "/resume"), ("GET", "/next"), ("GET", "/ticks")]
    {
        api.call(&api.operator, method, &format!("{path}{below}"), Value::Null).await.problem(404, "schedules.not_found");
    }
    let range = json!({ "from": "2027-01-01T00:00:00Z", "to": "2027-01-02T00:00:00Z" });
    api.post(&api.operator, &format!("{path}/backfill"), range).await.problem(404, "schedules.not_found");
}

async fn a_dry_run_writes_nothing(api: Harness) {
    let tried = put(&api, "nightly?dry_run=true", daily(json!({ "queue": "brand-new" }))).await.expect(200).body;
    assert_eq!((&tried["revision"], &tried["next_at"]), (&json!(0), &json!("2027-01-16T03:00:00.000Z")));
    api.get(&api.operator, "/v1/schedules/nightly").await.problem(404, "schedules.not_found");
    let queues = api.broker.queues().await.expect("queues");
    assert!(queues.iter().all(|queue| queue.as_str() != "brand-new"), "{queues:?}");
    put(&api, "nightly", daily(json!({ "paused": true }))).await.expect(200);
    let tried = put(&api, "nightly?dry_run=true", body(json!({ "every_ms": 60_000, "paused": false }))).await.expect(200).body;
    assert_eq!((&tried["revision"], &tried["paused"], &tried["every_ms"]), (&json!(1), &Value::Null, &json!(60_000)));
    let kept = api.get(&api.operator, "/v1/schedules/nightly").await.expect(200).body;
    assert_eq!((&kept["revision"], &kept["cron"], &kept["paused"]["by"]), (&json!(1), &json!("0 3 * * *"), &json!("test")));
    with(&api, ("if-match", "7"), "PUT", "/v1/schedules/nightly?dry_run=true", daily(json!({})))
        .await
        .problem(412, "schedules.revision_mismatch");
}

async fn a_pause_is_told_with_its_reason(api: Harness) {
    put(&api, "nightly", daily(json!({}))).await.expect(200);
    let paused = api.post(&api.operator, "/v1/schedules/nightly/pause", json!({ "reason": "a deploy" })).await.expect(200).body;
    assert_eq!((&paused["paused"], &paused["next_at"]), (&json!({ "by": "test", "reason": "a deploy" }), &Value::Null));
    let kept = put(&api, "nightly", daily(json!({ "paused": true }))).await.expect(200).body;
    assert_eq!(kept["paused"]["reason"], "a deploy", "it was paused already, and stays as it was");
    assert_eq!(put(&api, "nightly", daily(json!({}))).await.expect(200).body["paused"]["reason"], "a deploy");
    let resumed = put(&api, "nightly", daily(json!({ "paused": false }))).await.expect(200).body;
    assert_eq!((&resumed["paused"], &resumed["next_at"]), (&Value::Null, &json!("2027-01-16T03:00:00.000Z")));
    api.post(&api.operator, "/v1/schedules/nightly/pause", Value::Null).await.expect(200);
    let resumed = api.post(&api.operator, "/v1/schedules/nightly/resume", Value::Null).await.expect(200).body;
    assert_eq!(resumed["paused"], Value::Null);
    for (body, pointer) in [(json!({ "reason": "x".repeat(257) }), "/reason"), (json!({ "until": "2027-02-01T00:00:00Z" }), "/until")] {
        let answer = api.post(&api.operator, "/v1/schedules/nightly/pause", body).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), [pointer]);
    }
}

async fn tenants_are_apart(api: Harness) {
    let path = "/v1/schedules/nightly";
    let own = api.call(&api.acme, "PUT", path, daily(json!({}))).await.expect(200).body;
    assert_eq!(own["tenant"], "acme");
    api.get(&api.other, path).await.problem(404, "schedules.not_found");
    api.get(&api.operator, path).await.problem(404, "schedules.not_found");
    api.get(&api.operator, &format!("{path}?tenant=acme")).await.expect(200);
    api.get(&api.acme, &format!("{path}?tenant=acme")).await.expect(200);
    for (method, below) in
        [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause"), ("POST", "/resume"), ("GET", "/next")]
    {
        let answer = api.call(&api.other, method, &format!("{path}{below}?tenant=acme"), Value::Null).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), ["/tenant"], "{method} {below}");
    }
    let made = api.call(&api.acme, "PUT", path, daily(json!({ "queue": "brand-new" }))).await.problem(422, "request.invalid");
    assert_eq!(made.pointers(), ["/queue"], "a tenant's key makes no queue");
    for (key, path, names) in [
        (&api.acme, "/v1/schedules", 1),
        (&api.other, "/v1/schedules", 0),
        (&api.operator, "/v1/schedules", 1),
        (&api.operator, "/v1/schedules?tenant=acme&queue=default", 1),
        (&api.operator, "/v1/schedules?tenant=other", 0),
        (&api.operator, "/v1/schedules?managed_by=crontab", 0),
    ] {
        assert_eq!(api.get(key, path).await.expect(200).body["items"].as_array().map(Vec::len), Some(names), "{path}");
    }
    assert_eq!(api.get(&api.acme, "/v1/schedules?tenant=other").await.problem(422, "request.invalid").pointers(), ["/tenant"]);
}

async fn pages_go_on(api: Harness) {
    for n in 0..5 {
        put(&api, &format!("s{n}"), daily(json!({ "managed_by": if n % 2 == 0 { "even" } else { "odd" } }))).await.expect(200);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&api.operator, &format!("/v1/schedules?managed_by=even&limit=2{cursor}")).await.expect(200).body;
        names.extend(page["items"].as_array().expect("items").iter().map(|item| item["name"].as_str().expect("a name").to_owned()));
        let Some(next) = page["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["s0", "s2", "s4"]);
    assert_eq!(api.get(&api.operator, "/v1/schedules?limit=0").await.problem(422, "request.invalid").pointers(), ["/limit"]);
}

async fn a_run_by_hand_is_one_job_under_a_key(api: Harness) {
    put(&api, "nightly", daily(json!({ "args": { "n": 3 }, "tags": ["t"], "paused": true }))).await.expect(200);
    let first = with(&api, ("idempotency-key", "k"), "POST", "/v1/schedules/nightly/run", Value::Null).await.expect(200);
    let again = with(&api, ("idempotency-key", "k"), "POST", "/v1/schedules/nightly/run", Value::Null).await.expect(200);
    assert_eq!(first.text, again.text);
    assert_eq!((&first.body["outcome"], &first.body["by_hand"]), (&json!("started"), &json!(true)));
    let job = first.body["job"].as_str().expect("a job").to_owned();
    let shown = api.get(&api.operator, &format!("/v1/jobs/{job}")).await.expect(200).body;
    assert_eq!((&shown["args"]["n"], &shown["tags"]), (&json!(3), &json!(["t"])));
    assert_eq!(shown["tick"], json!({ "schedule": "nightly", "at": "2027-01-15T08:00:00.000Z" }));
    let other = api.post(&api.operator, "/v1/schedules/nightly/run", Value::Null).await.expect(200).body;
    assert_ne!(other["job"], json!(job));
    let history = api.get(&api.operator, "/v1/schedules/nightly/ticks").await.expect(200).body;
    assert_eq!(history["ticks"].as_array().map(Vec::len), Some(2), "{history}");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_run() {
    let api = Harness::new().await;
    put(&api, "nightly", daily(json!({}))).await.expect(200);
    api.broker.cut([Cut::After, Cut::Before]);
    let told = post(&api, "/v1/schedules/nightly/run", Value::Null).await.expect(200).body;
    assert_eq!(told["outcome"], "started");
    let jobs = api.get(&api.operator, "/v1/jobs").await.expect(200).body;
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(1), "the repeat found the job");
    let history = api.get(&api.operator, "/v1/schedules/nightly/ticks").await.expect(200).body;
    assert_eq!(history["ticks"].as_array().map(Vec::len), Some(1));
    // A change with a revision would be refused by its own effect: it is not repeated, and told as it is.
    api.broker.cut([Cut::After]);
    with(&api, ("if-match", "1"), "PUT", "/v1/schedules/nightly", daily(json!({}))).await.problem(503, "queue.outcome_unknown");
    assert_eq!(api.get(&api.operator, "/v1/schedules/nightly").await.body["revision"], 2);
}

async fn ticks_are_told_with_their_jobs(api: Harness) {
    put(&api, "minutely", body(json!({ "every_ms": 60_000, "missed": "skip" }))).await.expect(200);
    look(&api, "default").await;
    api.clock.advance(Duration::from_millis(60_250));
    assert_eq!(look(&api, "default").await, 1);
    api.clock.advance(Duration::from_secs(150));
    let late = api.get(&api.operator, "/v1/schedules/minutely").await.expect(200).body;
    assert_eq!((&late["late"], &late["late_ms"]), (&json!(true), &json!(250)), "the next one is overdue, the last was not");
    assert_eq!(look(&api, "default").await, 1, "two are missed");
    let ticks = api.get(&api.operator, "/v1/schedules/minutely/ticks").await.expect(200).body;
    let told = |n: usize| {
        let tick = &ticks["ticks"][n];
        (tick["outcome"].as_str(), tick["count"].as_u64(), tick["late_ms"].as_u64(), tick["job"].is_string())
    };
    assert_eq!(told(1), (Some("started"), Some(1), Some(250), true));
    assert_eq!(told(0), (Some("missed"), Some(2), Some(90_250), false));
    assert_eq!(api.get(&api.operator, "/v1/schedules/minutely/ticks?limit=1").await.body["ticks"].as_array().map(Vec::len), Some(1));
    let state = api.get(&api.operator, "/v1/schedules/minutely").await.expect(200).body;
    assert_eq!(
        (&state["late"], &state["last_job"], &state["last_tick"]["outcome"]),
        (&json!(true), &ticks["ticks"][1]["job"], &json!("missed"))
    );
    assert_eq!(
        api.get(&api.operator, "/v1/schedules/minutely/ticks?limit=101").await.problem(422, "request.invalid").pointers(),
        ["/limit"]
    );
}

async fn a_held_tick_says_what_holds_it(api: Harness) {
    put(&api, "slow", daily(json!({ "overlap": "wait" }))).await.expect(200);
    let first = api.post(&api.operator, "/v1/schedules/slow/run", Value::Null).await.expect(200).body;
    let second = api.post(&api.operator, "/v1/schedules/slow/run", Value::Null).await.expect(200).body;
    assert_eq!((&first["outcome"], &second["outcome"]), (&json!("started"), &json!("held")));
    let third = api.post(&api.operator, "/v1/schedules/slow/run", Value::Null).await.expect(200).body;
    assert_eq!((&third["outcome"], &third["job"]), (&json!("overlapped"), &Value::Null));
    assert!(third["detail"].is_string(), "{third}");
    let (before, held) = (first["job"].as_str().expect("a job"), second["job"].as_str().expect("a job"));
    let why = api.get(&api.operator, &format!("/v1/jobs/{held}/why")).await.expect(200).body;
    let reason = &why["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["by"], &reason["change"]["path"]),
        (&json!("waiting"), &json!([before]), &json!(format!("/v1/jobs/{before}/cancel")))
    );
    let sentence =
        format!("its schedule `slow` holds the tick of 2027-01-15T08:00:00.000Z until the run before it, job {before}, has ended");
    assert_eq!(reason["detail"], sentence);
    api.run("default", |_| Outcome::Complete { output: Some(longshore_queue::json(&Value::Null)) }).await;
    assert_eq!(api.get(&api.operator, &format!("/v1/jobs/{held}")).await.body["state"], "ready");
}

#[tokio::test]
async fn the_next_ticks_are_told_in_the_zone() {
    let api = Harness::new().await;
    put(&api, "nightly", body(json!({ "timezone": "Europe/Berlin", "cron": "30 2 * * *" }))).await.expect(200);
    // The night in which 02:30 does not exist: the first instant after the gap.
    let next = api.get(&api.operator, "/v1/schedules/nightly/next?n=3&after=2027-03-27T00:00:00%2B01:00").await.expect(200).body;
    let told: Vec<_> = next["ticks"].as_array().expect("ticks").iter().map(|tick| (tick["at"].clone(), tick["local"].clone())).collect();
    assert_eq!(
        told,
        [
            (json!("2027-03-27T01:30:00.000Z"), json!("2027-03-27T02:30:00+01:00")),
            (json!("2027-03-28T01:00:00.000Z"), json!("2027-03-28T03:00:00+02:00")),
            (json!("2027-03-29T00:30:00.000Z"), json!("2027-03-29T02:30:00+02:00")),
        ]
    );
    let ten = api.get(&api.operator, "/v1/schedules/nightly/next").await.expect(200).body;
    assert_eq!((ten["ticks"].as_array().map(Vec::len), &ten["ticks"][0]["at"]), (Some(10), &json!("2027-01-16T01:30:00.000Z")));
    for (query, pointer) in [("n=0", "/n"), ("n=1001", "/n"), ("after=noon", "/after"), ("before=1", "/before")] {
        let answer = api.get(&api.operator, &format!("/v1/schedules/nightly/next?{query}")).await.problem(422, "request.invalid");
        assert_eq!(answer.pointers(), [pointer]);
    }
}

async fn a_backfill_counts_its_ticks(api: Harness) {
    put(&api, "minutely", body(json!({ "cron": "* * * * *" }))).await.expect(200);
    let path = "/v1/schedules/minutely/backfill";
    let range = |from: &str, to: &str| json!({ "from": from, "to": to });
    let bad = [
        (json!({}), vec!["/from", "/to"]),
        (range("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"), vec!["/to"]),
        (range("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z"), vec!["/to"]),
        (range("2016-12-31T00:00:00Z", "2027-01-02T00:00:00Z"), vec!["/to"]),
        (range("1969-01-01T00:00:00Z", "1970-01-02T00:00:00Z"), vec!["/from"]),
        (json!({ "from": "2027-01-01T00:00:00Z", "to": "2027-01-02T00:00:00Z", "per_second": 0 }), vec!["/per_second"]),
        (json!({ "from": "2027-01-01T00:00:00Z", "to": "2027-01-02T00:00:00Z", "per_second": 1001, "x": 1 }), vec!["/per_second", "/x"]),
        (range("yesterday", "2027-01-02T00:00:00Z"), vec!["/from"]),
        // Now is the fifteenth, eight o'clock: the next tick is the schedule's own.
        (range("2027-01-15T07:00:00Z", "2027-01-15T08:00:00.001Z"), vec!["/to"]),
    ];
    for (body, pointers) in bad {
        assert_eq!(api.post(&api.operator, path, body.clone()).await.problem(422, "request.invalid").pointers(), pointers, "{body}");
    }
    put(&api, "secondly", body(json!({ "every_ms": 1000 }))).await.expect(200);
    let million = range("2027-01-01T00:00:00Z", "2027-01-12T13:46:41Z");
    let refused = api.post(&api.operator, "/v1/schedules/secondly/backfill", million).await.problem(422, "request.invalid");
    assert!(refused.pointers() == ["/to"] && refused.text.contains("1000000"), "{}", refused.text);
    let none = api.post(&api.operator, path, range("2027-01-01T00:00:01Z", "2027-01-01T00:01:00Z")).await.expect(202).body;
    assert_eq!(none, json!({ "count": 0 }), "from counts, to does not");
    let some = api.post(&api.operator, path, range("2027-01-01T00:00:00Z", "2027-01-01T00:05:00Z")).await.expect(202).body;
    assert_eq!((&some["count"], some["operation"].is_string()), (&json!(5), true));

    // Seven days are 10,080 minutes, and 6 days and 22:40 are 10,000.
    let free = api.post(&api.operator, path, range("2027-01-01T00:00:00Z", "2027-01-07T22:40:00Z")).await.expect(202).body;
    assert_eq!(free["count"], 10_000);
    let mut large = range("2027-01-01T00:00:00Z", "2027-01-08T00:00:00Z");
    let key = ("idempotency-key", "large");
    let refused = with(&api, key, "POST", path, large.clone()).await.problem(409, "schedules.backfill_unconfirmed");
    assert_eq!(refused.body["count"], 10_080);
    large["confirm_count"] = 10_079.into();
    let refused = with(&api, key, "POST", path, large.clone()).await.problem(409, "schedules.backfill_unconfirmed");
    assert_eq!(refused.body["count"], 10_080);
    large["confirm_count"] = 10_080.into();
    let done = with(&api, key, "POST", path, large.clone()).await.expect(202);
    assert_eq!(with(&api, key, "POST", path, large).await.expect(202).text, done.text, "one operation under a key");
}

async fn an_operation_is_a_view_of_its_job(api: Harness) {
    api.call(&api.acme, "PUT", "/v1/schedules/minutely", body(json!({ "cron": "* * * * *" }))).await.expect(200);
    let range = json!({ "from": "2027-01-01T00:00:00Z", "to": "2027-01-01T00:05:00Z", "per_second": 2 });
    let made = api.post(&api.acme, "/v1/schedules/minutely/backfill", range).await.expect(202).body;
    let id = made["operation"].as_str().expect("an operation").to_owned();
    let path = format!("/v1/operations/{id}");
    let shown = api.get(&api.acme, &path).await.expect(200).body;
    assert_eq!((&shown["kind"], &shown["state"], &shown["schedule"]), (&json!("schedules.backfill"), &json!("ready"), &json!("minutely")));
    assert_eq!((&shown["made"], &shown["skipped"], &shown["total"], &shown["per_second"]), (&json!(0), &json!(0), &Value::Null, &json!(2)));
    assert_eq!((&shown["from"], &shown["to"]), (&json!("2027-01-01T00:00:00.000Z"), &json!("2027-01-01T00:05:00.000Z")));
    let job = api.job(&id).await;
    assert_eq!((job.tenant.as_str(), job.queue.as_str(), job.kind.as_str()), ("acme", "default", "schedules.backfill"));
    let args: Value = serde_json::from_str(job.args.get()).expect("JSON");
    assert_eq!((&args["from"], &args["per_second"]), (&json!(NOW - 14 * 86_400_000 - 8 * 3_600_000), &json!(2)));

    let unlike = api.echo(&api.acme, json!({})).await;
    for (key, id) in
        [(&api.other, id.as_str()), (&api.acme, &unlike), (&api.acme, "no-id"), (&api.acme, "00000000-0000-7000-8000-000000000000")]
    {
        api.get(key, &format!("/v1/operations/{id}")).await.problem(404, "request.not_found");
        api.post(key, &format!("/v1/operations/{id}/cancel"), Value::Null).await.problem(404, "request.not_found");
    }
    assert_eq!(api.post(&api.acme, &format!("{path}/cancel"), Value::Null).await.expect(200).body["state"], "cancelled");
    api.post(&api.acme, &format!("{path}/cancel"), Value::Null).await.problem(409, "jobs.not_cancellable");
    assert_eq!(api.get(&api.operator, &path).await.expect(200).body["state"], "cancelled");
}
