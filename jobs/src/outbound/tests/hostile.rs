//! More than two hundred ways to write an address that must not be called, against a trap that counts connections. Its port is one that
//! everybody may call here, and every name leads to it, so that only the rule about its address keeps calls away.

use super::{Server, get, names, rules, told};
use crate::outbound::{CallError, Outbound, resolver};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::net::TcpListener;

/// Listens on the loopback and counts who comes.
struct Trap {
    port: u16,
    seen: Arc<AtomicUsize>,
}

impl Trap {
    async fn new() -> Self {
        let v4 = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let trap = Self { port: v4.local_addr().unwrap().port(), seen: Arc::default() };
        trap.count(v4);
        // On a machine without IPv6 nothing can be reached there either.
        if let Ok(v6) = TcpListener::bind(("::1", trap.port)).await {
            trap.count(v6);
        }
        trap
    }
    fn count(&self, listener: TcpListener) {
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
    }
    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
    /// Shows that it would have been seen: with its address opened, a plain call arrives.
    async fn is_alive(&self) {
        let before = self.seen();
        let (lookup, _) = names(&[&["127.0.0.1"]]);
        let open = Outbound::with(rules(&["127.0.0.0/8"], &[]), lookup);
        for host in ["127.0.0.1", "any.name.test"] {
            let error = open.send(get(&format!("http://{host}:{}/", self.port))).await.unwrap_err();
            assert!(matches!(error, CallError::Failed(_)), "{error}");
        }
        assert_eq!(self.seen(), before + 2);
    }
}

/// Hosts, separated by spaces, to be called as `http://HOST:PORT/x`.
const HOSTS: &[&str] = &[
    // What is not public.
    "127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.255 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 \
     100.127.255.254 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 \
     192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 \
     239.255.255.255 240.0.0.1 255.255.255.255",
    // Short.
    "127.1 127.0.1 127.65530 127.0.257 0 1 10.1 192.168.257 169.254.43518",
    // One number.
    "2130706433 3232235521 2852039166 4294967295 00 017700000001 02130706433",
    // Hexadecimal.
    "0x7f000001 0X7F000001 0x7F.0.0.1 0x7f.0x0.0x0.0x1 0x7f.1 0xa9fea9fe 0xA9.0xFE.0xA9.0xFE 0x0 0x 0x7f.0.1 \
     127.0.0.0x1 0x000000007f000001",
    // Octal.
    "0177.0.0.1 0177.0.0.01 0177.1 00177.0.0.1 0251.0376.0251.0376 127.0.0.01 127.000.000.001 0000.0.0.0 010.0.0.1 \
     0300.0250.0.1 0177.0x0.0.1",
    // A dot at the end, too many parts, too large ones.
    "127.0.0.1. 2130706433. 0x7f.1. localhost. 256.0.0.1 127.0.0.256 1.2.3.4.5 4294967296 0x100000000 \
     127.0.0.1.1 999.1.1.1 127..0.1 .127.0.0.1",
    // Other scripts and letters that look like nothing.
    "①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1 127｡0｡0｡1 １２７.０.０.１ 𝟏𝟐𝟕.𝟎.𝟎.𝟏 ｌocalhost ⓛⓞⓒⓐⓛⓗⓞⓢⓣ loc\u{ad}alhost \
     local\u{200b}host localhoſt ⅼocalhost ⑯⑨。②⑤④。⑯⑨。②⑤④ 0ⅹ7f.1 127.0.0.1\u{2044}example.com",
    // Percent signs.
    "127%2e0%2e0%2e1 %31%32%37.0.0.1 %6cocalhost localhost%00 127.0.0.1%00.example.com 127.0.0.1%2f 127.0.0.1%23 \
     127.0.0.1%40example.com %2531%2532%2537.0.0.1 localhost%2e %E2%91%A0%E2%91%A1%E2%91%A6.0.0.1 example.com%0d%0a",
    // Names that lead inside.
    "localhost LOCALHOST localhost.localdomain ip6-localhost foo.localhost 127.0.0.1.nip.io 127-0-0-1.sslip.io \
     localtest.me metadata.google.internal kubernetes.default.svc intranet.corp router example.com xn--nxasmq6b.example \
     a.b.c.d.e.f.example.com _ldap._tcp.example.com . .. - * $HOST {{host}} a,b a;b a&b (a) 'a' ~",
    // IPv6: this host in every form, other networks, what carries an IPv4 address, and what is no address.
    "[::1] [::] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] \
     [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::FFFF:127.0.0.1] [::ffff:a9fe:a9fe] [::ffff:10.0.0.1] \
     [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::7f00:1] [2002:7f00:1::] \
     [2002:7f00:1::1] [2002:a9fe:a9fe::] [2001:0:7f00:1::] [2001::1] [2001:0:4136:e378:8000:63bf:80ff:fffe] [2001:10::1] \
     [2001:20::1] [2001:db8::1] [3ffe::1] [3fff::1] [5f00::1] [100::1] [fc00::1] [fd12:3456:789a::1] \
     [fd00:ec2::254] [fe80::1] [febf::1] [fec0::1] [ff02::1] [ff0e::1] [4000::1] [2606:4700::5efe:7f00:1] \
     [2606:4700::200:5efe:7f00:1] [::1%25lo] [::1%lo] [fe80::1%25eth0] [::1 ::1 [::1]] [] [127.0.0.1] \
     [::ffff:127.0.0.1.] [::ffff:0x7f.1] [v1.127.0.0.1] [::1.]",
];

