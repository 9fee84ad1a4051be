//! Failures as Sentry gets them: panics and ends for good, each with its own job, and nothing that nobody should see.

use super::receiver::Receiver;
use crate::scenarios::{Engine, until};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const SOON: Duration = Duration::from_secs(30);

async fn up(sentry: &Receiver, more: &[(&str, &str)]) -> Engine {
    let dsn = format!("{}/42", sentry.url.replacen("http://", "http://publickey@", 1));
    let mut env = vec![("SENTRY_DSN", dsn.as_str()), ("SENTRY_ENVIRONMENT", "a-test")];
    env.extend(more);
    Engine::up_of("it-kinds", &env).await
}

async fn enqueue(engine: &Engine, kind: &str, tenant: &str, args: Value) -> String {
    let body = json!({ "kind": kind, "tenant": tenant, "args": args });
    engine.call("POST", "/v1/jobs", Some(body)).await["id"].as_str().expect("an id").to_owned()
}

async fn events(sentry: &Receiver, n: usize) -> Vec<Value> {
    until(&format!("{n} reports"), SOON, async || {
        let events = sentry.events();
        (events.len() >= n).then_some(events)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_and_ends_for_good_are_reported_with_their_jobs() {
    let sentry = Receiver::start(200).await;
    let mut engine = up(&sentry, &[]).await;
    let planted = "https://joe:hunter2@shop.example/a?key=planted-key refused token=planted-token of joe@shop.example";
    let fatal = enqueue(&engine, "demo.fail", "acme", json!({ "fatal": true, "message": planted })).await;
    let panics = enqueue(&engine, "it.traced", "zeta", json!({ "panics": "the planted-arg of account 7" })).await;
    let again = enqueue(&engine, "demo.fail", "acme", json!({ "times": 1, "message": "only once" })).await;
    engine.until(&fatal, "dead", SOON).await;
    engine.until(&again, "completed", SOON).await;
    let reported = |id: &str| sentry.events().iter().any(|event| event["tags"]["job"] == id);
    crate::harness::eventually("both are reported", SOON, async || reported(&fatal) && reported(&panics)).await;
    let all = sentry.events();
    let of = |id: &str| all.iter().filter(|event| event["tags"]["job"] == id).cloned().collect::<Vec<_>>();

    let ended = of(&fatal);
    let [ended] = &ended[..] else { panic!("one report: {all:?}") };
    let tags = ["kind", "queue", "tenant", "run", "ended"].map(|tag| ended["tags"][tag].as_str().expect(tag));
    assert_eq!(tags, ["demo.fail", "default", "acme", "1", "fatal"]);
    assert_eq!(
        (ended["level"].as_str().unwrap_or("error"), &ended["environment"], &ended["transaction"]),
        ("error", &json!("a-test"), &json!("demo.fail"))
    );
    let exception = &ended["exception"]["values"][0];
    assert_eq!(
        (&exception["type"], exception["value"].as_str()),
        (&json!("demo.failed"), Some("https://shop.example/a?*** refused token=*** of ***"))
    );
    assert_eq!(ended["fingerprint"][0], "demo.fail");

    let panicked = &of(&panics)[0];
    assert_eq!(
        (&panicked["level"], &panicked["tags"]["tenant"], &panicked["tags"]["kind"]),
        (&json!("fatal"), &json!("zeta"), &json!("it.traced"))
    );
    let frames = panicked["exception"]["values"][0]["stacktrace"]["frames"].as_array().expect("frames");
    assert!(frames.iter().any(|frame| frame["function"].as_str().is_some_and(|name| name.contains("Traced"))), "{frames:?}");

    assert!(of(&again).is_empty(), "it was tried again");
    let everything = sentry.posts().iter().map(|post| String::from_utf8_lossy(&post.body).into_owned()).collect::<String>();
    for hidden in ["hunter2", "planted-key", "planted-token", "joe@", "server_name"] {
        assert!(!everything.contains(hidden), "{hidden}: {everything}");
    }
    let post = &sentry.posts()[0];
    assert_eq!(post.path, "/api/42/envelope/");
    assert!(post.headers["x-sentry-auth"].to_str().expect("text").contains("sentry_key=publickey"));
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_reported_only_if_asked_for() {
    let sentry = Receiver::start(200).await;
    let mut engine = up(&sentry, &[("LONGSHORE_SENTRY__RETRIES", "true")]).await;
    let again = enqueue(&engine, "demo.fail", "acme", json!({ "times": 1, "message": "only once" })).await;
    engine.until(&again, "completed", SOON).await;
    let all = events(&sentry, 1).await;
    assert_eq!((&all[0]["level"], &all[0]["tags"]["ended"], &all[0]["tags"]["job"]), (&json!("warning"), &json!("retry"), &json!(again)));
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_beside_each_other_do_not_mix_their_reports() {
    const JOBS: usize = 40;
    let sentry = Receiver::start(200).await;
    let mut engine = up(&sentry, &[]).await;
    let mut ids = BTreeSet::new();
    for n in 0..JOBS {
        let args = json!({ "panics": format!("said by tenant-{n}"), "ms": 20 });
        let body = json!({ "kind": "it.traced", "tenant": format!("tenant-{n}"), "args": args, "attempts_max": 1 });
        ids.insert((engine.call("POST", "/v1/jobs", Some(body)).await["id"].as_str().expect("an id").to_owned(), n));
    }
    let all = events(&sentry, JOBS).await;
    for (id, n) in ids {
        let own: Vec<_> = all.iter().filter(|event| event["tags"]["job"] == id.as_str()).collect();
        assert_eq!(own.len(), 1, "one report of {id}");
        assert_eq!(own[0]["tags"]["tenant"], format!("tenant-{n}"));
        assert_eq!(own[0]["exception"]["values"][0]["value"], format!("said by tenant-{n}"));
    }
    engine.front().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentry_that_hangs_holds_nobody_up() {
    const JOBS: usize = 300;
    let sentry = Receiver::hanging().await;
    let mut engine = up(&sentry, &[("LONGSHORE_WORKER__GRACE_MS", "1000")]).await;
    engine.enqueue(vec![json!({ "kind": "demo.fail", "args": { "fatal": true } }); JOBS]).await;
    engine.queue_until("default", "every job has died", Duration::from_secs(60), |queue| queue["dead"] == JOBS).await;
    assert!(engine.metric("longshore_reports_total{outcome=\"dropped\"}").await >= (JOBS - 102) as f64);
    engine.front().signal("TERM");
    assert!(engine.front().ended(Duration::from_secs(20)).await.success());
}
