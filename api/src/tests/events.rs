//! What readers of events are told, and what not.

use super::{
    ear::{Ear, Told},
    harness::{Harness, on_both, request},
};
use crate::Limits;
use axum::body::Body;
use longshore_base::{Clock, Name, Scope};
use longshore_queue::{Alert, Broker, ErrorInfo, Job, LeaseRequest, LogLine, Note, Outcome, json as raw};
use serde_json::{Value, json};
use std::time::Duration;

on_both!(
    what_happens_is_told_while_it_happens,
    a_filter_leaves_the_others_out,
    a_key_hears_of_its_own_alone,
    alerts_are_told_to_whom_they_concern,
    a_queue_that_is_not_there_is_refused_and_not_made,
    a_new_queue_is_heard_from_its_first_job,
    whoever_comes_again_misses_and_repeats_nothing,
    an_id_that_reaches_back_too_far_is_told,
    an_id_that_is_none_is_told,
    a_queue_that_the_id_does_not_name_is_told,
    a_slow_reader_is_told_what_it_missed_and_others_miss_nothing,
    one_job_is_told_from_its_begin_to_its_end,
    what_an_attempt_tells_is_told,
    a_job_that_ended_meanwhile_is_told,
    beats_tell_how_far_it_is,
    a_revoked_key_hears_nothing_more,
    nothing_is_kept_when_nobody_listens,
);

fn complete(job: &Job) -> Outcome {
    Outcome::Complete { output: Some(job.args.clone()) }
}

fn queue() -> Name {
    Name::literal("q")
}

async fn announce(api: &Harness, code: impl Into<String>, tenant: Option<&'static str>, detail: &str) {
    let alert = Alert { code: code.into(), tenant: tenant.map(Name::literal), detail: detail.into() };
    api.broker.announce(&queue(), alert).await.expect("told");
}

/// Time goes by in steps, and whoever waits for it goes on.
async fn pass(api: &Harness, steps: usize, seconds: u64) {
    for _ in 0..steps {
        api.clock.advance(Duration::from_secs(seconds));
        // What is read and written in between takes real time.
        let mut look = tokio::time::interval(Duration::from_millis(2));
        for _ in 0..8 {
            look.tick().await;
        }
    }
}

/// Comes again after `last` for what cannot come any more.
async fn back_for_nothing(api: &Harness, key: &str, path: &str, last: &str) -> u16 {
    let again = request(key, "GET", path).header("last-event-id", last).body(Body::empty());
    api.send(again.expect("a request")).await.status
}

/// Job, state and attempt.
fn steps(told: &[Told]) -> Vec<(String, String, u64)> {
    told.iter().map(|told| (told.text("job"), told.text("state"), told.data["attempt"].as_u64().unwrap_or(0))).collect()
}

