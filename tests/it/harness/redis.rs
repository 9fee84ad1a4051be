//! Redis servers.

use super::{
    acl::{self, For},
    folder,
    jumping::Jumping,
    process::{Server, free_port},
};
use redis::{aio::MultiplexedConnection, cmd};
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// A Redis of our own.
#[derive(Debug)]
pub(crate) struct Redis {
    /// Where it listens.
    pub(crate) port: u16,
    program: &'static str,
    args: Vec<String>,
    server: Server,
}

const READY: &str = "Ready to accept connections";
/// How often a start is tried when somebody takes the port.
const STARTS: usize = 5;

/// The one that cases share: AOF everysec, noeviction.
pub(crate) async fn shared() -> &'static Redis {
    static SHARED: OnceCell<Redis> = OnceCell::const_new();
    SHARED.get_or_init(|| Redis::start_with_user(&["--appendfsync", "everysec"])).await
}

/// The one that cases share for kinds that need a durable broker: AOF always.
pub(crate) async fn shared_durable() -> &'static Redis {
    static SHARED: OnceCell<Redis> = OnceCell::const_new();
    SHARED.get_or_init(|| Redis::start_with_user(&["--appendfsync", "always"])).await
}

impl Redis {
    /// Starts one with AOF and noeviction, unless the settings say otherwise.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self::in_folder(folder("redis"), settings).await
    }

    /// Starts one with AOF and noeviction that knows the user with the least rights.
    async fn start_with_user(settings: &[&str]) -> Self {
        let redis = Self::start(settings).await;
        acl::grant_usual(&mut redis.connect().await, For::Server).await;
        redis
    }

    /// Starts one whose wall clock the test moves.
    pub(crate) async fn under(clock: &Jumping) -> Self {
        let variables = clock.variables().map(|(name, value)| format!("{name}={value}"));
        Self::launch("env", variables.into_iter().chain(["redis-server".to_owned()]).collect(), folder("redis"), &[]).await
    }

    /// Starts one on data that may be there.
    pub(crate) async fn in_folder(folder: PathBuf, settings: &[&str]) -> Self {
        Self::launch("redis-server", Vec::new(), folder, settings).await
    }

    async fn launch(program: &'static str, before: Vec<String>, folder: PathBuf, settings: &[&str]) -> Self {
        let mut last = String::new();
        for _ in 0..STARTS {
            let port = free_port();
            let args = [before.clone(), arguments(port, &folder, settings)].concat();
            match Server::start(None, program, &args, READY).await {
                Ok(server) => return Self { port, program, args, server },
                Err(error) => last = error,
            }
        }
        panic!("{last}");
    }

    /// Kills it and starts it again on the same port and data.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.server.kill();
        self.server = Server::start(None, self.program, &self.args, READY).await.expect("the port is ours");
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        self.server.kill();
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its address as the broker's setting.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// The same for the user with the least rights, on a shared server.
    pub(crate) fn url_of_user(&self) -> String {
        format!("redis://{}127.0.0.1:{}/0", acl::login(), self.port)
    }

    /// A connection that speaks to the server directly.
    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        connect(self.port).await
    }
}

/// A connection to the server at that port.
pub(crate) async fn connect(port: u16) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("an address");
    let patience = Some(std::time::Duration::from_secs(30));
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(patience).set_connection_timeout(patience);
    client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
}

/// The server's time in milliseconds.
pub(crate) async fn time(connection: &mut MultiplexedConnection) -> i64 {
    let (seconds, micros): (i64, i64) = cmd("TIME").query_async(connection).await.expect("TIME");
    seconds * 1000 + micros / 1000
}

fn arguments(port: u16, folder: &Path, settings: &[&str]) -> Vec<String> {
    let fixed = [
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "yes",
        "--maxmemory-policy",
        "noeviction",
        "--loglevel",
        "notice",
        "--daemonize",
        "no",
        "--logfile",
        "",
        "--enable-debug-command",
        "local",
    ];
    let own = ["--port".to_owned(), port.to_string(), "--dir".to_owned(), folder.display().to_string()];
    own.into_iter().chain(fixed.into_iter().chain(settings.iter().copied()).map(str::to_owned)).collect()
}
