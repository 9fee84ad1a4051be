//! What may be reached and what not, and a small HTTP server on the loopback to be reached.

mod hostile;
mod redirects;

use super::{Call, CallError, Method, Outbound, Reply, Rules, header::HeaderMap, resolver::Lookup};
use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
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
        Self::at("127.0.0.1", answers).await
    }
    /// The same at another address of the loopback.
    pub(crate) async fn at(ip: &str, answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
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
    Call { method: Method::GET, url, headers, body: None, bytes_max, stay_at: &[], time_max }
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
        ("[::ffff:0:127.0.0.1]", "an IPv4 address in an IPv6 form"),
        ("[64:ff9b::7f00:1]", "a translated network"),
        ("[2002:7f00:1::]", "a tunnel"),
        ("[2001:0:1::]", "a tunnel or reserved network"),
        ("[fd00::1]", "a private network"),
        ("[fe80::1]", "a link-local network"),
        ("[ff02::1]", "a multicast network"),
        ("[4000::1]", "a reserved network"),
        ("[2606:4700::5efe:7f00:1]", "a tunnel"),
        ("1.1.1.1:8080", "a port other than 80 and 443"),
        ("1.1.1.1:22", "a port other than 80 and 443"),
        ("[2606:4700::1111]:6379", "a port other than 80 and 443"),
        ("127.0.0.1:6379", "a port other than 80 and 443"),
        ("localhost:6379", "a port other than 80 and 443"),
    ] {
        let expected = format!("the address is refused: {rule}; --allow-outbound opens networks");
        assert_eq!(told(&outbound, &format!("http://{host}/x")).await, expected, "{host}");
    }
}

#[test]
fn what_is_public_passes() {
    let rules = Rules::new(Arc::from([]));
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
        assert_eq!(rules.check(ip.parse().unwrap(), true), Ok(()), "{ip}");
        assert_eq!(rules.check(ip.parse().unwrap(), false), Err("a port other than 80 and 443"), "{ip}");
    }
    assert!([80, 443].into_iter().all(|port| rules.is_usual(port)) && !rules.is_usual(8080));
}

#[test]
fn who_opens_a_translator_opens_nothing_private_behind_it() {
    let nets = ["64:ff9b::/96", "2002::/16", "2001::/32", "192.168.7.0/24"];
    let rules = Rules::new(nets.iter().map(|net| net.parse().unwrap()).collect());
    for (ip, expected) in [
        ("64:ff9b::1.1.1.1", Ok(())),
        ("64:ff9b::127.0.0.1", Err("this host")),
        ("64:ff9b::a9fe:a9fe", Err("a link-local network")),
        ("64:ff9b::192.168.7.1", Ok(())),
        ("2002:101:101::1", Ok(())),
        ("2002:a00:1::1", Err("a private network")),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", Err("this host")),
        ("::ffff:192.168.7.1", Err("an IPv4 address in an IPv6 form")),
    ] {
        assert_eq!(rules.check(ip.parse().unwrap(), true), expected, "{ip}");
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

/// Answers with the next list (the last one again and again), and counts.
fn names(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answers: Vec<Vec<IpAddr>> = answers.iter().map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    let lookup: Lookup = Arc::new(move |_| {
        let answer = answers[count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    });
    (lookup, asked)
}

fn rules(open: &[&str], ports: &[u16]) -> Rules {
    Rules::new(open.iter().map(|net| net.parse().unwrap()).collect()).with_ports(ports)
}

#[tokio::test]
async fn names_are_checked_where_the_connection_is_made() {
    let server = Server::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let (url, port) = (format!("http://rebound.test:{}/", server.address.port()), server.address.port());

    let (lookup, _) = names(&[&["10.0.0.1", "127.0.0.1"]]);
    let closed = Outbound::with(rules(&[], &[port]), lookup);
    assert_eq!(told(&closed, &url).await, "the address is refused: this host; --allow-outbound opens networks");

    // An opened address among refused ones is the only one that is tried.
    let (lookup, _) = names(&[&["10.0.0.1", "127.0.0.1"]]);
    let opened = Outbound::with(rules(&["127.0.0.0/8"], &[]), lookup);
    assert_eq!(told(&opened, &url).await, "200 OK");

    // A name that answers well once gains nothing by answering otherwise later: each connection is checked.
    let (lookup, asked) = names(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let opened = Outbound::with(rules(&["127.0.0.0/8"], &[port]), lookup);
    assert_eq!(told(&opened, &url).await, "200 OK");
    assert_eq!(told(&opened, &url).await, "the address is refused: a link-local network; --allow-outbound opens networks");
    assert_eq!((asked.load(Ordering::Relaxed), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_name_is_not_even_asked_for_where_no_address_could_pass() {
    let (lookup, asked) = names(&[&["1.1.1.1"]]);
    let closed = Outbound::with(rules(&[], &[]), lookup);
    let odd = "the address is refused: a port other than 80 and 443; --allow-outbound opens networks";
    assert_eq!(told(&closed, "http://name.test:8080/").await, odd);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    // With something opened it has to be, and a public address is no reason to call an odd port.
    let (lookup, asked) = names(&[&["1.1.1.1"]]);
    let opened = Outbound::with(rules(&["127.0.0.0/8"], &[]), lookup);
    assert_eq!(told(&opened, "http://name.test:8080/").await, odd);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_machines_resolver_is_checked_too() {
    let told = told(&open(&[]), "http://localhost/").await;
    assert_eq!(told, "the address is refused: this host; --allow-outbound opens networks");
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

    // A small answer that becomes a large one: the cap counts what comes out.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..64).for_each(|_| bomb.write_all(&[0; 1 << 20]).unwrap());
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let packed = Server::answering([[head.as_bytes(), &bomb].concat()]).await;
    let reply = outbound.send(get(&packed.url("/"))).await.unwrap();
    assert_eq!((reply.body, reply.truncated), (vec![0; 1_000], true));

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
