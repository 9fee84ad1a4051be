//! A Redis Cluster of three masters.

use super::{
    acl::{self, For},
    redis::{Redis, connect},
};
use redis::{RedisError, aio::MultiplexedConnection, cmd};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Three masters that share the slots.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The masters.
    pub(crate) nodes: Vec<Redis>,
    /// Their ids inside the cluster, in the same order.
    pub(crate) ids: Vec<String>,
}

const SLOTS: u16 = 16_384;
const MASTERS: u16 = 3;

/// The one that cases share. Every node is durable, so that kinds that are not repeatable can be tried here too.
pub(crate) async fn shared() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_init(Cluster::start).await
}

/// A second one, whose slots are moved.
pub(crate) async fn shared_moving() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_init(Cluster::start).await
}

impl Cluster {
    /// Starts the nodes and joins them.
    pub(crate) async fn start() -> Self {
        let settings = ["--cluster-enabled", "yes", "--appendfsync", "always", "--cluster-node-timeout", "15000"];
        let nodes = futures::future::join_all((0..MASTERS).map(|_| Redis::start(&settings))).await;
        let mut ids = Vec::new();
        for (place, node) in (0..MASTERS).zip(&nodes) {
            let mut c = node.connect().await;
            // Without an epoch of its own each, two masters agree on theirs by a vote that takes seconds.
            ask(&mut c, &["SET-CONFIG-EPOCH", &(place + 1).to_string()]).await.expect("an epoch");
            let (first, last) = (SLOTS / MASTERS * place, if place + 1 == MASTERS { SLOTS } else { SLOTS / MASTERS * (place + 1) } - 1);
            ask(&mut c, &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await.expect("slots");
            acl::grant_usual(&mut c, For::Cluster).await;
            ids.push(cmd("CLUSTER").arg("MYID").query_async(&mut c).await.expect("an id"));
            if place > 0 {
                ask(&mut c, &["MEET", "127.0.0.1", &nodes[0].port.to_string()]).await.expect("met");
            }
        }
        let cluster = Self { nodes, ids };
        let whole = async {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while !cluster.is_whole().await {
                pace.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), whole).await.expect("the cluster is whole within a minute");
        cluster
    }

    /// Its address as the broker's setting.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// The same for the user with the least rights.
    pub(crate) fn url_of_user(&self) -> String {
        self.url().replacen("://", &format!("://{}", acl::login()), 1)
    }

    /// Which master has the slot as long as nobody moves it.
    pub(crate) fn first_owner(&self, slot: u16) -> usize {
        usize::from((slot / (SLOTS / MASTERS)).min(MASTERS - 1))
    }

    /// A connection to each master.
    pub(crate) async fn connections(&self) -> Vec<MultiplexedConnection> {
        futures::future::join_all(self.nodes.iter().map(|node| connect(node.port))).await
    }

    async fn is_whole(&self) -> bool {
        for c in &mut self.connections().await {
            let info: String = cmd("CLUSTER").arg("INFO").query_async(c).await.unwrap_or_default();
            if !info.contains("cluster_state:ok") || !info.contains("cluster_known_nodes:3") {
                return false;
            }
        }
        true
    }
}

/// A `CLUSTER` command whose answer is OK.
pub(crate) async fn ask(c: &mut MultiplexedConnection, words: &[&str]) -> Result<(), RedisError> {
    cmd("CLUSTER").arg(words).query_async(c).await
}

/// The slot of a key.
pub(crate) fn slot(key: &str) -> u16 {
    let hashed = key.find('{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.find('}').filter(|close| *close > 0).map(|close| &rest[..close])
    });
    let crc = hashed.unwrap_or(key).bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    crc % SLOTS
}

#[test]
fn slots_are_those_of_the_protocol() {
    // The check value of CRC-16/XMODEM, and what CLUSTER KEYSLOT answers.
    assert_eq!(slot("123456789"), 0x31c3);
    assert_eq!(slot("{123456789}x"), slot("a{123456789}{b}"));
    assert_eq!(slot("foo{}{bar}"), 8363);
}
