//! Redirects over real connections: how many are followed, and that each is checked like the first address.

use super::{Server, get, open, rules, told};
use crate::outbound::{Call, Method, Outbound, resolver};

fn to(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

#[tokio::test]
async fn three_are_followed_and_a_fourth_is_not() {
    let outbound = open(&["127.0.0.0/8"]);
    let server = Server::answering([to(302, "/a/b"), to(307, "c?x=1#part"), to(308, "?y"), OK.to_vec()]).await;
    let reply = outbound.send(get(&server.url("/"))).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body.as_slice()), (200, &b"ok"[..]));
    let paths: Vec<_> = server.requests().iter().map(|r| r.lines().next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["GET / HTTP/1.1", "GET /a/b HTTP/1.1", "GET /a/c?x=1 HTTP/1.1", "GET /a/c?y HTTP/1.1"]);

    let endless = Server::answering([to(302, "/")]).await;
    assert_eq!(told(&outbound, &endless.url("/")).await, "the redirect is not followed: there are more than 3 in a row");
    assert_eq!(endless.requests().len(), 4);
}

#[tokio::test]
async fn answers_that_lead_nowhere_are_answers() {
    let outbound = open(&["127.0.0.0/8"]);
    for (status, headers) in
        [(300, "location: /a\r\n"), (302, ""), (304, "location: /a\r\n"), (305, "location: /a\r\n"), (200, "location: /a\r\n")]
    {
        let server = Server::with(&format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n")).await;
        assert!(told(&outbound, &server.url("/")).await.starts_with(&status.to_string()), "{status} {headers}");
        assert_eq!(server.requests().len(), 1, "{status} {headers}");
    }
    let server = Server::answering([to(302, "/a")]).await;
    let url = server.url("/");
    let reply = outbound.send(Call { stay_at: &[302], ..get(&url) }).await.unwrap();
    assert_eq!((reply.status.as_u16(), server.requests().len()), (302, 1), "the caller wants it as an answer");
}

#[tokio::test]
async fn each_hop_is_checked() {
    let inner = Server::at("127.0.0.1", [OK.to_vec()]).await;
    let port = inner.address.port();
    let last = Server::at("127.0.0.2", [to(302, &inner.url("/"))]).await;
    let first = Server::at("127.0.0.2", [to(302, &last.url("/"))]).await;
    let outbound = Outbound::with(rules(&["127.0.0.2/32"], &[port]), resolver::system());
    let expected = "the redirect is not followed: the address is refused: this host; --allow-outbound opens networks";
    assert_eq!(told(&outbound, &first.url("/")).await, expected);
    assert_eq!((first.requests().len(), last.requests().len(), inner.requests().len()), (1, 1, 0));
}

#[tokio::test]
async fn a_body_goes_along_where_the_status_says_so() {
    let outbound = open(&["127.0.0.0/8"]);
    for (status, expected) in [(307, "POST /next "), (308, "POST /next "), (301, "GET /next "), (302, "GET /next "), (303, "GET /next ")] {
        let server = Server::answering([to(status, "/next"), OK.to_vec()]).await;
        let url = server.url("/");
        let body = Some(b"hello".to_vec());
        outbound.send(Call { method: Method::POST, body, ..get(&url) }).await.unwrap();
        let second = server.requests().remove(1);
        assert!(second.starts_with(expected), "{status}: {second}");
        assert_eq!(second.ends_with("\r\n\r\nhello"), expected.starts_with("POST"), "{status}: {second}");
    }
}
