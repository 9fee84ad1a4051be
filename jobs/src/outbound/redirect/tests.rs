//! Methods, headers and addresses of the next request, as a table.

use super::Hop;
use crate::outbound::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
    target::Target,
};
use bytes::Bytes;

fn hop(method: Method, url: &str) -> Hop {
    let mut headers = HeaderMap::new();
    for name in [
        "accept",
        "authorization",
        "content-type",
        "cookie",
        "idempotency-key",
        "longshore-fencing-token",
        "traceparent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-api-key",
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
    }
    Hop { method, target: Target::parse(url).unwrap(), headers, body: Some(Bytes::from_static(b"body")) }
}

/// The next request in a line, or why there is none.
fn next(method: Method, url: &str, status: u16, location: &str) -> String {
    let mut answer = HeaderMap::new();
    answer.insert("location", HeaderValue::from_bytes(location.as_bytes()).unwrap());
    match hop(method, url).led_by(StatusCode::from_u16(status).unwrap(), &answer) {
        Ok(None) => "stays".to_owned(),
        Ok(Some(next)) => {
            let mut names: Vec<_> = next.headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            let body = if next.body.is_some() { " with body" } else { "" };
            format!("{} {}{body} [{}]", next.method, next.target.url(), names.join(" "))
        }
        Err(error) => error.to_string(),
    }
}

const ALL: &str = "accept authorization content-type cookie idempotency-key longshore-fencing-token traceparent webhook-id webhook-signature \
                   webhook-timestamp x-api-key";
const NO_BODY: &str = "accept authorization cookie idempotency-key longshore-fencing-token traceparent x-api-key";
const ABROAD: &str = "accept content-type idempotency-key longshore-fencing-token traceparent";

#[test]
fn methods_follow_the_rules_of_rfc_9110() {
    let (get, post, put, head) = (Method::GET, Method::POST, Method::PUT, Method::HEAD);
    for (method, status, expected) in [
        (&post, 301, format!("GET https://a.example/y [{NO_BODY}]")),
        (&post, 302, format!("GET https://a.example/y [{NO_BODY}]")),
        (&post, 303, format!("GET https://a.example/y [{NO_BODY}]")),
        (&post, 307, format!("POST https://a.example/y with body [{ALL}]")),
        (&post, 308, format!("POST https://a.example/y with body [{ALL}]")),
        (&put, 301, format!("PUT https://a.example/y with body [{ALL}]")),
        (&put, 302, format!("PUT https://a.example/y with body [{ALL}]")),
        (&put, 303, format!("GET https://a.example/y [{NO_BODY}]")),
        (&get, 301, format!("GET https://a.example/y with body [{ALL}]")),
        (&head, 303, format!("HEAD https://a.example/y with body [{ALL}]")),
        (&get, 300, "stays".to_owned()),
        (&get, 304, "stays".to_owned()),
        (&get, 200, "stays".to_owned()),
    ] {
        assert_eq!(next(method.clone(), "https://a.example/x", status, "/y"), expected, "{method} {status}");
    }
}

#[test]
fn credentials_stay_with_the_party_they_were_meant_for() {
    for (from, to, expected) in [
        ("https://a.example/x", "https://a.example:443/y", ALL),
        ("https://a.example/x", "https://A.EXAMPLE/y", ALL),
        ("http://a.example/x", "https://a.example/y", ALL),
        ("http://a.example:8080/x", "https://a.example/y", ABROAD),
        ("http://a.example/x", "https://a.example:8443/y", ABROAD),
        ("https://a.example/x", "https://b.example/y", ABROAD),
        ("https://a.example/x", "//b.example/y", ABROAD),
        ("https://a.example/x", "https://sub.a.example/y", ABROAD),
        ("https://sub.a.example/x", "https://a.example/y", ABROAD),
        ("https://a.example/x", "https://a.example./y", ABROAD),
        ("https://a.example/x", "https://a.example:8443/y", ABROAD),
        ("http://a.example/x", "http://b.example/y", ABROAD),
    ] {
        let told = next(Method::POST, from, 307, to);
        assert!(told.ends_with(&format!("[{expected}]")), "{from} to {to}: {told}");
    }
    let told = next(Method::POST, "https://a.example/x", 303, "https://b.example/y");
    assert_eq!(told, "GET https://b.example/y [accept idempotency-key longshore-fencing-token traceparent]");
}

#[test]
fn an_encrypted_call_does_not_go_on_in_the_clear() {
    let told = "the redirect is not followed: it leads from https:// to http://";
    assert_eq!(next(Method::GET, "https://a.example/x", 302, "http://a.example/x"), told);
    assert_eq!(next(Method::GET, "https://a.example/x", 308, "HTTP://b.example/x"), told);
}

#[test]
fn the_address_is_read_like_the_first_one() {
    let unusable = "the redirect is not followed: the URL cannot be used: ";
    for (location, expected) in [
        ("https://u:p@a.example/", "it has a user name or a password; use a header"),
        ("https://0x7f.1/", "an IPv4 address has four decimal numbers without leading zeros"),
        ("//0177.0.0.1/", "an IPv4 address has four decimal numbers without leading zeros"),
        ("ftp://a.example/", "only http:// and https:// are called"),
        ("file:///etc/passwd", "only http:// and https:// are called"),
        ("javascript:alert(1)", "it does not start with http:// or https://"),
        ("https:/b.example/", "it does not start with http:// or https://"),
        ("https:b.example", "it does not start with http:// or https://"),
        ("b.example:80", "it does not start with http:// or https://"),
        ("\\\\b.example\\x", "it has a space, a backslash or a control character"),
        ("/\\b.example", "it has a space, a backslash or a control character"),
        ("///b.example/", "it has no host"),
    ] {
        assert_eq!(next(Method::GET, "https://a.example/x/y", 302, location), format!("{unusable}{expected}"), "{location}");
    }
    for (location, expected) in [
        ("z", "https://a.example/x/z"),
        ("", "https://a.example/x/y"),
        ("?q=http://b.example/", "https://a.example/x/y?q=http://b.example/"),
        ("/z:1/a@b", "https://a.example/z:1/a@b"),
        ("../../../z", "https://a.example/z"),
        ("/z#https://b.example", "https://a.example/z"),
    ] {
        let told = next(Method::GET, "https://a.example/x/y", 302, location);
        assert!(told.starts_with(&format!("GET {expected} with body")), "{location}: {told}");
    }
}
