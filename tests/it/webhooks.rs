//! A receiver that checks signatures with the registry's library, on real processes: before, during and after a secret takes the place of
//! another, and over attempts.

use crate::{
    harness::{
        folder,
        receiver::{Got, Receiver},
    },
    scenarios::Engine,
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_8ZtLkbHtn1VbEXRYJCZ8gLyZUL1/8PTfNNa6ZnXSjK0=";
const SOON: Duration = Duration::from_secs(20);

/// Accepts what one of its secrets has signed.
async fn receiver(secrets: &'static [&'static str]) -> Receiver {
    Receiver::start(move |got: &Got| {
        let good = secrets.iter().any(|secret| Webhook::new(secret).expect("a secret").verify(&got.body, &got.headers).is_ok());
        (if good { 200 } else { 401 }, String::new())
    })
    .await
}

fn write(file: &PathBuf, text: &str) {
    std::fs::write(file, text).expect("written");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("private");
}

async fn send(engine: &Engine, to: &Receiver, with: &[&str]) -> Value {
    let names: Vec<_> = with.iter().map(|name| json!({ "$secret": name })).collect();
    let args = json!({ "url": to.url("/hook"), "json": { "event": "paid", "text": "grüße" }, "sign_with": names });
    let id = engine.enqueue(vec![json!({ "kind": "http.request", "tenant": "acme", "args": args })]).await.remove(0);
    let mut last = Value::Null;
    crate::harness::eventually("the job ends", SOON, async || {
        last = engine.job(&id).await;
        last["state"] == "completed" || last["state"] == "dead"
    })
    .await;
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_costs_no_receiver_a_request() {
    let file = folder("secrets").join("secrets.toml");
    write(&file, &format!("[\"acme\"]\nhook-1 = \"{OLD}\"\n"));
    let path = file.to_str().expect("UTF-8");
    let mut engine = Engine::up(&[("LONGSHORE_SECRETS", path), ("LONGSHORE_ALLOW_OUTBOUND", "127.0.0.0/8")]).await;
    let (old, both, new) = (receiver(&[OLD]).await, receiver(&[NEW, OLD]).await, receiver(&[NEW]).await);
    for to in [&old, &both] {
        assert_eq!(send(&engine, to, &["hook-1"]).await["state"], "completed");
    }
    let refused = send(&engine, &new, &["hook-1"]).await;
    assert_eq!((&refused["state"], &refused["errors"][0]["code"]), (&json!("dead"), &json!("http.status")), "{refused:#}");
    let absent = send(&engine, &new, &["hook-2", "hook-1"]).await;
    assert_eq!(absent["errors"][0]["code"], "secrets.absent");
    assert_eq!(absent["errors"][0]["message"], "tenant acme has no secret `hook-2`");

    // The new secret is handed out while the old one still counts: every receiver accepts, whichever it knows.
    write(&file, &format!("[\"acme\"]\nhook-1 = \"{OLD}\"\nhook-2 = \"{NEW}\"\n"));
    engine.front().kill();
    engine.start_front("up", &[]).await;
    for to in [&old, &both, &new] {
        let job = send(&engine, to, &["hook-2", "hook-1"]).await;
        assert_eq!(job["state"], "completed", "{job:#}");
        assert_eq!(to.got().last().expect("a request").header("webhook-signature").split(' ').count(), 2);
    }

    write(&file, &format!("[\"acme\"]\nhook-2 = \"{NEW}\"\n"));
    engine.front().kill();
    engine.start_front("up", &[]).await;
    for to in [&both, &new] {
        assert_eq!(send(&engine, to, &["hook-2"]).await["state"], "completed");
    }
    assert_eq!(send(&engine, &old, &["hook-2"]).await["state"], "dead");
}

/// A repeat has the same id and key, a higher fencing token, and a signature of its own time.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_known_by_its_id() {
    let engine = Engine::up(&[("LONGSHORE_SECRET_HOOK", OLD), ("LONGSHORE_ALLOW_OUTBOUND", "127.0.0.0/8")]).await;
    let calls = AtomicUsize::new(0);
    let to = Receiver::start(move |got: &Got| {
        assert!(Webhook::new(OLD).expect("a secret").verify(&got.body, &got.headers).is_ok(), "{got:?}");
        match calls.fetch_add(1, Ordering::SeqCst) {
            0 => (503, "retry-after: 2\r\n".to_owned()),
            _ => (200, String::new()),
        }
    })
    .await;
    let job = send(&engine, &to, &["hook"]).await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("completed"), &json!(2)), "{job:#}");
    let got = to.got();
    let [first, second] = got.as_slice() else { panic!("{got:#?}") };
    for same in ["webhook-id", "idempotency-key"] {
        assert_eq!((first.header(same), second.header(same)), (job["id"].as_str().unwrap(), job["id"].as_str().unwrap()), "{same}");
    }
    let number = |got: &Got, name: &str| got.header(name).parse::<i64>().expect("a number");
    assert!(number(second, "longshore-fencing-token") > number(first, "longshore-fencing-token"));
    let apart = number(second, "webhook-timestamp") - number(first, "webhook-timestamp");
    assert!((1..20).contains(&apart), "after {apart} s, as the target asked");
    assert_ne!(first.header("webhook-signature"), second.header("webhook-signature"));
    assert!(got.iter().all(|request| request.line == "POST /hook HTTP/1.1"));
}
