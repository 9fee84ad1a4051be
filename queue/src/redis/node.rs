//! One connection to one server. It never sends a command a second time: whoever calls is told whether anything was sent.

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, PushInfo, PushKind, RedisError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{
    sync::{
        Arc,
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

/// What to send.
#[derive(Clone, Copy)]
pub(super) enum Sending<'a> {
    /// This.
    Same(&'a Cmd),
    /// What is made for the server of that run id.
    Per(&'a (dyn Fn(&str) -> Cmd + Sync)),
}

/// A live connection.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    dead: Arc<AtomicBool>,
    run_id: Arc<str>,
}

/// A server and our connection to it, made when it is needed.
pub(super) struct Node {
    /// As in the slot map.
    pub(super) address: String,
    client: Client,
    timeout: Duration,
    live: Mutex<Option<Live>>,
    tries: AtomicU64,
    last_error: std::sync::Mutex<String>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn new(info: ConnectionInfo, timeout: Duration) -> Result<Self, RedisError> {
        let address = info.addr().to_string();
        let client = Client::open(info)?;
        let (live, last_error) = (Mutex::new(None), std::sync::Mutex::default());
        Ok(Self { address, client, timeout, live, tries: AtomicU64::new(0), last_error })
    }

    /// Sends one command.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        self.send_as(Sending::Same(command), false).await
    }

    /// Sends one command, behind `ASKING` where the slot is on its way to this node.
    pub(super) async fn send_as(&self, sending: Sending<'_>, asking: bool) -> Result<Value, Failure> {
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
            Ok(value) => Ok(value),
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
            Err(error) => {
                let text = format!("{}: {error}", self.address);
                self.last_error().clone_from(&text);
                match error.code() {
                    Some(code) => Err(Failure::Server { code: code.to_owned(), detail: text }),
                    None => Err(Failure::NotSent(text)),
                }
            }
        }
    }

    async fn connect(&self) -> Result<Live, RedisError> {
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
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().into();
        Ok(Live { connection, dead, run_id })
    }

    fn last_error(&self) -> std::sync::MutexGuard<'_, String> {
        self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
