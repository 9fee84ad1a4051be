//! The ways to a Redis besides a plain port: TLS with a CA of one's own, clusters and Sentinels included, and a socket.

use crate::harness::{
    certificates::{Authority, Encrypted, Pair},
    cluster, eventually, folder, free_port,
    longshore::{Longshore, path, run},
    redis::Redis,
};
use longshore_base::{Clock, Name, SystemClock, SystemRandom};
use longshore_queue::{
    Broker, BrokerError, JobId, NewJob, RedisBroker, RedisOptions, RedisTls, Scope,
    conformance::{args, only},
};
use std::{path::Path, sync::Arc, time::Duration};

fn options(url: &str, ca: Option<&Path>, own: Option<&Pair>) -> RedisOptions {
    let read = |path: &Path| std::fs::read(path).expect("a file");
    let tls = RedisTls { ca: ca.map(read), client: own.map(|own| (read(&own.cert), read(&own.key))) };
    RedisOptions { tls, ..RedisOptions::new(url, SystemClock::new(), SystemRandom::new()) }
}

async fn connect(url: &str, ca: &Path, own: Option<&Pair>) -> Result<Arc<RedisBroker>, BrokerError> {
    RedisBroker::connect(options(url, Some(ca), own)).await
}

/// A job goes in and is found.
async fn works(broker: &dyn Broker) {
    let queue = Name::literal("encrypted");
    let home = broker.home(&queue).await.expect("a home");
    let id = JobId::new(SystemClock::new().now(), home, &*SystemRandom::new());
    let job = NewJob::new(id, queue.clone(), Name::literal("k"), Name::literal("t"), args("x"));
    only(broker.enqueue(vec![job]).await.expect("an answer")).expect("taken");
    assert!(only(broker.get(&Scope::All, &[id]).await.expect("an answer")).is_some());
    // Subscriptions go the same way.
    tokio::time::timeout(Duration::from_secs(20), broker.wait(&queue, Duration::from_millis(50))).await.expect("a bounded wait");
}

fn config(text: &str) -> std::path::PathBuf {
    let file = folder("config").join("longshore.toml");
    std::fs::write(&file, text).expect("a file");
    file
}

