//! What may be reached and what not, and a small HTTP server on the loopback to be reached.

use super::{Call, CallError, Method, Outbound, Reply, header::HeaderMap, resolver::Lookup};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Answers each connection's request with the next of its answers (the last one again and again) and keeps what it got.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) got: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), got: Arc::default() };
        let (got, answers): (_, Vec<_>) = (Arc::clone(&server.got), answers.into_iter().collect());
        // Ends with the test's runtime.
        tokio::spawn(async move {
            let mut next = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut buffer = [0; 16_384];
                while !complete(&request) {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => break,
                        Ok(n) => request.extend_from_slice(&buffer[..n]),
                    }
                }
                got.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                let answer = &answers[next.min(answers.len() - 1)];
                next += 1;
                if answer.is_empty() {
                    // No answer at all, until the caller gives up.
                    tokio::spawn(async move { stream.read(&mut [0; 1]).await });
                    continue;
                }
                let _: std::io::Result<()> = stream.write_all(answer).await;
                let _: std::io::Result<()> = stream.shutdown().await;
            }
        });
        server
    }
    pub(crate) async fn with(answer: &str) -> Self {
        Self::answering([answer.as_bytes().to_vec()]).await
    }
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
    /// Completes when a request has come.
    pub(crate) async fn reached(&self) {
        while self.got.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    pub(crate) fn requests(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

/// Whether the head is there, and as much body as it promises.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap()));
    body.len() >= length.unwrap_or(0)
}

fn get(url: &str) -> Call<'_> {
    let (headers, bytes_max, time_max) = (HeaderMap::new(), 1_000, Duration::from_secs(10));
    Call { method: Method::GET, url, headers, body: None, bytes_max, time_max }
}

fn open(networks: &[&str]) -> Outbound {
    Outbound::new(networks.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>())
}

async fn told(outbound: &Outbound, url: &str) -> String {
    match outbound.send(get(url)).await {
        Ok(Reply { status, .. }) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_is_not_public_is_refused_by_its_rule() {
    let outbound = open(&[]);
    for (host, rule) in [
        ("127.0.0.1", "this host"),
        ("127.255.255.254", "this host"),
        ("0.0.0.0", "this host"),
        ("10.1.2.3", "a private network"),
        ("172.16.0.1", "a private network"),
        ("172.31.255.255", "a private network"),
        ("192.168.1.1", "a private network"),
        ("100.64.0.1", "a carrier's private network"),
        ("169.254.169.254", "a link-local network"),
        ("192.0.0.1", "a reserved network"),
        ("198.18.0.1", "a network for benchmarks"),
        ("224.0.0.1", "a multicast or reserved network"),
        ("255.255.255.255", "a multicast or reserved network"),
        ("[::]", "this host"),
        ("[::1]", "this host"),
        ("[::ffff:127.0.0.1]", "an IPv4 address in an IPv6 form"),
        ("[::ffff:8.8.8.8]", "an IPv4 address in an IPv6 form"),
        ("[::127.0.0.1]", "this host"),
        ("[64:ff9b::7f00:1]", "a translated network"),
        ("[2002:7f00:1::]", "a tunnel"),
        ("[2001:0:1::]", "a tunnel or reserved network"),
        ("[fd00::1]", "a private network"),
        ("[fe80::1]", "a link-local network"),
        ("[ff02::1]", "a multicast network"),
    ] {
        let expected = format!("the address is refused: {rule}; --allow-outbound opens networks");
        assert_eq!(told(&outbound, &format!("http://{host}/x")).await, expected, "{host}");
    }
}

#[test]
fn what_is_public_passes() {
    let rules = super::Rules::new(Arc::from([]));
    for ip in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00::1",
    ] {
        assert_eq!(rules.check(ip.parse().unwrap()), Ok(()), "{ip}");
    }
}

#[tokio::test]
async fn forms_that_hide_where_they_lead_are_refused() {
    let outbound = open(&["127.0.0.0/8"]);
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "http:/127.0.0.1/",
        "//127.0.0.1/",
        "http://user:pw@127.0.0.1/",
        "http://example.com@127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://127.000.0.1/",
        "http://①②⑦.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://127.0.\t0.1/",
        " http://127.0.0.1/",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
    ] {
        let error = outbound.send(get(url)).await.unwrap_err();
        assert!(matches!(error, CallError::Unusable(_)), "{url}: {error}");
    }
}

