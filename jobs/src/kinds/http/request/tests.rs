//! Against a server on the loopback: what is sent, and what each answer means for the job.

use crate::JobRequest;
use crate::{
    Catalog, Failure,
    outbound::tests::Server,
    testing::{House, NOW, name},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use longshore_queue::PAYLOAD_MAX;
use serde_json::{Value, json};
use std::time::Duration;

async fn run(args: Value) -> Result<Value, Failure> {
    let house = House::standard().await;
    let cx = house.running("http.request", args).await;
    let output = Catalog::standard().run(&cx).await.expect("the kind is carried")?;
    assert!(output.get().len() <= PAYLOAD_MAX, "an output always fits");
    Ok(serde_json::from_str(output.get()).unwrap())
}

/// In a word: what the attempt came to.
fn told(result: Result<Value, Failure>) -> String {
    match result {
        Ok(output) => format!("ok {output}"),
        Err(Failure::Retry(cause)) => format!("retry {}: {}", cause.code, cause.message),
        Err(Failure::RetryAfter(wait, cause)) => format!("after {} ms {}: {}", wait.as_millis(), cause.code, cause.message),
        Err(Failure::Fatal(cause)) => format!("fatal {}: {}", cause.code, cause.message),
        Err(other) => format!("{other:?}"),
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn against(status: &str, headers: &str, body: &str, mut args: Value) -> String {
    let server = Server::with(&answer(status, headers, body)).await;
    args["url"] = server.url("/x").into();
    told(run(args).await)
}

#[tokio::test]
async fn the_answer_is_the_output() {
    let server = Server::with(&answer("200 OK", "X-A: 1\r\nx-a: 2\r\n", "grüße\n")).await;
    let output = run(json!({"url": server.url("/p?q=1")})).await.unwrap();
    assert_eq!(output, json!({"status": 200, "headers": {"content-length": "8", "x-a": "1, 2"}, "body": "grüße\n", "truncated": false}));
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /p?q=1 HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn what_was_asked_for_is_sent() {
    let server = Server::with(&answer("204 No Content", "", "")).await;
    let house = House::standard().await;
    let args =
        json!({"url": server.url("/"), "method": "put", "headers": {"X-Key": "v", "content-type": "application/x"}, "json": {"b": [1]}});
    let cx = house.running("http.request", args).await;
    Catalog::standard().run(&cx).await.unwrap().unwrap();
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("put / http/1.1"), "{head}");
    for line in [
        "x-key: v".to_owned(),
        "content-type: application/x".to_owned(),
        format!("idempotency-key: {}", cx.id()),
        format!("longshore-fencing-token: {}", cx.token().0),
        format!("user-agent: longshore/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(head.lines().any(|l| l == line), "{line}\nis not in {head}");
    }
    assert_eq!(body, r#"{"b":[1]}"#);
    run(json!({"url": server.url("/"), "body": "plain"})).await.unwrap();
    let request = server.requests().remove(1);
    assert!(request.starts_with("POST / ") && request.ends_with("\r\n\r\nplain"), "{request}");
}

#[tokio::test]
async fn statuses_decide_how_the_job_goes_on() {
    for (status, headers, args, expected) in [
        ("404 Not Found", "", json!({}), "fatal http.status: the target answered 404 Not Found: why not"),
        ("400 Bad Request", "", json!({}), "fatal http.status: the target answered 400 Bad Request: why not"),
        ("500 Internal Server Error", "", json!({}), "retry http.status: the target answered 500 Internal Server Error: why not"),
        ("502 Bad Gateway", "retry-after: 9\r\n", json!({}), "retry http.status: the target answered 502 Bad Gateway: why not"),
        ("503 Service Unavailable", "", json!({}), "retry http.status: the target answered 503 Service Unavailable: why not"),
        (
            "503 Service Unavailable",
            "Retry-After: 7\r\n",
            json!({}),
            "after 7000 ms http.status: the target answered 503 Service Unavailable: why not",
        ),
        (
            "429 Too Many Requests",
            "retry-after: 2\r\n",
            json!({}),
            "after 2000 ms http.status: the target answered 429 Too Many Requests: why not",
        ),
        (
            "429 Too Many Requests",
            "retry-after: soon\r\n",
            json!({}),
            "retry http.status: the target answered 429 Too Many Requests: why not",
        ),
        ("429 Too Many Requests", "retry-after: 0\r\n", json!({}), "retry http.status: the target answered 429 Too Many Requests: why not"),
        ("404 Not Found", "", json!({"fatal_statuses": [410]}), "retry http.status: the target answered 404 Not Found: why not"),
        (
            "503 Service Unavailable",
            "retry-after: 7\r\n",
            json!({"fatal_statuses": [503]}),
            "fatal http.status: the target answered 503 Service Unavailable: why not",
        ),
    ] {
        assert_eq!(against(status, headers, "why\n  not", args.clone()).await, expected, "{status} {headers} {args}");
    }
    for (headers, args, expected) in [
        ("", json!({}), "ok {"),
        ("location: /x\r\n", json!({"fatal_statuses": [302]}), "fatal http.status: the target answered 302 Found"),
        ("location: /x\r\n", json!({}), "fatal http.refused: the redirect is not followed: there are more than 3 in a row"),
        ("location: ftp://a/\r\n", json!({}), "fatal http.refused: the redirect is not followed: the URL cannot be used: only http"),
    ] {
        let told = against("302 Found", &format!("{headers}connection: close\r\n"), "", args.clone()).await;
        assert!(told.starts_with(expected), "{headers} {args}: {told}");
    }
    let digits = against("429 Too Many Requests", "retry-after: 99999999999999999999999\r\n", "", json!({})).await;
    assert!(digits.starts_with("after 18446744073709551615000 ms "), "{digits}");
}

#[tokio::test]
async fn a_date_in_retry_after_counts_from_now() {
    let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_millis(NOW.unsigned_abs()) + Duration::from_secs(90));
    let told = against("503 Service Unavailable", &format!("retry-after: {date}\r\n"), "", json!({})).await;
    assert_eq!(told, "after 90000 ms http.status: the target answered 503 Service Unavailable");
    let past = against("503 Service Unavailable", "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "", json!({})).await;
    assert!(past.starts_with("retry "), "{past}");
}

#[tokio::test]
async fn bodies_are_kept_as_text_or_base64_and_always_fit() {
    let reply = |body: &[u8]| [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let of = async |body: &[u8], args: Value| {
        let server = Server::answering([reply(body)]).await;
        let mut args = args;
        args["url"] = server.url("/").into();
        run(args).await.unwrap()
    };
    let binary: Vec<u8> = (0..=255).collect();
    let output = of(&binary, json!({})).await;
    assert_eq!(BASE64_STANDARD.decode(output["body_base64"].as_str().unwrap()).unwrap(), binary);
    assert_eq!(output.get("body"), None);

    // A cut in the middle of a character is no reason to call a text binary.
    let output = of("日本".as_bytes(), json!({"bytes_max": 4})).await;
    assert_eq!((&output["body"], &output["truncated"]), (&json!("日"), &json!(true)));

    let output = of(&[b'x'; 200_000], json!({})).await;
    assert_eq!((output["body"].as_str().unwrap().len(), &output["truncated"]), (131_072, &json!(true)));
    let output = of(&[b'\n'; 100_000], json!({})).await;
    assert_eq!(output["body"].as_str().unwrap().len(), 100_000);
    let output = of(&[1; 180_000], json!({"bytes_max": 180_000})).await;
    assert_eq!(BASE64_STANDARD.decode(output["body_base64"].as_str().unwrap()).unwrap().len(), 180_000);
}

#[tokio::test]
async fn where_it_may_not_go_it_does_not_go() {
    let refused = told(run(json!({"url": "http://169.254.169.254/latest/meta-data"})).await);
    assert_eq!(refused, "fatal http.refused: the address is refused: a link-local network; --allow-outbound opens networks");
    let odd = told(run(json!({"url": "http://0x7f000001/"})).await);
    assert_eq!(odd, "fatal http.refused: the URL cannot be used: an IPv4 address has four decimal numbers without leading zeros");
    let port = told(run(json!({"url": "http://1.1.1.1:8080/"})).await);
    assert_eq!(port, "fatal http.refused: the address is refused: a port other than 80 and 443; --allow-outbound opens networks");
    for headers in [
        json!({"Host": "x"}),
        json!({"content-length": "3"}),
        json!({"Transfer-Encoding": "chunked"}),
        json!({"Longshore-Fencing-Token": "9"}),
        json!({"a": "b\nc: d"}),
    ] {
        let told = told(run(json!({"url": "http://127.0.0.1:9/", "headers": headers})).await);
        assert!(told.starts_with("fatal jobs.args_invalid: /headers"), "{told}");
    }
    let told = told(run(json!({"url": "http://127.0.0.1:9/", "method": "connect"})).await);
    assert_eq!(told, "fatal jobs.args_invalid: /method: CONNECT is for proxies");
}

#[tokio::test]
async fn faults_of_the_args_are_told_before_anything_runs() {
    let house = House::standard().await;
    for (args, expected) in [
        (json!({}), "/args/url: the field is missing"),
        (json!({"url": "ftp://x"}), "/args/url: \"ftp://x\" does not match the pattern"),
        (json!({"url": "http://x", "signed": []}), "/args/signed: there is no such field"),
        (json!({"url": "http://x", "sign_with": []}), "/args/sign_with: too few items"),
        (json!({"url": "http://x", "sign_with": ["whsec_x"]}), "/args/sign_with/0: the value has the wrong type"),
        (json!({"url": "http://x", "bytes_max": 180_001}), "/args/bytes_max: 180001 is too large"),
        (json!({"url": "http://x", "bytes_max": -1}), "/args/bytes_max: -1 is too small"),
        (json!({"url": "http://x", "method": "G T"}), "/args/method: \"G T\" does not match the pattern"),
        (json!({"url": "http://x", "headers": {"a": 1}}), "/args/headers/a: 1 has the wrong type"),
        (json!({"url": "http://x", "fatal_statuses": [200]}), "/args/fatal_statuses/0: 200 is too small"),
        (json!({"url": "http://x", "body": "a", "json": 1}), "/args: `body` and `json` cannot be there together"),
    ] {
        let error = house.check(JobRequest::new(name("http.request"), args.clone())).await.expect_err("it has a fault");
        assert_eq!(error.told(), expected, "{args}");
    }
}

#[tokio::test]
async fn a_cancel_stops_it() {
    let silent = Server::answering([Vec::new()]).await;
    let house = House::standard().await;
    let lease = house.leased("http.request", json!({"url": silent.url("/")})).await;
    let cancelled = tokio_util::sync::CancellationToken::new();
    let cx = house.context_with(lease, cancelled.clone());
    let catalog = Catalog::standard();
    let run = catalog.run(&cx);
    tokio::pin!(run);
    let stopped = tokio::time::timeout(Duration::from_secs(10), async {
        tokio::select! { biased; end = &mut run => return end, () = silent.reached() => cancelled.cancel() }
        run.await
    });
    assert!(matches!(stopped.await, Ok(Some(Err(Failure::Cancelled)))));
}
