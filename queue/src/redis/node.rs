//! One connection to one server. It never sends a command a second time: whoever calls is told whether anything was sent.

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, PushInfo, PushKind, RedisError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;

/// How a command to one server fails.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// No connection, so nothing was sent.
    NotSent(String),
    /// Sent, and the answer did not come.
    Unknown(String),
    /// The server answered with this error; nothing of the command was done.
    Server { code: String, detail: String },
}

impl Failure {
    fn of(error: &RedisError) -> Self {
        match error.code() {
            Some(code) => Self::Server { code: code.to_owned(), detail: error.detail().unwrap_or_default().to_owned() },
            None => Self::Unknown(error.to_string()),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(text) | Self::Unknown(text) => f.write_str(text),
            Self::Server { code, detail } => write!(f, "{code} {detail}"),
        }
    }
}

/// What to send.
#[derive(Clone, Copy)]
pub(super) enum Sending<'a> {
    /// This.
    Same(&'a Cmd),
    /// What is made for the server of that run id.
    Per(&'a (dyn Fn(&str) -> Cmd + Sync)),
}

/// What is expected at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A server; it may be a replica, and says so itself when it is to write.
    Server,
    /// A master: one that has become a replica is as good as gone.
    Master,
    /// A Sentinel.
    Sentinel,
}

/// A live connection.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    dead: Arc<AtomicBool>,
    run_id: Arc<str>,
}

type Farewell = Box<dyn FnOnce() + Send>;

/// A server and our connection to it, made when it is needed.
pub(super) struct Node {
    /// As in the slot map.
    pub(super) address: String,
    client: Client,
    sort: Sort,
    timeout: Duration,
    live: Mutex<Option<Live>>,
    tries: AtomicU64,
    last_error: std::sync::Mutex<String>,
    /// Who wants to know when we turn away from this server; None: we have.
    farewells: std::sync::Mutex<Option<Vec<Farewell>>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn new(info: ConnectionInfo, sort: Sort, timeout: Duration) -> Result<Self, RedisError> {
        let address = info.addr().to_string();
        let client = Client::open(info)?;
        let (live, last_error, farewells) = (Mutex::new(None), std::sync::Mutex::default(), std::sync::Mutex::new(Some(Vec::new())));
        Ok(Self { address, client, sort, timeout, live, tries: AtomicU64::new(0), last_error, farewells })
    }

