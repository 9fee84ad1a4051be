//! A receiver that checks with the registry's library for Standard Webhooks, also while one secret takes the place of another.

use super::{ID, SIGNATURE, TIMESTAMP};
use crate::{
    Catalog, Failure,
    outbound::{
        header::{HeaderMap, HeaderName, HeaderValue},
        tests::Server,
    },
    secrets::tests::keeper,
    testing::House,
};
use longshore_base::{Clock, SystemClock};
use longshore_config::Veil;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_8ZtLkbHtn1VbEXRYJCZ8gLyZUL1/8PTfNNa6ZnXSjK0=";
const STRANGER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

async fn house() -> House {
    let mut house = House::standard().await;
    let all = [
        ("default", "old", OLD),
        ("default", "new", NEW),
        // Without the prefix and without padding, as some hand it out.
        ("default", "bare", "8ZtLkbHtn1VbEXRYJCZ8gLyZUL1/8PTfNNa6ZnXSjK0"),
        ("default", "words", "correct horse battery staple"),
        ("default", "pair", "whsk_8ZtLkbHtn1VbEXRYJCZ8gLyZUL1/8PTfNNa6ZnXSjK0="),
        ("default", "short", "whsec_c2hvcnQ="),
    ];
    house.secrets = keeper(&all, &Veil::default());
    // The library compares with the machine's clock.
    house.clock.jump(SystemClock::new().now());
    house
}

async fn run(house: &House, args: Value) -> Result<(), Failure> {
    let cx = house.running("http.request", args).await;
    Catalog::standard().run(&cx).await.unwrap().map(drop)
}

async fn server() -> Server {
    Server::with("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await
}

/// Headers and body of the last request.
fn received(server: &Server) -> (HeaderMap, Vec<u8>) {
    let request = server.requests().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
    };
    (head.lines().skip(1).filter_map(header).collect(), body.as_bytes().to_vec())
}

fn accepts(secret: &str, (headers, body): &(HeaderMap, Vec<u8>)) -> bool {
    Webhook::new(secret).unwrap().verify(body, headers).is_ok()
}

fn names(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"$secret": name})).collect()
}

#[test]
fn the_published_example_comes_out() {
    let signed = br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
    assert_eq!(super::signature(&super::key(OLD).unwrap(), signed), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn a_receiver_accepts_before_during_and_after_a_rotation() {
    let (house, server) = (house().await, server().await);
    let cases: [(&[&str], bool, bool); 5] = [
        (&["old"], true, false),
        (&["new", "old"], true, true),
        (&["old", "bare"], true, true),
        (&["new"], false, true),
        (&["bare"], false, true),
    ];
    for (with, old, new) in cases {
        let args = json!({"url": server.url("/hook"), "json": {"event": "paid", "text": "grüße\n"}, "sign_with": names(with)});
        run(&house, args).await.unwrap();
        let got = received(&server);
        assert_eq!((accepts(OLD, &got), accepts(NEW, &got), accepts(STRANGER, &got)), (old, new, false), "{with:?}");
        let signatures = got.0[SIGNATURE].to_str().unwrap().split(' ').count();
        assert_eq!(signatures, with.len(), "one each");
        assert!(!accepts(OLD, &(got.0.clone(), b"{}".to_vec())) && !accepts(NEW, &(got.0, b"{}".to_vec())), "another body");
    }
}

#[tokio::test]
async fn the_id_is_the_jobs_and_the_time_the_attempts() {
    let (house, server) = (house().await, server().await);
    let cx = house.running("http.request", json!({"url": server.url("/"), "body": "x", "sign_with": names(&["old"])})).await;
    let send = async || {
        Catalog::standard().run(&cx).await.unwrap().unwrap();
        received(&server)
    };
    let first = send().await;
    house.clock.jump(house.clock.now() + 61_000);
    let second = send().await;
    assert_eq!((&first.0[ID], &first.0[ID]), (&second.0[ID], &first.0["idempotency-key"]), "a receiver knows a repeat by it");
    let seconds = |got: &(HeaderMap, Vec<u8>)| got.0[TIMESTAMP].to_str().unwrap().parse::<i64>().unwrap();
    assert_eq!((seconds(&first) * 1_000 / 60_000, seconds(&second) - seconds(&first)), ((house.clock.now() - 61_000) / 60_000, 61));
    assert_ne!(first.0[SIGNATURE], second.0[SIGNATURE]);
    assert!(accepts(OLD, &first) && accepts(OLD, &second));
}

#[tokio::test]
async fn a_request_without_a_body_is_signed_too() {
    let (house, server) = (house().await, server().await);
    run(&house, json!({"url": server.url("/"), "sign_with": names(&["old"])})).await.unwrap();
    assert!(accepts(OLD, &received(&server)));
    run(&house, json!({"url": server.url("/"), "headers": {"webhook-id": "mine"}})).await.unwrap();
    let (headers, _) = received(&server);
    assert_eq!((&headers[ID], headers.get(SIGNATURE)), (&HeaderValue::from_static("mine"), None), "unsigned requests say what they like");
}

#[tokio::test]
async fn what_cannot_sign_ends_the_job_before_anything_is_sent() {
    let (house, server) = (house().await, server().await);
    for (with, headers, expected) in [
        ("gone", json!({}), "secrets.absent tenant default has no secret `gone`"),
        ("words", json!({}), "secrets.unusable the secret `words` cannot sign: it is not whsec_ and base64"),
        ("short", json!({}), "secrets.unusable the secret `short` cannot sign: it is not a key of 16 to 256 bytes in base64"),
        ("old", json!({"Webhook-Signature": "v1,x"}), "jobs.args_invalid /headers: webhook-signature is set by the engine"),
        ("old", json!({"webhook-timestamp": "1"}), "jobs.args_invalid /headers: webhook-timestamp is set by the engine"),
    ] {
        let args = json!({"url": server.url("/"), "headers": headers, "sign_with": names(&["new", with])});
        let Err(Failure::Fatal(cause)) = run(&house, args).await else { panic!("{with} {headers}") };
        assert_eq!(format!("{} {}", cause.code, cause.message), expected);
    }
    let Err(Failure::Fatal(cause)) = run(&house, json!({"url": server.url("/"), "sign_with": names(&["pair"])})).await else { panic!() };
    assert!(cause.message.contains("`pair` cannot sign: it is a key pair's"), "{}", cause.message);
    assert_eq!(server.requests().len(), 0);
}
