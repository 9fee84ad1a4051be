//! One job's trace, from the request that asked for it to the call that it made.

use super::receiver::{Receiver, Span};
use crate::scenarios::{Engine, until};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";

async fn up(program: &'static str, collector: &Receiver, more: &[(&str, &str)]) -> Engine {
    let endpoint = format!("{}/v1/traces", collector.url);
    let mut env = vec![("LONGSHORE_TRACES__ENDPOINT", endpoint.as_str()), ("LONGSHORE_ALLOW_OUTBOUND", "127.0.0.0/8")];
    env.extend(more);
    Engine::up_of(program, &env).await
}

/// Enqueues with these headers; answers the id.
async fn enqueue(engine: &Engine, body: &Value, headers: &[(&'static str, String)]) -> String {
    let mut request = engine.plain_client().post(format!("{}/v1/jobs", engine.url)).bearer_auth(engine.key()).json(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    answer["id"].as_str().unwrap_or_else(|| panic!("refused: {answer}")).to_owned()
}

/// The spans of a trace, once `n` of them have come.
async fn of_trace(collector: &Receiver, trace: &str, n: usize) -> Vec<Span> {
    until(&format!("{n} spans of the trace {trace}"), SOON, async || {
        let spans: Vec<_> = collector.spans().into_iter().filter(|span| span.trace == trace).collect();
        (spans.len() >= n).then_some(spans)
    })
    .await
}

#[track_caller]
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} among {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_jobs_trace_has_request_wait_attempt_and_call() {
    let (collector, target) = (Receiver::start(200).await, Receiver::start(200).await);
    let mut engine = up("longshore", &collector, &[("LONGSHORE_TRACES__HEADERS", "x-team=a%20b,authorization=Bearer%20hidden")]).await;
    let body = json!({ "kind": "http.request", "tenant": "acme", "args": { "url": format!("{}/hook?key=secret", target.url), "json": { "a": 1 } } });
    let headers = [("traceparent", format!("00-{CALLER}-{CALLERS_SPAN}-01")), ("tracestate", "vendor=opaque".to_owned())];
    let id = enqueue(&engine, &body, &headers).await;
    let job = engine.until(&id, "completed", SOON).await;
    assert_eq!(job["trace_id"], CALLER);

    let spans = of_trace(&collector, CALLER, 5).await;
    let request = one(&spans, "POST /v1/jobs");
    assert_eq!((request.kind, request.parent.as_str(), request.told["http.response.status_code"].as_str()), (2, CALLERS_SPAN, "202"));
    let made = one(&spans, "enqueue http.request");
    assert_eq!((made.kind, &made.parent, &made.told["longshore.job"]), (4, &request.id, &id));
    let wait = one(&spans, "queue wait");
    assert_eq!((wait.kind, &wait.parent, wait.told["longshore.after"].as_str()), (1, &made.id, "enqueue"));
    let attempt = one(&spans, "attempt http.request");
    assert_eq!((attempt.kind, &attempt.parent), (5, &made.id));
    let told = ["longshore.job", "longshore.tenant", "longshore.queue", "longshore.run", "longshore.outcome"]
        .map(|key| attempt.told[key].as_str());
    assert_eq!(told, [id.as_str(), "acme", "default", "1", "completed"]);
    let call = one(&spans, "POST");
    assert_eq!((call.kind, &call.parent, call.told["http.response.status_code"].as_str()), (3, &attempt.id, "200"));
    assert!(spans.iter().all(|span| span.state == "vendor=opaque" && span.start <= span.end));
    assert!(attempt.start <= call.start && call.end <= attempt.end && request.start <= made.start && made.end <= request.end);
    let timeline = |at: usize| crate_time(&job["timeline"][at]["at"]);
    assert_eq!((wait.start, wait.end), (timeline(0), timeline(1)), "from ready to leased, by the broker's clock");

    let got = &target.posts()[0].headers;
    assert_eq!(got["traceparent"], format!("00-{CALLER}-{}-01", call.id).as_str());
    assert_eq!(got["tracestate"], "vendor=opaque");
    let everything = format!("{spans:?}");
    assert!(!everything.contains("secret") && !everything.contains("/hook"), "a path may hold a secret: {everything}");
    assert_eq!(collector.services()[0], "longshore");
    assert_eq!(
        (&collector.posts()[0].headers["x-team"], &collector.posts()[0].headers["authorization"]),
        (&"a b".parse().unwrap(), &"Bearer hidden".parse().unwrap())
    );
    engine.front().kill();
}

/// Nanoseconds of an RFC 3339 time.
fn crate_time(at: &Value) -> u64 {
    let at = chrono::DateTime::parse_from_rfc3339(at.as_str().expect("a time")).expect("RFC 3339");
    u64::try_from(at.timestamp_nanos_opt().expect("this century")).expect("after 1970")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_caller_does_not_sample_is_passed_on_and_not_told() {
    let (collector, target) = (Receiver::start(200).await, Receiver::start(200).await);
    let mut engine = up("longshore", &collector, &[]).await;
    let body = json!({ "kind": "http.request", "args": { "url": format!("{}/hook", target.url) } });
    let id = enqueue(&engine, &body, &[("traceparent", format!("00-{CALLER}-{CALLERS_SPAN}-00"))]).await;
    engine.until(&id, "completed", SOON).await;
    let passed = target.posts()[0].headers["traceparent"].to_str().expect("text").to_owned();
    assert!(passed.starts_with(&format!("00-{CALLER}-")) && passed.ends_with("-00"), "{passed}");
    // A later one that is sampled has come, so what was not is not on its way.
    let other = enqueue(&engine, &json!({ "kind": "demo.echo", "args": {} }), &[]).await;
    let trace = engine.until(&other, "completed", SOON).await["trace_id"].as_str().expect("the request began one").to_owned();
    of_trace(&collector, &trace, 4).await;
    assert!(collector.spans().iter().all(|span| span.trace != CALLER));
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traceparent_passes_through_where_nothing_is_collected() {
    let target = Receiver::start(200).await;
    let mut engine = Engine::up(&[("LONGSHORE_ALLOW_OUTBOUND", "127.0.0.0/8")]).await;
    let args = |headers: Value| json!({ "kind": "http.request", "args": { "url": format!("{}/hook", target.url), "headers": headers } });
    let parent = format!("00-{CALLER}-{CALLERS_SPAN}-01");
    let told = [("traceparent", parent.clone()), ("tracestate", "vendor=opaque".to_owned())];
    let id = enqueue(&engine, &args(json!({})), &told).await;
    engine.until(&id, "completed", SOON).await;
    let own = enqueue(&engine, &args(json!({ "traceparent": "mine" })), &told).await;
    engine.until(&own, "completed", SOON).await;
    let without = enqueue(&engine, &args(json!({})), &[("traceparent", "nonsense".to_owned())]).await;
    assert_eq!(engine.until(&without, "completed", SOON).await["trace_id"], Value::Null);
    let headers: Vec<_> = target.posts().into_iter().map(|post| post.headers).collect();
    assert_eq!((&headers[0]["traceparent"], &headers[0]["tracestate"]), (&parent.parse().unwrap(), &"vendor=opaque".parse().unwrap()));
    assert_eq!(headers[1]["traceparent"], "mine", "what the args say holds");
    assert!(!headers[2].contains_key("traceparent"));
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_replays_children_and_handlers_spans_are_in_the_trace() {
    let collector = Receiver::start(200).await;
    let mut engine = up("it-kinds", &collector, &[]).await;
    let id = enqueue(&engine, &json!({ "kind": "it.traced", "args": { "fails": 1 } }), &[]).await;
    let job = engine.until(&id, "completed", SOON).await;
    let trace = job["trace_id"].as_str().expect("the request began one").to_owned();
    // Request, enqueue; twice wait, attempt, the handler's own; the child's wait and attempt.
    let spans = of_trace(&collector, &trace, 10).await;
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt it.traced").collect();
    let made = one(&spans, "enqueue it.traced");
    assert_eq!(attempts.iter().map(|span| span.parent.as_str()).collect::<Vec<_>>(), [&made.id, &made.id]);
    assert_eq!(
        (attempts[0].status, attempts[0].told["error.type"].as_str(), attempts[0].told["longshore.outcome"].as_str()),
        (2, "handler.failed", "retry")
    );
    assert_eq!(attempts[1].told["longshore.outcome"], "completed");
    let own: Vec<_> = spans.iter().filter(|span| span.name == "look up").collect();
    assert_eq!(own.iter().map(|span| &span.parent).collect::<Vec<_>>(), [&attempts[0].id, &attempts[1].id]);
    let waits: Vec<_> = spans.iter().filter(|span| span.name == "queue wait" && span.told["longshore.job"] == id).collect();
    assert_eq!(waits.iter().map(|span| span.told["longshore.after"].as_str()).collect::<Vec<_>>(), ["enqueue", "retry"]);
    assert_eq!(one(&spans, "attempt demo.echo").parent, attempts[1].id, "a child goes on from the attempt that made it");

    let dead = enqueue(&engine, &json!({ "kind": "demo.fail", "args": { "fatal": true } }), &[]).await;
    let trace = engine.until(&dead, "dead", SOON).await["trace_id"].clone();
    let replay = engine.call("POST", &format!("/v1/jobs/{dead}/retry"), Some(json!({}))).await["id"].as_str().expect("an id").to_owned();
    assert_eq!(engine.until(&replay, "dead", SOON).await["trace_id"], trace, "a replay goes on with the same work");
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_begins_a_trace_that_holds_all_its_attempts() {
    let collector = Receiver::start(200).await;
    let mut engine = up("it-kinds", &collector, &[]).await;
    let body = json!({ "every_ms": 1000, "kind": "it.traced", "args": { "fails": 1 }, "overlap": "skip" });
    engine.call("PUT", "/v1/schedules/often", Some(body)).await;
    let (id, spans) = until("both attempts of a tick's job", SOON, async || {
        let spans = collector.spans();
        let second = spans.iter().find(|span| span.name == "attempt it.traced" && span.told["longshore.run"] == "2")?;
        let id = second.told["longshore.job"].clone();
        Some((id.clone(), spans.into_iter().filter(|span| span.told.get("longshore.job") == Some(&id)).collect::<Vec<_>>()))
    })
    .await;
    assert!(spans.iter().all(|span| span.trace == spans[0].trace), "one trace: {spans:?}");
    let waits: Vec<_> = spans.iter().filter(|span| span.name == "queue wait").collect();
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt it.traced").collect();
    assert_eq!((waits.len(), attempts.len()), (2, 2));
    for (wait, attempt) in waits.iter().zip(&attempts) {
        assert_eq!((wait.parent.as_str(), &attempt.parent), ("", &wait.id));
    }
    assert_eq!(attempts[0].told["longshore.schedule"], "often");
    assert_eq!(engine.job(&id).await["trace_id"], Value::Null, "nobody named one");
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_traces_that_begin_here_only_a_share_is_told() {
    let collector = Receiver::start(200).await;
    let mut engine = up("longshore", &collector, &[("LONGSHORE_TRACES__SAMPLE_PERCENT", "0")]).await;
    let id = enqueue(&engine, &json!({ "kind": "demo.echo", "args": {} }), &[]).await;
    engine.until(&id, "completed", SOON).await;
    let sampled =
        enqueue(&engine, &json!({ "kind": "demo.echo", "args": {} }), &[("traceparent", format!("00-{CALLER}-{CALLERS_SPAN}-01"))]).await;
    engine.until(&sampled, "completed", SOON).await;
    of_trace(&collector, CALLER, 4).await;
    assert!(collector.spans().iter().all(|span| span.trace == CALLER), "the caller decides; else the share does");
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_nobody_up() {
    const JOBS: usize = 6_000;
    let collector = Receiver::hanging().await;
    let mut engine =
        up("longshore", &collector, &[("LONGSHORE_TRACES__TIMEOUT_MS", "60000"), ("LONGSHORE_WORKER__GRACE_MS", "1000")]).await;
    let headers = json!({ "kind": "demo.echo", "args": {} });
    engine.enqueue(vec![headers; JOBS]).await;
    engine.queue_until("default", "every job has ended", Duration::from_secs(120), |queue| queue["completed"] == JOBS).await;
    // Two spans a job: more than may wait, and all the others are dropped and counted.
    let dropped = engine.metric("longshore_spans_total{outcome=\"dropped\"}").await;
    assert!(dropped >= (2 * JOBS - 8_192 - 512) as f64, "{dropped}");
    assert!((1..=3).contains(&collector.posts().len()), "one post at a time");
    engine.front().signal("TERM");
    let ended = engine.front().ended(Duration::from_secs(20)).await;
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_yet_is_sent_at_the_end() {
    let collector = Receiver::start(200).await;
    let mut engine = up("longshore", &collector, &[]).await;
    let parent = [("traceparent", format!("00-{CALLER}-{CALLERS_SPAN}-01"))];
    let id = enqueue(&engine, &json!({ "kind": "demo.echo", "args": {} }), &parent).await;
    engine.until(&id, "completed", SOON).await;
    engine.front().signal("TERM");
    assert!(engine.front().ended(SOON).await.success());
    let spans: Vec<_> = collector.spans().into_iter().filter(|span| span.trace == CALLER).collect();
    assert_eq!(spans.iter().filter(|span| span.name == "attempt demo.echo").count(), 1, "{spans:?}");
}
