//! The Redis broker as a fixture: on one server, on a Cluster, and on a Cluster whose slots never rest.

use super::{
    FEED_STEPS,
    cluster::{self, Cluster, slot},
    mover::{self, Moving},
    redis,
};
use ::redis::{Value, aio::MultiplexedConnection, cmd};
use async_trait::async_trait;
use longshore_base::{Millis, Name, SystemClock, SystemRandom};
use longshore_queue::{Broker, RedisBroker, RedisOptions, conformance::Fixture};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

struct OnRedis {
    url: String,
    broker: Arc<RedisBroker>,
    /// One to each master.
    servers: Vec<MultiplexedConnection>,
    moving: Option<&'static Cluster>,
    /// The slots that are moved as long as the case runs.
    moved: Mutex<Vec<Moving>>,
}

/// What a queue's main key holds that is no part of any job: refused late writes, when the slot was last seen, who is idle or listens.
const LEFT_OUT: [&[u8]; 7] = [b"lost", b"seen", b"hold", b"idle", b"watch", b"feed", b"stream"];

/// A broker on the shared server, as the user of docs/redis.md with the least rights.
pub(crate) async fn fresh_redis() -> Arc<dyn Fixture> {
    let server = redis::shared().await;
    open(&server.url_of_user(), vec![server.connect().await], None).await
}

async fn fresh_durable_redis() -> Arc<dyn Fixture> {
    let server = redis::shared_durable().await;
    open(&server.url_of_user(), vec![server.connect().await], None).await
}

/// A broker on the shared cluster, as such a user.
pub(crate) async fn fresh_cluster() -> Arc<dyn Fixture> {
    let cluster = cluster::shared().await;
    open(&cluster.url_of_user(), cluster.connections().await, None).await
}

/// A broker on a cluster on which the case's slots are moved from master to master all the time.
pub(crate) async fn fresh_moving() -> Arc<dyn Fixture> {
    let cluster = cluster::shared_moving().await;
    open(&cluster.url_of_user(), cluster.connections().await, Some(cluster)).await
}

/// A broker with the usual options.
pub(crate) async fn connect(url: &str) -> Arc<RedisBroker> {
    RedisBroker::connect(usual(url)).await.expect("a broker")
}

fn usual(url: &str) -> RedisOptions {
    RedisOptions::new(url, SystemClock::new(), SystemRandom::new())
}

async fn open(url: &str, servers: Vec<MultiplexedConnection>, moving: Option<&'static Cluster>) -> Arc<dyn Fixture> {
    let options = RedisOptions { feed_steps: FEED_STEPS, ..usual(url) };
    let broker = RedisBroker::connect(options).await.expect("a broker");
    Arc::new(OnRedis { url: url.to_owned(), broker, servers, moving, moved: Mutex::default() })
}

#[async_trait]
impl Fixture for OnRedis {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }
    async fn opened(&self, queue: &Name) {
        if let Some(cluster) = self.moving {
            let moving = mover::keep_moving(cluster, slot(&format!("{{{queue}/0}}")));
            self.moved.lock().unwrap_or_else(PoisonError::into_inner).push(moving);
        }
    }
    async fn now(&self) -> Millis {
        redis::time(&mut self.servers[0].clone()).await
    }
    async fn pass(&self, by: Duration) {
        let end = self.now().await + Millis::try_from(by.as_millis()).expect("a short time");
        // A timer that has fired is no proof; the server's own clock is.
        let mut pace = tokio::time::interval(by.clamp(Duration::from_millis(1), Duration::from_millis(20)));
        while self.now().await < end {
            pace.tick().await;
        }
    }
    fn feed_steps(&self) -> usize {
        FEED_STEPS
    }
    async fn lapse(&self, queue: &Name) {
        let _rest = match self.moving {
            Some(_) => Some(mover::rest().await),
            None => None,
        };
        for server in &self.servers {
            let mut server = server.clone();
            for key in scan(&mut server, &format!("*{{{queue}/0}}:meta")).await {
                let _: Value = cmd("HSET").arg(key).arg(&["feed", "1"]).query_async(&mut server).await.expect("HSET");
            }
        }
    }
    async fn snapshot(&self, queue: &Name) -> String {
        let _rest = match self.moving {
            Some(_) => Some(mover::rest().await),
            None => None,
        };
        let text = snapshot(&self.servers, &format!("*{{{queue}/0}}*")).await;
        // Another node opens the queue before any call, a refused one too: it notes itself and moves the last token ahead.
        let opened = |line: &&str| self.moving.is_none() || !["  server = ", "  tok = "].iter().any(|field| line.starts_with(field));
        text.lines().filter(opened).collect::<Vec<_>>().join("\n")
    }
    async fn reopened(&self) -> Arc<dyn Broker> {
        connect(&self.url).await
    }
    async fn durable(&self) -> Arc<dyn Fixture> {
        if self.moving.is_some() {
            fresh_moving().await
        } else if self.servers.len() > 1 {
            fresh_cluster().await
        } else {
            fresh_durable_redis().await
        }
    }
}