#[tokio::test]
async fn a_ca_of_our_own_is_trusted_when_it_is_named() {
    let authority = Authority::new();
    let server = Encrypted::start(&authority.sign("server", &["localhost", "127.0.0.1"]), &authority.file(), "no", &[]).await;
    for host in ["127.0.0.1", "localhost"] {
        let broker = connect(&format!("rediss://{host}:{}/0", server.port), &authority.file(), None).await.expect("trusted");
        works(&*broker).await;
    }
    let file = config(&format!("[redis]\nca_file = \"{}\"\n", authority.file().display()));
    let url = format!("rediss://127.0.0.1:{}/0", server.port);
    let up = Longshore::start("longshore", "up", folder("data"), &["--broker", &url, "--config", path(&file)]).await;
    let done = up.run(&["enqueue", "demo.echo", r#"{"hello":"tls"}"#, "--wait"]);
    assert_eq!((done.code, done.out.trim()), (0, r#"{"hello":"tls"}"#), "{}", done.told);
}

#[tokio::test]
async fn who_cannot_be_trusted_is_refused_with_the_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Encrypted::start(&authority.sign("server", &["elsewhere.invalid", "127.0.0.1"]), &authority.file(), "no", &[]).await;
    let url = |host: &str, port: u16| format!("rediss://{host}:{port}/0");
    let told = async |url: String, ca: Option<&Path>| {
        RedisBroker::connect(options(&url, ca, None)).await.map(drop).expect_err("refused").to_string()
    };
    for ca in [None, Some(other.file())] {
        let why = told(url("127.0.0.1", server.port), ca.as_deref()).await;
        assert!(why.contains("UnknownIssuer") && why.contains("redis.ca_file"), "{why}");
    }
    let why = told(url("localhost", server.port), Some(&authority.file())).await;
    assert!(why.contains("not valid for name") && why.contains("localhost"), "{why}");
    let why = told(url("127.0.0.1", server.redis.port), Some(&authority.file())).await;
    assert!(why.contains("does not speak TLS"), "{why}");

    let file = config(&format!("[redis]\nca_file = \"{}\"\n", other.file().display()));
    let broker = url("127.0.0.1", server.port);
    for command in ["worker", "doctor"] {
        let ran = run(&[command, "--broker", &broker, "--config", path(&file), "--data", path(&folder("data"))]);
        assert_eq!(ran.code, 69, "{command}: {}{}", ran.out, ran.told);
        assert!(format!("{}{}", ran.out, ran.told).contains("redis.ca_file"), "{command}: {}{}", ran.out, ran.told);
    }
    let file = config(&format!("broker = \"redis://127.0.0.1\"\n[redis]\nca_file = \"{}\"\n", authority.file().display()));
    let ran = run(&["worker", "--config", path(&file), "--data", path(&folder("data"))]);
    assert_eq!(ran.code, 78, "{}", ran.told);
    assert!(ran.told.contains("does not ask for TLS"), "{}", ran.told);
}

#[tokio::test]
async fn a_server_may_ask_for_our_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Encrypted::start(&authority.sign("server", &["127.0.0.1"]), &authority.file(), "yes", &[]).await;
    let url = format!("rediss://127.0.0.1:{}/0", server.port);
    works(&*connect(&url, &authority.file(), Some(&authority.sign("client", &["jobs"]))).await.expect("known")).await;
    let why = connect(&url, &authority.file(), None).await.map(drop).expect_err("no certificate").to_string();
    assert!(why.contains("redis.client_cert_file"), "{why}");
    let stranger = other.sign("client", &["jobs"]);
    let why = connect(&url, &authority.file(), Some(&stranger)).await.map(drop).expect_err("a stranger").to_string();
    assert!(why.contains("redis.client_cert_file"), "{why}");
}

#[tokio::test]
async fn a_cluster_speaks_tls() {
    let authority = Authority::new();
    let pair = authority.sign("server", &["127.0.0.1"]);
    let server = Encrypted::start(&pair, &authority.file(), "no", &["--cluster-enabled", "yes", "--tls-cluster", "yes"]).await;
    let mut plain = server.redis.connect().await;
    cluster::ask(&mut plain, &["ADDSLOTSRANGE", "0", "16383"]).await.expect("all slots");
    eventually("the cluster is whole", Duration::from_secs(60), async || {
        let info: String = ::redis::cmd("CLUSTER").arg("INFO").query_async(&mut plain).await.unwrap_or_default();
        info.contains("cluster_state:ok")
    })
    .await;
    let url = format!("rediss+cluster://127.0.0.1:{}", server.port);
    works(&*connect(&url, &authority.file(), None).await.expect("trusted")).await;
}

#[tokio::test]
async fn sentinels_speak_tls() {
    let authority = Authority::new();
    let pair = authority.sign("server", &["127.0.0.1"]);
    let server = Encrypted::start(&pair, &authority.file(), "no", &[]).await;
    let (port, folder) = (free_port(), folder("sentinel"));
    let text = format!(
        "port 0\ntls-port {port}\nbind 127.0.0.1\ndir {}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n\
         tls-replication yes\nsentinel monitor main 127.0.0.1 {} 1\n",
        folder.display(),
        pair.cert.display(),
        pair.key.display(),
        authority.file().display(),
        server.port
    );
    let file = folder.join("sentinel.conf");
    std::fs::write(&file, text).expect("a file");
    let _sentinel = crate::harness::sentinel::Sentinel::of_file(port, &file).await.expect("a Sentinel");
    let url = format!("rediss+sentinel://127.0.0.1:{port}/main/0");
    works(&*connect(&url, &authority.file(), None).await.expect("trusted")).await;
}

#[tokio::test]
async fn a_socket_with_a_user() {
    // A short path: sockets have little room for theirs.
    let socket = folder("s").join("r");
    let redis = Redis::start(&["--unixsocket", path(&socket)]).await;
    let mut plain = redis.connect().await;
    let _: () =
        ::redis::cmd("ACL").arg(&["SETUSER", "u", "on", ">p@ss", "~*", "&*", "+@all"]).query_async(&mut plain).await.expect("a user");
    let url = |password: &str| format!("unix://{}?db=3&user=u&pass={password}", socket.display());
    works(&*RedisBroker::connect(options(&url("p%40ss"), None, None)).await.expect("a broker")).await;
    let why = RedisBroker::connect(options(&url("hidden"), None, None)).await.map(drop).expect_err("no such password").to_string();
    assert!(why.contains("WRONGPASS") && !why.contains("hidden"), "{why}");
}