/// Whole URLs; PORT is the trap's.
const URLS: &[&str] = &[
    // User info.
    "http://user@127.0.0.1:PORT/",
    "http://user:pass@127.0.0.1:PORT/",
    "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@example.com/",
    "http://@127.0.0.1:PORT/",
    "http://:@127.0.0.1:PORT/",
    "http://a@b@127.0.0.1:PORT/",
    "http://example.com%40127.0.0.1:PORT/",
    "http://user@localhost:PORT/",
    "http://a:b@[::1]:PORT/",
    // Slashes.
    "http://127.0.0.1:PORT\\@example.com/",
    "http://example.com\\@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http:/\\127.0.0.1:PORT/",
    "http:\\/127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:////localhost:PORT/",
    "//127.0.0.1:PORT/",
    "\\\\127.0.0.1:PORT\\",
    "127.0.0.1:PORT",
    "://127.0.0.1:PORT/",
    "/",
    "",
    "http",
    "http:",
    "http://",
    "http://?",
    "http://#",
    // Spaces and control characters.
    " http://127.0.0.1:PORT/",
    "http://127.0.0.1:PORT/ ",
    "http://127.0.0.1 :PORT/",
    "http://127.0.0.1\t:PORT/",
    "ht\ntp://127.0.0.1:PORT/",
    "http://127.0.\n0.1:PORT/",
    "http://127.0.0.1:PORT/a\r\nHost: x",
    "http://\u{0}127.0.0.1:PORT/",
    "http://127.0.0.1\u{a0}:PORT/",
    "\u{feff}http://127.0.0.1:PORT/",
    "http://local\u{0}host:PORT/",
    "http://127.0.0.1:PORT/\u{7f}",
    // Schemes.
    "HTTP://127.0.0.1:PORT/",
    "hTTp://LOCALHOST:PORT/",
    "https://127.0.0.1:PORT/",
    "https://localhost:PORT/",
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "gopher://127.0.0.1:PORT/_GET",
    "dict://127.0.0.1:PORT/d",
    "ldap://127.0.0.1:PORT/",
    "tftp://127.0.0.1:PORT/x",
    "ws://127.0.0.1:PORT/",
    "wss://127.0.0.1:PORT/",
    "unix:/run/x.sock",
    "http+unix://%2Frun%2Fx.sock/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "blob:http://127.0.0.1:PORT/",
    "view-source:http://127.0.0.1:PORT/",
    "jar:http://127.0.0.1:PORT!/",
    "url:http://127.0.0.1:PORT/",
    "httpx://127.0.0.1:PORT/",
    "redis://127.0.0.1:PORT/",
    "0://127.0.0.1:PORT/",
    // What comes after the host.
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "http://127.0.0.1:PORT/;@example.com",
    "http://localhost:PORT?.example.com",
    "http://localhost:PORT#.example.com",
    "http://[::1]:PORT#@example.com/",
    // Ports.
    "http://example.com:PORT:80/",
    "http://127.0.0.1:0PORT/",
    "http://127.0.0.1:+PORT/",
    "http://127.0.0.1:PORTx/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:/",
    "http://:PORT/",
    "http://1.1.1.1:22/",
    "http://1.1.1.1:25/",
    "http://1.1.1.1:6379/",
    "http://8.8.8.8:53/",
    "https://1.1.1.1:8443/",
    "http://[2606:4700::1111]:8080/",
    "http://1.1.1.1:0/",
    "http://1.1.1.1:65535/",
];

fn hostile(port: u16) -> Vec<String> {
    let hosts = HOSTS.iter().flat_map(|group| group.split(' ')).map(|host| format!("http://{host}:{port}/x"));
    let urls = URLS.iter().map(|url| url.replace("PORT", &port.to_string()));
    let long = format!("http://127.0.0.1:{port}/{}", "a".repeat(9_000));
    hosts.chain(urls).chain([long]).collect()
}