    /// Sends one command.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        self.send_as(Sending::Same(command), false).await.map(|(value, _)| value)
    }

    /// Sends one command, behind `ASKING` where the slot is on its way to this node. Answers with the run id of whoever answered.
    pub(super) async fn send_as(&self, sending: Sending<'_>, asking: bool) -> Result<(Value, Arc<str>), Failure> {
        let mut live = self.live().await?;
        let made;
        let command = match sending {
            Sending::Same(command) => command,
            Sending::Per(make) => {
                made = make(&live.run_id);
                &made
            }
        };
        let answer = if asking {
            let mut both = Pipeline::with_capacity(2);
            both.cmd("ASKING").add_command(command.clone());
            live.connection.req_packed_commands(&both, 0, 2).await.map(|mut values| values.pop().unwrap_or_default())
        } else {
            live.connection.req_packed_command(command).await
        };
        match answer {
            Ok(Value::ServerError(error)) => {
                Err(Failure::Server { code: error.code().to_owned(), detail: error.details().unwrap_or_default().to_owned() })
            }
            Ok(value) => Ok((value, live.run_id)),
            Err(error) => {
                let failure = Failure::of(&error);
                if matches!(failure, Failure::Unknown(_)) {
                    // What comes next must not queue up behind an answer that may never come.
                    live.dead.store(true, Ordering::Release);
                }
                Err(failure)
            }
        }
    }

    /// A connection of its own, for subscriptions; `push` gets what the server sends by itself.
    pub(super) async fn subscriber(
        &self,
        push: impl Fn(PushInfo) -> Result<(), redis::aio::SendError> + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(push);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// The next command gets a new connection, and with it a new look at what this server is.
    pub(super) async fn reconnect(&self) {
        if let Some(live) = self.live.lock().await.take() {
            live.dead.store(true, Ordering::Release);
        }
    }

    /// `farewell` is called when we turn away from this server; at once if we have.
    pub(super) fn on_farewell(&self, farewell: Farewell) {
        if let Some(waiting) = self.farewells.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            return waiting.push(farewell);
        }
        farewell();
    }

    /// We turn away from this server: another one is the master now.
    pub(super) fn leave(&self) {
        let farewells = self.farewells.lock().unwrap_or_else(PoisonError::into_inner).take();
        farewells.into_iter().flatten().for_each(|farewell| farewell());
    }

    /// The connection; one caller makes it, and the others that waited share what came of it.
    async fn live(&self) -> Result<Live, Failure> {
        let tries = self.tries.load(Ordering::Acquire);
        let mut slot = self.live.lock().await;
        if let Some(live) = slot.as_ref().filter(|live| !live.dead.load(Ordering::Acquire)) {
            return Ok(live.clone());
        }
        *slot = None;
        if self.tries.load(Ordering::Acquire) != tries {
            return Err(Failure::NotSent(self.last_error().clone()));
        }
        let made = self.connect().await;
        self.tries.fetch_add(1, Ordering::AcqRel);
        match made {
            Ok(live) => {
                *slot = Some(live.clone());
                Ok(live)
            }
            Err(failure) => {
                if let Failure::NotSent(text) | Failure::Server { detail: text, .. } = &failure {
                    self.last_error().clone_from(text);
                }
                Err(failure)
            }
        }
    }

    async fn connect(&self) -> Result<Live, Failure> {
        let told = |error: RedisError| {
            let encrypted = matches!(self.client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
            let silent = if encrypted && error.is_timeout() { SILENT } else { "" };
            let text = format!("{}: {error}{silent}{}", self.address, hint(&error.to_string()));
            match error.code() {
                Some(code) => Failure::Server { code: code.to_owned(), detail: text },
                None => Failure::NotSent(text),
            }
        };
        let dead = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&dead);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_pipeline_buffer_size(1024)
            .set_push_sender(move |info: PushInfo| {
                if info.kind == PushKind::Disconnection {
                    flag.store(true, Ordering::Release);
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(told)?;
        if self.sort == Sort::Sentinel {
            return Ok(Live { connection, dead, run_id: "".into() });
        }
        let mut about = Pipeline::with_capacity(2);
        about.cmd("INFO").arg("server").cmd("INFO").arg("replication");
        let (server, replication): (String, String) = about.query_async(&mut connection).await.map_err(told)?;
        let of = |info: &str, name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        if self.sort == Sort::Master && of(&replication, "role:") != "master" {
            return Err(Failure::NotSent(format!("{}: is a replica, no longer the master", self.address)));
        }
        Ok(Live { connection, dead, run_id: of(&server, "run_id:").into() })
    }

    fn last_error(&self) -> std::sync::MutexGuard<'_, String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server without TLS waits for the end of a command, which never comes.
const SILENT: &str = " (if it runs, it does not speak TLS on this port; use its TLS port, or redis:// instead of rediss://)";

/// What to do about a handshake that failed; nothing for other errors.
fn hint(error: &str) -> String {
    const HINTS: [(&str, &str); 7] = [
        ("UnknownIssuer", "no CA that is trusted signed the server's certificate; set redis.ca_file to the one that did"),
        ("BadSignature", "the CA in redis.ca_file is not the one that signed the server's certificate"),
        ("not valid for name", "name the server as its certificate does, or give it a certificate for this name"),
        ("xpired", "the server's certificate has expired"),
        ("InvalidContentType", "the server does not speak TLS on this port; use its TLS port, or redis:// instead of rediss://"),
        ("CertificateRequired", "the server wants a certificate from its clients; set redis.client_cert_file and redis.client_key_file"),
        ("UnknownCA", "the server does not know who signed the certificate in redis.client_cert_file"),
    ];
    HINTS.iter().find(|(part, _)| error.contains(part)).map(|(_, hint)| format!(" ({hint})")).unwrap_or_default()
}