/// Every key that matches, with its value; but for feeds, which tell what was written and are no part of it.
pub(crate) async fn snapshot(servers: &[MultiplexedConnection], pattern: &str) -> String {
    let mut keys = BTreeMap::new();
    for server in servers {
        let mut server = server.clone();
        for key in scan(&mut server, pattern).await {
            let value = read(&mut server, &key).await;
            keys.insert(key, value);
        }
    }
    keys.into_iter().map(|(key, value)| format!("{}\n{value}\n", key.escape_ascii())).collect()
}

async fn scan(server: &mut MultiplexedConnection, pattern: &str) -> BTreeSet<Vec<u8>> {
    let (mut keys, mut cursor) = (BTreeSet::new(), "0".to_owned());
    loop {
        let (next, page): (String, Vec<Vec<u8>>) =
            cmd("SCAN").arg(&cursor).arg(&["MATCH", pattern, "COUNT", "10000"]).query_async(server).await.expect("SCAN");
        keys.extend(page.into_iter().filter(|key| !key.ends_with(b"}:feed")));
        if next == "0" {
            return keys;
        }
        cursor = next;
    }
}

/// A key's value as text, in an order of its own where the server has none.
async fn read(server: &mut MultiplexedConnection, key: &[u8]) -> String {
    let kind: String = cmd("TYPE").arg(key).query_async(server).await.expect("TYPE");
    let ask = match kind.as_str() {
        "string" => cmd("GET").arg(key).to_owned(),
        "hash" => cmd("HGETALL").arg(key).to_owned(),
        "set" => cmd("SMEMBERS").arg(key).to_owned(),
        "zset" => cmd("ZRANGE").arg(key).arg(&["0", "-1", "WITHSCORES"]).to_owned(),
        "list" => cmd("LRANGE").arg(key).arg(&["0", "-1"]).to_owned(),
        "stream" => cmd("XRANGE").arg(key).arg(&["-", "+"]).to_owned(),
        "none" => return "gone".into(),
        other => panic!("a {other} is not expected"),
    };
    let value: Value = ask.query_async(server).await.expect("a value");
    let texts = match value {
        Value::BulkString(bytes) => vec![bytes],
        Value::Nil => vec![],
        Value::Array(items) | Value::Set(items) => items.iter().map(bytes).collect(),
        Value::Map(pairs) => pairs.iter().flat_map(|(field, value)| [bytes(field), bytes(value)]).collect(),
        other => panic!("{other:?} is not expected"),
    };
    let mut lines: Vec<String> = match kind.as_str() {
        "hash" => texts.chunks(2).filter(|pair| !is_left_out(key, &pair[0])).map(line).collect(),
        "zset" => texts.chunks(2).map(line).collect(),
        _ => texts.chunks(1).map(line).collect(),
    };
    if kind != "list" {
        lines.sort();
    }
    lines.join("\n")
}

fn is_left_out(key: &[u8], field: &[u8]) -> bool {
    key.ends_with(b":meta") && LEFT_OUT.contains(&field)
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        other => format!("{other:?}").into_bytes(),
    }
}

fn line(parts: &[Vec<u8>]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.escape_ascii().to_string()).collect();
    format!("  {}", parts.join(" = "))
}