fn names(answers: Vec<Vec<SocketAddr>>) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let answer = answers[count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    });
    (lookup, asked)
}

#[tokio::test]
async fn names_are_checked_where_the_connection_is_made() {
    let server = Server::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let url = format!("http://rebound.test:{}/", server.address.port());
    let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);

    let (lookup, _) = names(vec![vec![at("10.0.0.1"), at("127.0.0.1")]]);
    let closed = Outbound::resolving(Vec::new(), lookup);
    assert_eq!(told(&closed, &url).await, "the address is refused: this host; --allow-outbound opens networks");

    // An opened address among refused ones is the only one that is tried.
    let (lookup, _) = names(vec![vec![at("10.0.0.1"), at("127.0.0.1")]]);
    let opened = Outbound::resolving(vec!["127.0.0.0/8".parse().unwrap()], lookup);
    assert_eq!(told(&opened, &url).await, "200 OK");

    // A name that answers well once gains nothing by answering otherwise later: each connection is checked.
    let (lookup, asked) = names(vec![vec![at("127.0.0.1")], vec![at("169.254.169.254")]]);
    let opened = Outbound::resolving(vec!["127.0.0.0/8".parse().unwrap()], lookup);
    assert_eq!(told(&opened, &url).await, "200 OK");
    assert_eq!(told(&opened, &url).await, "the address is refused: a link-local network; --allow-outbound opens networks");
    assert_eq!((asked.load(Ordering::Relaxed), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn the_machines_resolver_is_checked_too() {
    let told = told(&open(&[]), "http://localhost:1/").await;
    assert_eq!(told, "the address is refused: this host; --allow-outbound opens networks");
}

#[tokio::test]
async fn redirects_are_answers() {
    let inner = Server::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", inner.url("/"));
    let server = Server::with(&answer).await;
    assert_eq!(told(&open(&["127.0.0.0/8"]), &server.url("/")).await, "302 Found");
    assert_eq!(inner.requests().len(), 0);
}

#[tokio::test]
async fn bytes_and_time_are_capped() {
    let outbound = open(&["127.0.0.0/8"]);
    let server = Server::with(&format!("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{}", "x".repeat(5_000))).await;
    let reply = outbound.send(get(&server.url("/"))).await.unwrap();
    assert_eq!((reply.body.len(), reply.truncated), (1_000, true));
    let exact = Server::with(&format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", "x".repeat(1_000))).await;
    let reply = outbound.send(get(&exact.url("/"))).await.unwrap();
    assert_eq!((reply.body.len(), reply.truncated), (1_000, false));

    let silent = Server::answering([Vec::new()]).await;
    let url = silent.url("/");
    let error = outbound.send(Call { time_max: Duration::from_millis(100), ..get(&url) }).await.unwrap_err();
    assert_eq!(error, CallError::Failed("no complete answer within 100 ms".into()));
    assert_eq!(silent.requests().len(), 1, "it was sent once");
}

#[tokio::test]
async fn broken_connections_are_told_and_never_repeated() {
    let outbound = open(&["127.0.0.0/8"]);
    let cut = Server::with("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\nabc").await;
    let error = told(&outbound, &cut.url("/")).await;
    assert!(error.starts_with("the answer broke off: "), "{error}");
    let dropped = Server::with("\r").await;
    let error = told(&outbound, &dropped.url("/")).await;
    assert!(error.starts_with("the connection broke: "), "{error}");
    assert_eq!((cut.requests().len(), dropped.requests().len()), (1, 1));
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let error = told(&outbound, &format!("http://{free}/")).await;
    assert!(error.starts_with("the connection could not be made: "), "{error}");
}