/// Every name leads to the trap.
fn home() -> resolver::Lookup {
    names(&[&["127.0.0.1", "::1"]]).0
}

#[tokio::test]
async fn no_form_of_a_url_reaches_the_trap() {
    let trap = Trap::new().await;
    let outbound = Outbound::with(rules(&[], &[trap.port]), home());
    let urls = hostile(trap.port);
    assert!(urls.iter().collect::<BTreeSet<_>>().len() >= 250, "{} forms", urls.len());
    for url in &urls {
        let error = outbound.send(get(url)).await.expect_err(url);
        assert!(matches!(error, CallError::Unusable(_) | CallError::Refused(_)), "{url:?}: {error}");
        // The rule, and no hint on what is behind it.
        assert!(!error.to_string().contains(&trap.port.to_string()) && !error.to_string().contains("127"), "{url:?}: {error}");
    }
    assert_eq!(trap.seen(), 0);
    trap.is_alive().await;
}

#[tokio::test]
async fn no_redirect_reaches_the_trap() {
    let trap = Trap::new().await;
    // What cannot stand in a header cannot come in one; spaces around a value are not part of it.
    let urls: Vec<_> = hostile(trap.port).into_iter().filter(|url| !url.contains(char::is_control)).collect();
    // Paths are no addresses.
    let urls: Vec<_> = urls.into_iter().filter(|url| !["", "/", "http"].contains(&url.as_str())).collect();
    let answer =
        |url: &String| format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes();
    let server = Server::at("127.7.7.7", urls.iter().map(answer)).await;
    let outbound = Outbound::with(rules(&["127.7.7.7/32"], &[trap.port]), home());
    let start = server.url("/start");
    for url in &urls {
        let error = outbound.send(get(&start)).await.expect_err(url);
        assert!(matches!(error, CallError::Redirect(_)), "{url:?}: {error}");
    }
    assert_eq!((server.requests().len(), trap.seen()), (urls.len(), 0));
    assert!(urls.len() >= 200, "{} forms", urls.len());
    trap.is_alive().await;
}

/// What the machine's own resolver says of every entry of its hosts file that leads to the loopback.
#[tokio::test]
async fn no_entry_of_the_hosts_file_reaches_the_trap() {
    let trap = Trap::new().await;
    let outbound = Outbound::with(rules(&[], &[trap.port]), resolver::system());
    let file = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let entry = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        ip.is_loopback().then(|| words.map(str::to_owned).collect::<Vec<_>>())
    };
    let mut hosts: BTreeSet<String> = file.lines().filter_map(entry).flatten().collect();
    hosts.extend(["localhost".to_owned(), "LocalHost".to_owned()]);
    for host in hosts {
        let outcome = told(&outbound, &format!("http://{host}:{}/", trap.port)).await;
        assert_eq!(outcome, "the address is refused: this host; --allow-outbound opens networks", "{host}");
    }
    assert_eq!(trap.seen(), 0);
    trap.is_alive().await;
}

/// The name leads to a server that may be called, and to the trap as soon as that has been checked; in every order.
#[tokio::test]
async fn a_name_that_changes_its_mind_does_not_reach_the_trap() {
    let trap = Trap::new().await;
    let good = Server::at("127.0.0.2", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()]).await;
    let cases: [(&[&[&str]], usize); 4] = [
        (&[&["127.0.0.2"], &["127.0.0.1"]], 1),
        (&[&["127.0.0.1"], &["127.0.0.2"]], 1),
        (&[&["127.0.0.2", "127.0.0.1"], &["127.0.0.1", "127.0.0.2"], &["127.0.0.1", "::1"]], 2),
        (&[&["127.0.0.1", "::1", "::ffff:127.0.0.1"], &["::1", "127.0.0.2"], &["::ffff:127.0.0.2"]], 1),
    ];
    for (answers, ok) in cases {
        // With its own port the good server answers; with the trap's nobody but the trap would.
        for port in [good.address.port(), trap.port] {
            let (lookup, asked) = names(answers);
            let outbound = Outbound::with(rules(&["127.0.0.2/32"], &[good.address.port(), trap.port]), lookup);
            let url = format!("http://rebound.test:{port}/");
            let mut good_calls = 0;
            for _ in answers {
                good_calls += usize::from(told(&outbound, &url).await == "200 OK");
            }
            assert_eq!(asked.load(Ordering::Relaxed), answers.len(), "each call asks");
            assert_eq!(good_calls, if port == trap.port { 0 } else { ok }, "{answers:?}");
        }
    }
    assert_eq!(trap.seen(), 0);
    trap.is_alive().await;
}
