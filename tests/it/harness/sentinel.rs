//! A master, a replica and three Sentinels that watch them.

use super::{
    eventually, folder, folder_in_memory,
    process::{Server, free_port},
    redis::Redis,
};
use redis::{RedisResult, Value, aio::MultiplexedConnection, cmd};
use std::{collections::HashMap, path::Path, time::Duration};

/// What the Sentinels call the master.
pub(crate) const NAME: &str = "main";
const STARTS: usize = 5;
const START_MAX: Duration = Duration::from_secs(60);

/// Servers that replace each other.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) master: Redis,
    pub(crate) replica: Redis,
    pub(crate) sentinels: Vec<Sentinel>,
    passwords: Option<Passwords>,
}

/// Of the servers and of the Sentinels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passwords {
    pub(crate) server: &'static str,
    pub(crate) sentinel: &'static str,
}

/// One Sentinel.
#[derive(Debug)]
pub(crate) struct Sentinel {
    pub(crate) port: u16,
    server: Server,
}

impl Watched {
    /// Starts all, and returns when the Sentinels know each other and the replica.
    pub(crate) async fn start(passwords: Option<Passwords>) -> Self {
        let password = passwords.map_or("", |passwords| passwords.server);
        let own: &[&str] = if password.is_empty() { &[] } else { &["--requirepass", password, "--masterauth", password] };
        let master = Redis::in_folder(folder_in_memory("master"), own).await;
        let port = master.port.to_string();
        let replica = Redis::in_folder(folder_in_memory("replica"), &[own, &["--replicaof", "127.0.0.1", &port]].concat()).await;
        let mut link = connect(replica.port, password).await;
        eventually("the replica follows", START_MAX, async || info(&mut link, "replication").await.contains("master_link_status:up")).await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Sentinel::start(master.port, passwords).await);
        }
        let watched = Self { master, replica, sentinels, passwords };
        for at in 0..3 {
            let mut sentinel = watched.sentinel(at).await;
            eventually("a Sentinel knows the others and the replica", START_MAX, async || {
                let about = about(&mut sentinel).await;
                (about.get("num-other-sentinels"), about.get("num-slaves")) == (Some(&"2".to_owned()), Some(&"1".to_owned()))
                    && about.get("flags").is_some_and(|flags| flags == "master")
            })
            .await;
        }
        watched
    }

    /// As the broker's setting, with this between scheme and hosts, and behind the master's name.
    pub(crate) fn url_with(&self, login: &str, query: &str) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{login}{}/{NAME}/0{query}", hosts.join(","))
    }

    /// As the broker's setting.
    pub(crate) fn url(&self) -> String {
        match self.passwords {
            None => self.url_with("", ""),
            Some(Passwords { server, sentinel }) => self.url_with(&format!(":{server}@"), &format!("?sentinel_password={sentinel}")),
        }
    }

    /// A connection to one of the Sentinels.
    pub(crate) async fn sentinel(&self, at: usize) -> MultiplexedConnection {
        connect(self.sentinels[at].port, self.passwords.map_or("", |passwords| passwords.sentinel)).await
    }

    /// Waits until every Sentinel names this port.
    pub(crate) async fn until_master_is(&self, port: u16) {
        for at in 0..self.sentinels.len() {
            let mut sentinel = self.sentinel(at).await;
            eventually("the Sentinels name another master", START_MAX, async || {
                let told: Vec<String> =
                    cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(NAME).query_async(&mut sentinel).await.unwrap_or_default();
                told.get(1) == Some(&port.to_string())
            })
            .await;
        }
    }

    /// From now on nothing that is written on the master reaches the replica, which goes on answering.
    pub(crate) async fn part(&self) {
        let mut replica = connect(self.replica.port, "").await;
        let _: () = cmd("CONFIG").arg(&["SET", "masterauth", "wrong"]).query_async(&mut replica).await.expect("CONFIG SET");
        let mut master = connect(self.master.port, "").await;
        let _: Value = cmd("CLIENT").arg(&["KILL", "TYPE", "replica"]).query_async(&mut master).await.expect("CLIENT KILL");
        eventually("the replica has lost its master", START_MAX, async || {
            info(&mut replica, "replication").await.contains("master_link_status:down")
        })
        .await;
    }
}

impl Sentinel {
    async fn start(master: u16, passwords: Option<Passwords>) -> Self {
        let mut last = String::new();
        for _ in 0..STARTS {
            let port = free_port();
            let (dir, file) = (folder("sentinel"), folder("sentinel").join("sentinel.conf"));
            let mut text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {NAME} 1000\n\
                 sentinel failover-timeout {NAME} 6000\nsentinel parallel-syncs {NAME} 1\n",
                dir.display()
            );
            if let Some(Passwords { server, sentinel }) = passwords {
                text += &format!("sentinel auth-pass {NAME} {server}\nrequirepass {sentinel}\n");
            }
            std::fs::write(&file, text).expect("a file");
            match Self::of_file(port, &file).await {
                Ok(sentinel) => return sentinel,
                Err(error) => last = error,
            }
        }
        panic!("{last}");
    }

    /// Starts one whose settings are in this file, which it writes to.
    pub(crate) async fn of_file(port: u16, file: &Path) -> Result<Self, String> {
        let args = [file.display().to_string(), "--sentinel".to_owned()];
        Ok(Self { port, server: Server::start(None, "redis-server", &args, "+monitor master").await? })
    }

    pub(crate) fn kill(&self) {
        self.server.kill();
    }
}

/// A connection with a password, or without one.
pub(crate) async fn connect(port: u16, password: &str) -> MultiplexedConnection {
    try_connect(port, password).await.expect("a connection")
}

/// The same with a server that may cut whoever comes.
pub(crate) async fn try_connect(port: u16, password: &str) -> RedisResult<MultiplexedConnection> {
    let login = if password.is_empty() { String::new() } else { format!(":{password}@") };
    let client = redis::Client::open(format!("redis://{login}127.0.0.1:{port}")).expect("an address");
    client.get_multiplexed_async_connection().await
}

/// A section of INFO.
pub(crate) async fn info(c: &mut MultiplexedConnection, section: &str) -> String {
    cmd("INFO").arg(section).query_async(c).await.unwrap_or_default()
}

async fn about(sentinel: &mut MultiplexedConnection) -> HashMap<String, String> {
    cmd("SENTINEL").arg("MASTER").arg(NAME).query_async(sentinel).await.unwrap_or_default()
}
