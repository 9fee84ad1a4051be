//! The broker on Redis or Valkey: one server, a master that Sentinels name, or a Cluster. Read `scripts/enqueue.lua`, `lease.lua` and `ack.lua` for what
//! happens to a job, `keys.rs` and `scripts/include/lanes.lua` for where it stands, `router.rs` for how a call gets there.
//!
//! Every change of a job is one script, run by the server that has the queue's slot. A script reads and plans first and
//! writes last, so a call that fails has changed nothing.

mod ack;
mod advice;
mod attempt;
mod broker;
mod bytes;
mod deliver;
mod directory;
mod enqueue;
mod explain;
mod feed;
mod fire;
mod gather;
mod health;
mod keys;
mod lease;
mod letters;
mod list;
mod lookout;
mod loss;
mod moving;
mod mutable;
mod node;
mod people;
mod queues;
mod read;
mod record;
mod request;
mod resource;
mod router;
mod rules;
mod schedule;
mod scheduled;
mod script;
mod sentinel;
mod setup;
mod signal;
mod target;
mod tick;
mod value;
mod workers;

use crate::{BrokerError, Durability, FEED_MAX, Fault, Health};
use longshore_base::{Clock, Random};
use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

type Result<T> = std::result::Result<T, BrokerError>;

/// How to reach the server and what to expect of it.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://`, `rediss://`, `unix://`, `redis+cluster://h1:p,h2:p` or `redis+sentinel://h1:p,h2:p/master/db`; the last two with
    /// `rediss` for TLS.
    pub url: String,
    /// Whom to trust and who we are, where TLS is spoken.
    pub tls: RedisTls,
    /// Before every key, so that several installations can share a server.
    pub prefix: String,
    /// For waiting and durations; the server's clock decides about jobs.
    pub clock: Arc<dyn Clock>,
    /// For jitter.
    pub random: Arc<dyn Random>,
    /// A call that has no answer after this long has an unknown outcome.
    pub op_timeout: Duration,
    /// The share of `maxmemory` above which nothing is enqueued.
    pub high_water: f64,
    /// Steps that stay in a queue's feed at least.
    pub feed_steps: usize,
}

impl RedisOptions {
    /// The usual way of connecting to `url`.
    #[must_use]
    pub fn new(url: impl Into<String>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (prefix, op_timeout) = ("ls".to_owned(), Duration::from_secs(5));
        Self { url: url.into(), tls: RedisTls::default(), prefix, clock, random, op_timeout, high_water: 0.8, feed_steps: FEED_MAX }
    }
}

/// Certificates in PEM form.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// The CAs that servers' certificates must come from; None: those that browsers trust.
    pub ca: Option<Vec<u8>>,
    /// Our certificate with its chain, and its key, for servers that ask for one.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Without the key.
impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTls").field("ca", &self.ca.is_some()).field("client", &self.client.is_some()).finish()
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions").field("prefix", &self.prefix).field("op_timeout", &self.op_timeout).finish_non_exhaustive()
    }
}

/// Jobs at rest in Redis or Valkey.
#[derive(Debug)]
pub struct RedisBroker {
    /// For what goes on without whoever asked.
    own: Weak<Self>,
    options: RedisOptions,
    router: router::Router,
    scripts: script::Scripts,
    queues: queues::Queues,
    ears: signal::Ears,
    water: health::Water,
    recent: loss::Recent,
    durable: AtomicBool,
}

impl RedisBroker {
    /// Connects, looks at the server's set-up, and refuses one that would lose jobs.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when no server answers, [`BrokerError::Refused`] with every fault of its set-up.
    pub async fn connect(options: RedisOptions) -> Result<Arc<Self>> {
        let broker = Self::new(options)?;
        let faults = broker.look().await?.faults;
        let told = |f: &Fault| format!("{} is {}: allowed is {} (what to do: {})", f.key, f.value, f.allowed, f.mend);
        let fatal: Vec<_> = faults.iter().filter(|fault| fault.fatal).map(told).collect();
        if !fatal.is_empty() {
            return Err(BrokerError::Refused(fatal.join("; ")));
        }
        broker.try_scripts().await?;
        broker.look_out(&faults);
        Ok(broker)
    }

    /// Looks at the server's set-up, however it is.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when no server answers, [`BrokerError::Refused`] when it does not let us look.
    pub async fn examine(options: RedisOptions) -> Result<Health> {
        Self::new(options)?.look().await
    }

    fn new(options: RedisOptions) -> Result<Arc<Self>> {
        let target = target::Target::parse(&options.url, &options.tls)?;
        if options.url.starts_with("rediss") {
            // Refused when there is one already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let router = router::Router::new(target, options.op_timeout, Arc::clone(&options.clock), Arc::clone(&options.random))?;
        let scripts = script::Scripts::new(router.is_cluster());
        Ok(Arc::new_cyclic(|own| Self {
            own: own.clone(),
            options,
            router,
            scripts,
            queues: queues::Queues::default(),
            ears: signal::Ears::default(),
            water: health::Water::default(),
            recent: loss::Recent::default(),
            durable: AtomicBool::new(false),
        }))
    }

    fn durability_now(&self) -> Durability {
        if self.durable.load(Ordering::Acquire) { Durability::Durable } else { Durability::Fast }
    }
}
