//! Over a real socket: slow and greedy clients, and a shutdown that lets the open request end.

use super::harness::Harness;
use crate::{ApiState, Limits, serve};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// More than any of these tests should take.
const BOUND: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn start(state: ApiState) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(serve(listener, state, async move {
        stopped.await.ok();
    }));
    Server { address, stop, ended }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends bytes and reads to the end of the connection.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("sent");
        rest(&mut stream).await
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end like any other.
    tokio::time::timeout(BOUND, stream.read_to_end(&mut answer)).await.expect("an end in time").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_over_the_wire_is_answered() {
    let api = Harness::new().await;
    let server = start(api.state.clone()).await;
    let body = r#"{"kind":"demo.echo","args":{}}"#;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        api.operator,
        body.len()
    );
    let answer = server.exchange(format!("{head}{body}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let answer = server.exchange(b"GET /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn heads_are_bounded_in_lines_bytes_and_time() {
    let limits = Limits { headers_max: 16, head_bytes_max: 16 * 1024, head_time: Duration::from_millis(200), ..Limits::default() };
    let api = Harness::with(limits).await;
    let server = start(api.state.clone()).await;
    let many: String = (0..40).map(|n| format!("x-{n}: 1\r\n")).collect();
    let answer = server.exchange(format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = server.exchange(format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024)).as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    // Never ends its head: the connection is closed, whatever is said at the end of it.
    let answer = server.exchange(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let api = Harness::with(Limits { connections_max: 1, ..Limits::default() }).await;
    let server = start(api.state.clone()).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut byte = [0];
    first.read_exact(&mut byte).await.expect("the first is served");
    let mut second = server.connect().await;
    second.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    let early = tokio::time::timeout(Duration::from_millis(200), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "the second waits while the first is open");
    drop(first);
    assert!(rest(&mut second).await.contains("200 OK"));
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection() {
    let api = Harness::with(Limits { connections_max: 1, stall_time: Duration::from_millis(200), ..Limits::default() }).await;
    for _ in 0..32 {
        api.echo(&api.operator, serde_json::json!({ "args": { "text": "x".repeat(250_000) } })).await;
    }
    let server = start(api.state.clone()).await;
    let mut greedy = server.connect().await;
    let list = format!("GET /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", api.operator);
    greedy.write_all(list.as_bytes()).await.expect("sent");
    let mut byte = [0];
    greedy.read_exact(&mut byte).await.expect("the answer begins");
    // Its eight megabytes are more than the kernel buffers, so the one place is free only once the stalled connection was cut.
    let answer = server.exchange(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("200 OK"), "{answer}");
    assert!(rest(&mut greedy).await.len() < 8_000_000, "the answer was cut");
}

#[tokio::test]
async fn a_shutdown_lets_the_open_request_end() {
    let api = Harness::new().await;
    let server = start(api.state.clone()).await;
    let body = r#"{"kind":"demo.echo","args":{}}"#;
    let mut open = server.connect().await;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        api.operator,
        body.len()
    );
    open.write_all(head.as_bytes()).await.expect("sent");
    let mut interim = [0; 25];
    open.read_exact(&mut interim).await.expect("the handler reads the body");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.stop.send(()).expect("it runs");
    open.write_all(body.as_bytes()).await.expect("sent");
    assert!(rest(&mut open).await.starts_with("HTTP/1.1 202"), "the request ends well");
    tokio::time::timeout(BOUND, server.ended).await.expect("it ends in time").expect("without a panic");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_shutdown_ends_streams_of_events() {
    let api = Harness::new().await;
    api.make_queue("q").await;
    let server = start(api.state.clone()).await;
    let mut open = server.connect().await;
    let head = format!("GET /v1/events?queue=q HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", api.operator);
    open.write_all(head.as_bytes()).await.expect("sent");
    let mut heard = String::new();
    while !heard.contains("retry: 1000") {
        let mut part = [0; 1024];
        let n = tokio::time::timeout(BOUND, open.read(&mut part)).await.expect("a greeting in time").expect("read");
        assert!(n > 0, "it is open: {heard}");
        heard.push_str(&String::from_utf8_lossy(&part[..n]));
    }
    server.stop.send(()).expect("it runs");
    assert!(rest(&mut open).await.ends_with("0\r\n\r\n"), "a whole answer, not one that breaks off");
    tokio::time::timeout(BOUND / 4, server.ended).await.expect("nobody waits for the reader").expect("without a panic");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let api = Harness::with(Limits { grace: Duration::from_millis(100), ..Limits::default() }).await;
    let server = start(api.state.clone()).await;
    let mut open = server.connect().await;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n",
        api.operator
    );
    open.write_all(head.as_bytes()).await.expect("sent");
    let mut interim = [0; 25];
    open.read_exact(&mut interim).await.expect("the handler waits for the body");
    server.stop.send(()).expect("it runs");
    tokio::time::timeout(BOUND, server.ended).await.expect("it ends without the body").expect("without a panic");
}