async fn what_happens_is_told_while_it_happens(api: Harness) {
    api.make_queue("q").await;
    let mut ear = Ear::open(&api, &api.operator, "/v1/events?queue=q").await;
    let id = api.echo(&api.acme, json!({ "queue": "q" })).await;
    let first = ear.must(&api, "state").await;
    let at = first.text("at");
    assert_eq!(first.data, json!({ "at": at, "queue": "q", "job": id, "tenant": "acme", "kind": "demo.echo", "state": "ready" }));
    api.run("q", complete).await;
    let told = ear.some(&api, 2).await;
    assert_eq!(steps(&told), [(id.clone(), "running".into(), 1), (id.clone(), "completed".into(), 1)]);
    let ids = [&first, &told[0], &told[1]].map(|told| told.id.as_str());
    assert!(ids.iter().all(|id| !id.is_empty()) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let later = api.echo(&api.acme, json!({ "queue": "q", "delay_ms": 60_000 })).await;
    assert_eq!(ear.must(&api, "state").await.text("state"), "scheduled");
    let (path, revision) = (format!("/v1/jobs/{later}"), api.job(&later).await.revision.to_string());
    let patch = request(&api.acme, "PATCH", &path).header("if-match", revision).body(Body::from(r#"{"priority": 1}"#));
    api.send(patch.expect("a request")).await.expect(200);
    assert_eq!(ear.must(&api, "edited").await.text("job"), later);
    api.post(&api.acme, &format!("/v1/jobs/{later}/cancel"), Value::Null).await.expect(200);
    assert_eq!(ear.must(&api, "state").await.text("state"), "cancelled");
}

async fn a_filter_leaves_the_others_out(api: Harness) {
    api.make_queue("q").await;
    api.make_queue("other").await;
    let mut kind = Ear::open(&api, &api.operator, "/v1/events?kind=demo.sleep").await;
    let mut tenant = Ear::open(&api, &api.operator, "/v1/events?tenant=acme&queue=other").await;
    api.echo(&api.acme, json!({ "queue": "q" })).await;
    let slept = api.post(&api.acme, "/v1/jobs", json!({ "kind": "demo.sleep", "args": { "ms": 1 }, "queue": "q" })).await.expect(202).id();
    api.echo(&api.other, json!({ "queue": "other" })).await;
    let mine = api.echo(&api.acme, json!({ "queue": "other" })).await;
    assert_eq!(kind.must(&api, "state").await.text("job"), slept);
    assert_eq!(tenant.must(&api, "state").await.text("job"), mine);
    kind.hush(&api).await;
    tenant.hush(&api).await;
    let bad = api.get(&api.operator, "/v1/events?queue=-&kind=%20&state=ready&tenant=a&tenant=b").await;
    assert_eq!(bad.problem(422, "request.invalid").pointers(), ["/kind", "/queue", "/state", "/tenant"]);
}

async fn a_key_hears_of_its_own_alone(api: Harness) {
    api.make_queue("q").await;
    let mut ear = Ear::open(&api, &api.acme, "/v1/events").await;
    let mut same = Ear::open(&api, &api.acme, "/v1/events?tenant=acme&queue=q").await;
    api.echo(&api.other, json!({ "queue": "q" })).await;
    let mine = api.echo(&api.acme, json!({ "queue": "q" })).await;
    api.run("q", complete).await;
    for ear in [&mut ear, &mut same] {
        let told = ear.some(&api, 3).await;
        assert!(told.iter().all(|told| told.text("job") == mine && told.text("tenant") == "acme"), "{told:?}");
        ear.hush(&api).await;
    }
    assert_eq!(api.get(&api.acme, "/v1/events?tenant=other").await.problem(422, "request.invalid").pointers(), ["/tenant"]);
    api.get(&api.other, &format!("/v1/jobs/{mine}/events")).await.problem(404, "jobs.not_found");
}

async fn alerts_are_told_to_whom_they_concern(api: Harness) {
    api.make_queue("q").await;
    let mut operator = Ear::open(&api, &api.operator, "/v1/events").await;
    let mut acme = Ear::open(&api, &api.acme, "/v1/events?queue=q").await;
    announce(&api, "dead_letters.many", Some("other"), "a lot").await;
    announce(&api, "schedules.late", None, "by 3 s").await;
    announce(&api, "dead_letters.many", Some("acme"), "more").await;
    let told = operator.some(&api, 3).await;
    assert!(told.iter().all(|told| told.event == "alert"), "{told:?}");
    assert_eq!(told.iter().map(|told| told.text("tenant")).collect::<Vec<_>>(), ["other", "", "acme"]);
    let told = acme.must(&api, "alert").await;
    assert_eq!((told.text("code"), told.text("detail"), told.text("queue")), ("dead_letters.many".into(), "more".into(), "q".into()));
    acme.hush(&api).await;
}

async fn a_queue_that_is_not_there_is_refused_and_not_made(api: Harness) {
    let answer = api.get(&api.operator, "/v1/events?queue=nowhere").await.problem(404, "request.not_found");
    assert!(answer.text.contains("nowhere"), "{}", answer.text);
    api.get(&api.acme, "/v1/events?queue=nowhere").await.problem(404, "request.not_found");
    assert!(!api.broker.queues().await.expect("queues").contains(&Name::literal("nowhere")));
}

async fn a_new_queue_is_heard_from_its_first_job(api: Harness) {
    let mut ear = Ear::open(&api, &api.operator, "/v1/events").await;
    let first = api.echo(&api.operator, json!({ "queue": "fresh" })).await;
    api.run("fresh", complete).await;
    let second = api.echo(&api.operator, json!({ "queue": "fresh" })).await;
    let mut told = Vec::new();
    while steps(&told).last().is_none_or(|last| *last != (second.clone(), "ready".into(), 0)) {
        told.push(ear.must(&api, "state").await);
    }
    let of = |id: &str| steps(&told).into_iter().filter(|(job, ..)| job == id).map(|(_, state, run)| (state, run)).collect::<Vec<_>>();
    assert_eq!(of(&first), [("ready".into(), 0), ("running".into(), 1), ("completed".into(), 1)]);
    assert_eq!(of(&second), [("ready".into(), 0)]);
}

async fn whoever_comes_again_misses_and_repeats_nothing(api: Harness) {
    api.make_queue("q").await;
    api.make_queue("r").await;
    let elsewhere = crate::router(api.state.clone());
    let path = "/v1/events?tenant=acme";
    let mut steady = Ear::open(&api, &api.operator, path).await;
    let mut ear = Ear::open(&api, &api.operator, path).await;
    let (mut all, mut heard, mut whole) = (0, Vec::new(), Vec::new());
    for round in 0..8_usize {
        for n in 0..5 + round * 3 {
            let queue = if n % 3 == 0 { "r" } else { "q" };
            let key = if n % 5 == 4 { &api.other } else { &api.acme };
            api.echo(key, json!({ "queue": queue, "priority": n % 10 })).await;
            all += usize::from(n % 5 != 4);
        }
        // Now it reads some of them, goes, things happen, and it comes again, by another way each time.
        heard.extend(ear.some(&api, (round * 9 + 1).min(all - heard.len())).await);
        let last = ear.last.clone();
        drop(ear);
        if round % 2 == 0 {
            for n in 0..700 {
                announce(&api, format!("n.{n}"), Some("acme"), "between").await;
            }
            all += 700;
        }
        whole.extend(steady.some(&api, all - whole.len()).await);
        let router = if round % 2 == 0 { &elsewhere } else { &api.router };
        ear = Ear::at(router, &api.operator, path, &last).await;
    }
    while api.run("q", complete).await + api.run("r", complete).await > 0 {}
    let told = all + (all - 4 * 700) * 2;
    heard.extend(ear.some(&api, told - heard.len()).await);
    whole.extend(steady.some(&api, told - whole.len()).await);
    ear.hush(&api).await;
    // Of two queues they may be told in another order.
    let of = |told: &[Told], queue: &str| {
        told.iter().filter(|told| told.text("queue") == queue).map(|told| (told.event.clone(), told.data.clone())).collect::<Vec<_>>()
    };
    for queue in ["q", "r"] {
        assert_eq!(of(&heard, queue), of(&whole, queue));
    }
}

async fn an_id_that_reaches_back_too_far_is_told(api: Harness) {
    api.make_queue("q").await;
    let mut ear = Ear::open(&api, &api.operator, "/v1/events?queue=q").await;
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    ear.must(&api, "state").await;
    let last = ear.last.clone();
    drop(ear);
    // Nobody listens for a while; then somebody does, and something happens.
    pass(&api, 4, 30).await;
    api.run("q", complete).await;
    let mut other = Ear::open(&api, &api.operator, "/v1/events?queue=q").await;
    other.hush(&api).await;
    let began = api.clock.now();
    let next = api.echo(&api.operator, json!({ "queue": "q" })).await;
    other.must(&api, "state").await;
    let mut ear = Ear::at(&api.router, &api.operator, "/v1/events?queue=q", &last).await;
    let missed = ear.must(&api, "missed").await;
    assert_eq!((missed.text("reason"), missed.text("queue"), missed.id.clone()), ("expired".into(), "q".into(), last));
    let oldest = chrono::DateTime::parse_from_rfc3339(&missed.text("oldest_at")).expect("a time").timestamp_millis();
    assert!(oldest > super::harness::NOW + 100_000 && oldest <= began, "{oldest} {began}");
    let told = ear.must(&api, "state").await;
    assert_eq!(told.text("job"), next, "what is there is told: {id}");
    let last = ear.last.clone();
    let mut ear = Ear::at(&api.router, &api.operator, "/v1/events?queue=q", &last).await;
    api.run("q", complete).await;
    assert_eq!(ear.must(&api, "state").await.text("state"), "running", "from there on nothing is missed");
}

async fn an_id_that_is_none_is_told(api: Harness) {
    api.make_queue("q").await;
    let _keeps = Ear::open(&api, &api.operator, "/v1/events?queue=q").await;
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    for wrong in ["x", "1:", "%%%", &"9".repeat(40_000)] {
        let mut ear = Ear::at(&api.router, &api.operator, "/v1/events?queue=q", wrong).await;
        let missed = ear.must(&api, "missed").await;
        assert_eq!((missed.text("reason"), missed.data["oldest_at"].is_string()), ("unreadable".into(), true), "{missed:?}");
        assert_eq!(ear.must(&api, "state").await.text("job"), id, "what is there is told");
        let mut ear = Ear::at(&api.router, &api.operator, "/v1/events?queue=q", &ear.last).await;
        ear.hush(&api).await;
    }
}

async fn a_queue_that_the_id_does_not_name_is_told(api: Harness) {
    api.make_queue("q").await;
    let mut ear = Ear::open(&api, &api.operator, "/v1/events").await;
    let mut keeps = Ear::open(&api, &api.operator, "/v1/events").await;
    api.echo(&api.operator, json!({ "queue": "q" })).await;
    ear.must(&api, "state").await;
    keeps.must(&api, "state").await;
    let last = ear.last.clone();
    drop(ear);
    api.echo(&api.operator, json!({ "queue": "fresh" })).await;
    keeps.must(&api, "state").await;
    let after = api.echo(&api.operator, json!({ "queue": "fresh" })).await;
    keeps.must(&api, "state").await;
    let mut ear = Ear::at(&api.router, &api.operator, "/v1/events", &last).await;
    let missed = ear.must(&api, "missed").await;
    assert_eq!((missed.text("reason"), missed.text("queue")), ("unknown".into(), "fresh".into()));
    assert_eq!(ear.must(&api, "state").await.text("job"), after, "what is in its feed is told");
    ear.hush(&api).await;
}

async fn a_slow_reader_is_told_what_it_missed_and_others_miss_nothing(api: Harness) {
    const N: usize = 300;
    api.make_queue("q").await;
    let mut slow = Ear::open(&api, &api.operator, "/v1/events").await;
    let mut fast = Ear::open(&api, &api.operator, "/v1/events").await;
    let large = "x".repeat(10_000);
    let mut told = 0;
    for part in 0..N / 20 {
        for n in 0..20 {
            announce(&api, format!("n.{}", part * 20 + n), None, &large).await;
        }
        for event in fast.some(&api, 20).await {
            assert_eq!((event.event.as_str(), event.text("code")), ("alert", format!("n.{told}")));
            told += 1;
        }
    }
    // Three megabytes are more than a row holds.
    let (mut heard, mut before) = (0, String::new());
    let missed = loop {
        let event = slow.next(&api).await.expect("it goes on");
        if event.event == "missed" {
            break event;
        }
        assert_eq!(event.text("code"), format!("n.{heard}"));
        (heard, before) = (heard + 1, event.id);
    };
    assert_eq!(missed.text("reason"), "slow");
    assert_eq!(missed.data["count"].as_u64(), Some((N - heard) as u64), "all others, after {heard}");
    assert!(heard > 0 && heard < N && missed.id == before, "without an id of its own");
    announce(&api, "now", None, "it is told again").await;
    assert_eq!(slow.must(&api, "alert").await.text("code"), "now");
    let mut again = Ear::at(&api.router, &api.operator, "/v1/events", &before).await;
    for n in heard..N {
        assert_eq!(again.must(&api, "alert").await.text("code"), format!("n.{n}"), "they are still there");
    }
    assert_eq!(again.must(&api, "alert").await.text("code"), "now");
}

async fn one_job_is_told_from_its_begin_to_its_end(api: Harness) {
    api.make_queue("q").await;
    let id = api.echo(&api.acme, json!({ "queue": "q" })).await;
    let path = format!("/v1/jobs/{id}/events");
    let mut ear = Ear::open(&api, &api.acme, &path).await;
    let job = ear.must(&api, "job").await;
    assert_eq!((job.text("id"), job.text("state")), (id.clone(), "ready".into()));
    assert!(!job.id.is_empty());
    api.echo(&api.acme, json!({ "queue": "q" })).await;
    let error = ErrorInfo { code: "x".into(), message: "y".into(), fingerprint: "f".into() };
    api.run("q", |_| Outcome::Retry { after: Duration::from_secs(60), error: error.clone() }).await;
    let told = ear.some(&api, 2).await;
    assert_eq!(steps(&told), [(id.clone(), "running".into(), 1), (id.clone(), "retrying".into(), 1)]);
    api.post(&api.acme, &format!("/v1/jobs/{id}/retry"), Value::Null).await.expect(200);
    let middle = ear.must(&api, "state").await;
    api.run("q", complete).await;
    // A beat is due, and does not get ahead of what is to be told.
    api.clock.advance(Duration::from_secs(15));
    let rest = ear.rest(&api).await;
    assert_eq!(steps(&rest), [(id.clone(), "running".into(), 2), (id.clone(), "completed".into(), 2)], "and no more");

    let mut again = Ear::at(&api.router, &api.acme, &path, &middle.id).await;
    assert_eq!(again.rest(&api).await, rest, "whoever comes again hears the rest");
    assert_eq!(back_for_nothing(&api, &api.acme, &path, &rest[1].id).await, 204, "there is nothing more to come for");
    let mut late = Ear::open(&api, &api.acme, &path).await;
    let told = late.rest(&api).await;
    assert_eq!((told.len(), told[0].event.as_str(), told[0].text("state")), (1, "job", "completed".into()));
    assert_eq!(back_for_nothing(&api, &api.acme, &path, &late.last).await, 204);
}

async fn what_an_attempt_tells_is_told(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    let request = LeaseRequest {
        queue: queue(),
        worker: "w".into(),
        call: api.broker.next_call(),
        n: 1,
        kinds: [Name::literal("demo.echo")].into(),
        lease: Duration::from_secs(15),
    };
    let lease = api.broker.lease(&request).await.expect("a lease").leases.pop().expect("one job");
    let mut ear = Ear::open(&api, &api.operator, &format!("/v1/jobs/{id}/events")).await;
    ear.must(&api, "job").await;
    let line = |message: &str| LogLine { at: 1_800_000_000_001, level: "info".into(), message: message.into() };
    let note = Note {
        progress: Some(raw(&json!({ "done": 50 }))),
        logs: vec![line("a\nb"), line("c")],
        output: Some("tok\n en".into()),
        used: None,
    };
    api.broker.note(lease.job.id, lease.token, note).await.expect("noted");
    let told = ear.must(&api, "told").await;
    assert_eq!(told.data["progress"], json!({ "done": 50 }));
    assert_eq!(told.data["output"], "tok\n en");
    let at = "2027-01-15T08:00:00.001Z";
    assert_eq!(told.data["logs"], json!([{ "at": at, "level": "info", "message": "a\nb" }, { "at": at, "level": "info", "message": "c" }]));
    api.post(&api.operator, &format!("/v1/jobs/{id}/cancel"), Value::Null).await.expect(200);
    assert_eq!(ear.must(&api, "cancel_requested").await.text("job"), id);
}

async fn a_job_that_ended_meanwhile_is_told(api: Harness) {
    let id = api.echo(&api.operator, json!({ "queue": "q" })).await;
    let path = format!("/v1/jobs/{id}/events");
    let mut ear = Ear::open(&api, &api.operator, &path).await;
    ear.must(&api, "job").await;
    let last = ear.last.clone();
    drop(ear);
    pass(&api, 4, 30).await;
    api.run("q", complete).await;
    let mut ear = Ear::at(&api.router, &api.operator, &path, &last).await;
    let told = ear.rest(&api).await;
    assert_eq!(told.iter().map(|told| told.event.as_str()).collect::<Vec<_>>(), ["missed", "job"]);
    assert_eq!((told[0].text("reason"), told[1].text("state")), ("expired".into(), "completed".into()));
    assert_eq!(back_for_nothing(&api, &api.operator, &path, &told[1].id).await, 204);
}

async fn beats_tell_how_far_it_is(api: Harness) {
    api.make_queue("q").await;
    let mut ear = Ear::open(&api, &api.acme, "/v1/events").await;
    assert!(ear.hush(&api).await.contains("retry: 1000"));
    let first = ear.last.clone();
    assert!(!first.is_empty(), "it can come again before the first event");
    let foreign = api.echo(&api.other, json!({ "queue": "q" })).await;
    assert_eq!(ear.hush(&api).await, "", "not a word of {foreign}");
    api.clock.advance(Duration::from_secs(15));
    let mut heard = String::new();
    for _ in 0..250 {
        heard.push_str(&ear.hush(&api).await);
        if heard.contains(": beat") {
            break;
        }
    }
    assert!(heard.contains(": beat\n\n") && ear.last != first, "{heard}");
}

async fn a_revoked_key_hears_nothing_more(api: Harness) {
    api.make_queue("q").await;
    let made = api.post(&api.operator, "/v1/keys", json!({ "name": "ci", "role": "tenant", "tenant": "acme" })).await.expect(201);
    let key = made.body["key"].as_str().expect("a key").to_owned();
    let mut ear = Ear::open(&api, &key, "/v1/events").await;
    ear.hush(&api).await;
    api.call(&api.operator, "DELETE", &format!("/v1/keys/{}", made.id()), Value::Null).await.expect(204);
    api.clock.advance(Duration::from_secs(15));
    assert_eq!(ear.next(&api).await, None);
}

async fn nothing_is_kept_when_nobody_listens(api: Harness) {
    api.make_queue("q").await;
    let mut ear = Ear::open(&api, &api.operator, "/v1/events").await;
    api.echo(&api.operator, json!({ "queue": "q" })).await;
    ear.must(&api, "state").await;
    let place = api.broker.feed(&queue(), None, 1).await.expect("a feed").next;
    drop(ear);
    // A minute and some seconds, in which the hub would look every two.
    pass(&api, 14, 5).await;
    api.echo(&api.operator, json!({ "queue": "q" })).await;
    let feed = api.broker.feed(&queue(), Some(&place), 10).await.expect("a feed");
    assert!(feed.missed && feed.entries.is_empty(), "{feed:?}");
}

#[tokio::test]
async fn readers_are_bounded_in_all_and_for_each_tenant() {
    let api = Harness::with(Limits { readers_max: 8, ..Limits::default() }).await;
    api.make_queue("q").await;
    let mut own = Vec::new();
    for _ in 0..2 {
        own.push(Ear::open(&api, &api.acme, "/v1/events").await);
    }
    let refused = api.get(&api.acme, "/v1/events").await.problem(503, "events.too_many_readers");
    assert!(refused.headers.contains_key("retry-after"));
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(Ear::open(&api, &api.operator, "/v1/events?queue=q").await);
    }
    api.get(&api.operator, "/v1/events").await.problem(503, "events.too_many_readers");
    own.pop();
    own.push(Ear::open(&api, &api.acme, "/v1/events").await);
    let id = api.echo(&api.acme, json!({ "queue": "q" })).await;
    for ear in own.iter_mut().chain(&mut others) {
        assert_eq!(ear.must(&api, "state").await.text("job"), id);
    }
}

/// A thousand, of which ten never read: nobody waits for them, and after a minute they are let go.
#[tokio::test]
async fn a_thousand_readers_of_which_ten_hang() {
    let api = Harness::sqlite().await;
    api.make_queue("q").await;
    let mut ears = Vec::new();
    for n in 0..1_000 {
        let path = ["/v1/events", "/v1/events?queue=q", "/v1/events?kind=demo.echo", "/v1/events?tenant=acme"][n % 4];
        ears.push(Ear::open(&api, &api.operator, path).await);
    }
    let mut hang = ears.split_off(990);
    for _ in 0..14 {
        let id = api.echo(&api.acme, json!({ "queue": "q" })).await;
        for ear in &mut ears {
            assert_eq!(ear.must(&api, "state").await.text("job"), id);
        }
        pass(&api, 1, 6).await;
    }
    for ear in &mut hang {
        assert!(ear.rest(&api).await.len() < 14, "it was let go");
    }
    let jobs = api.broker.list(&Scope::All, &longshore_queue::Filter::default(), 100, None).await.expect("a page");
    assert_eq!(jobs.items.len(), 14);
    for ear in ears.iter_mut().take(4) {
        ear.hush(&api).await;
    }
}

/// Waking many takes a while; what happens meanwhile comes as one, and does not wait in a line behind them.
#[tokio::test]
async fn what_happens_while_many_are_woken_comes_as_one() {
    const READERS: usize = 100;
    const N: usize = 150;
    let api = Harness::sqlite().await;
    api.make_queue("q").await;
    let mut ears = Vec::new();
    for _ in 0..READERS {
        ears.push(Ear::open(&api, &api.operator, "/v1/events?queue=q").await);
    }
    let began = api.clock.elapsed();
    let mut look = tokio::time::interval(Duration::from_millis(1));
    for n in 0..N {
        announce(&api, format!("n.{n}"), None, "").await;
        look.tick().await;
    }
    for ear in &mut ears {
        for n in 0..N {
            assert_eq!(ear.must(&api, "alert").await.text("code"), format!("n.{n}"));
        }
    }
    // Each step of a round is one of an ear's waits, of 20 ms: no more than three rounds of four at a time.
    let took = api.clock.elapsed() - began;
    assert!(took <= Duration::from_millis(3 * READERS as u64 / 4 * 20), "{took:?}");
}
