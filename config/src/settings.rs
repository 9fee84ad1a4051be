//! Checked settings: whoever holds them need not check again.

use crate::{
    Environment, Faults, Flag,
    layers::merge,
    place::{BROKER, BrokerPlace, FILES, FilesPlace, STORE, StorePlace},
    reader::Reader,
    secrets::Secrets,
    telemetry::{self, Sentry, Traces},
};
use ipnet::IpNet;
use longshore_base::Name;
use serde::Serialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything that an operator chose. `default.toml` tells what each means.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for what does not live elsewhere.
    pub data: PathBuf,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where health and metrics are served without a key.
    pub metrics_listen: Option<SocketAddr>,
    /// Where jobs live.
    pub broker: BrokerPlace,
    /// Where records live.
    pub store: StorePlace,
    /// Where files live.
    pub files: FilesPlace,
    /// What the file of secrets and the environment hold.
    pub secrets: Secrets,
    /// Private networks that jobs may call.
    pub allow_outbound: Vec<IpNet>,
    /// `[worker]`
    pub worker: Worker,
    /// `[scheduler]`
    pub scheduler: Scheduler,
    /// `[keep]`
    pub keep: Keep,
    /// `[api]`
    pub api: Api,
    /// `[redis]`
    pub redis: Redis,
    /// `[log]`
    pub log: Log,
    /// `[traces]`
    pub traces: Traces,
    /// `[sentry]`
    pub sentry: Sentry,
    shown: Vec<Shown>,
}

/// `[worker]`
#[derive(Debug, Clone)]
pub struct Worker {
    /// Empty: all queues, later ones too.
    pub queues: Vec<Name>,
    /// Jobs at once over all queues of the process.
    pub concurrency: usize,
    /// How long a lease lasts unless extended.
    pub lease: Duration,
    /// How often leases are extended.
    pub heartbeat: Duration,
    /// How long running jobs may go on after SIGTERM.
    pub grace: Duration,
}

/// `[scheduler]`
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// How often each queue's time is moved forward.
    pub tick: Duration,
}

/// `[keep]`
#[derive(Debug, Clone)]
pub struct Keep {
    /// How long completed and cancelled jobs stay in the queue.
    pub completed: Duration,
    /// How many of them stay per queue.
    pub completed_max: u64,
    /// How long dead letters stay; None: until somebody replays or purges them.
    pub dead: Option<Duration>,
    /// A queue with so many of them is told; None: never.
    pub dead_alert: Option<u64>,
}

/// `[api]`
#[derive(Debug, Clone)]
pub struct Api {
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// The most jobs of one batch.
    pub batch_max: usize,
    /// How long a request may take.
    pub request: Duration,
    /// Open connections at once.
    pub connections_max: usize,
}

/// `[redis]`
#[derive(Debug, Clone)]
pub struct Redis {
    /// How long to wait for an answer before its outcome counts as unknown.
    pub response: Duration,
    /// Enqueue is refused above this share of maxmemory, in percent.
    pub memory_percent_max: u8,
    /// A PEM file of the CAs that servers' certificates must come from.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub client_files: Option<(PathBuf, PathBuf)>,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or filters as `tracing` writes them.
    pub level: String,
    /// For people or for programs.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// A setting as `config show` tells it, passwords replaced.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Such as `worker.lease_ms`.
    pub key: String,
    /// As TOML writes it, or the address that follows from other keys.
    pub value: String,
    /// default, a file, a variable or a flag.
    pub from: String,
}

impl Settings {
    /// Merges and checks: defaults < file < environment < flags. `file` None: `longshore.toml` of the working folder, if it is there.
    ///
    /// # Errors
    /// Every fault of every layer.
    pub fn load(file: Option<&Path>, environment: &Environment, flags: &[Flag]) -> Result<Self, Faults> {
        let usual = Path::new("longshore.toml");
        let file = file.or_else(|| usual.exists().then_some(usual));
        let (given, faults) = merge(file, environment, flags);
        Self::check(Reader::new(given, faults), environment)
    }

    /// What each key is and where it came from, by key.
    #[must_use]
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The file of the first admin key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.data.join("admin.key")
    }

    fn check(mut r: Reader, environment: &Environment) -> Result<Self, Faults> {
        let path = |text: &str| if text.is_empty() { Err("is empty".to_owned()) } else { Ok(PathBuf::from(text)) };
        let data = r.parsed("data", "a folder", path);
        let listen = r.parsed("listen", LISTEN, address);
        let metrics_listen = r.parsed("metrics_listen", LISTEN, |text| optional(text, address));
        let broker = r.parsed("broker", BROKER, |text| optional(text, BrokerPlace::parse));
        let broker = broker.unwrap_or_else(|| BrokerPlace::Sqlite(data.join("queue.db")));
        let store = r.parsed("store", STORE, |text| optional(text, StorePlace::parse));
        let store = store.unwrap_or_else(|| StorePlace::Sqlite(data.join("store.db")));
        let files = r.parsed("files", FILES, |text| optional(text, FilesPlace::parse));
        let files = files.unwrap_or_else(|| FilesPlace::Folder(data.join("files")));
        let secrets = r.parsed("secrets", "a TOML file of mode 0600: [\"tenant\"] name = \"value\", [\"*\"] for all", |text| {
            optional(text, |text| Secrets::read(Path::new(text)))
        });
        let mut secrets = secrets.unwrap_or_default();
        r.blame(secrets.take_in(environment));
        let allow_outbound = r.list("allow_outbound", "CIDR such as 10.1.0.0/16 or fd00::/8", |text| {
            text.parse().map_err(|_| format!("holds {text:?}, which is not a network"))
        });
        r.show("broker", format!("\"{broker}\""));
        r.show("store", format!("\"{store}\""));
        r.show("files", format!("\"{files}\""));
        let same = matches!((&broker, &store), (BrokerPlace::Sqlite(queue), StorePlace::Sqlite(records)) if queue == records);
        r.relation(!same, &["store", "broker"], "is the broker's file".into(), "another file: a busy store would hold up the queue");
        let (worker, scheduler, keep) = (worker(&mut r), scheduler(&mut r), keep(&mut r));
        let (api, redis, log) = (api(&mut r), redis(&mut r, &broker), log(&mut r));
        let (traces, sentry) = (telemetry::traces(&mut r), telemetry::sentry(&mut r));
        let shown = r.finish().map_err(Faults)?;
        Ok(Self {
            data,
            listen,
            metrics_listen,
            broker,
            store,
            files,
            secrets,
            allow_outbound,
            worker,
            scheduler,
            keep,
            api,
            redis,
            log,
            traces,
            sentry,
            shown,
        })
    }
}

const LISTEN: &str = "IP:PORT, such as 127.0.0.1:7171 or [::]:7171; port 0 takes a free one";

fn worker(r: &mut Reader) -> Worker {
    let queues = r.list("worker.queues", "names: [A-Za-z0-9][A-Za-z0-9._:-]{0,127}", |text| {
        Name::new(text).map_err(|_| format!("holds {text:?}, which is not a name"))
    });
    let concurrency = r.int("worker.concurrency", 1..=10_000, "jobs at once");
    let lease_ms = r.int("worker.lease_ms", 300..=3_600_000, "ms, and at least 3 × worker.heartbeat_ms");
    let heartbeat_ms = r.int("worker.heartbeat_ms", 100..=1_200_000, "ms, and at most a third of worker.lease_ms");
    let least = heartbeat_ms.saturating_mul(3);
    r.relation(
        lease_ms >= least,
        &["worker.lease_ms", "worker.heartbeat_ms"],
        format!("is below worker.heartbeat_ms × 3 (= {least}), so that one lost heartbeat could cost a job its lease"),
        &format!("{least}..=3600000 ms, or a smaller worker.heartbeat_ms"),
    );
    let grace_ms = r.int("worker.grace_ms", 0..=3_600_000, "ms");
    let ms = Duration::from_millis;
    Worker { queues, concurrency: size(concurrency), lease: ms(lease_ms), heartbeat: ms(heartbeat_ms), grace: ms(grace_ms) }
}

fn scheduler(r: &mut Reader) -> Scheduler {
    Scheduler { tick: Duration::from_millis(r.int("scheduler.tick_ms", 20..=60_000, "ms")) }
}

const DEAD: &str = "ms (10 minutes to ten years, 0 for ever)";

fn keep(r: &mut Reader) -> Keep {
    let completed = Duration::from_millis(r.int("keep.completed_ms", 600_000..=31_536_000_000, "ms (10 minutes to a year)"));
    let completed_max = r.int("keep.completed_max", 0..=100_000_000, "jobs per queue");
    let dead_ms = r.int("keep.dead_ms", 0..=315_360_000_000, DEAD);
    let some = dead_ms == 0 || dead_ms >= 600_000;
    r.relation(some, &["keep.dead_ms"], "is less than ten minutes".into(), &format!("0, or 600000..=315360000000 {DEAD}"));
    let dead = (dead_ms > 0).then(|| Duration::from_millis(dead_ms));
    let dead_alert = Some(r.int("keep.dead_alert", 0..=100_000_000, "dead letters per queue, 0 for never")).filter(|n| *n > 0);
    Keep { completed, completed_max, dead, dead_alert }
}

fn api(r: &mut Reader) -> Api {
    Api {
        body_bytes_max: size(r.int("api.body_bytes_max", 65_536..=268_435_456, "bytes")),
        batch_max: size(r.int("api.batch_max", 1..=10_000, "jobs")),
        request: Duration::from_millis(r.int("api.request_ms", 1_000..=600_000, "ms")),
        connections_max: size(r.int("api.connections_max", 16..=100_000, "connections")),
    }
}

fn redis(r: &mut Reader, broker: &BrokerPlace) -> Redis {
    let response = Duration::from_millis(r.int("redis.response_ms", 500..=60_000, "ms"));
    let percent = r.int("redis.memory_percent_max", 10..=100, "percent of maxmemory");
    let mut file = |key| r.parsed(key, "a PEM file that can be read", |text| optional(text, pem));
    let (ca_file, cert, key) = (file("redis.ca_file"), file("redis.client_cert_file"), file("redis.client_key_file"));
    let both = "redis.client_cert_file and redis.client_key_file, or neither";
    r.relation(cert.is_some() == key.is_some(), &["redis.client_key_file", "redis.client_cert_file"], "is one of two".into(), both);
    // Whoever names a CA expects TLS, and must not get a connection in the clear.
    let encrypted = broker.is_sqlite() || broker.is_encrypted();
    let tls = "rediss://…, rediss+cluster://… or rediss+sentinel://… in broker";
    for (file, name) in [(&ca_file, "redis.ca_file"), (&cert, "redis.client_cert_file")] {
        r.relation(encrypted || file.is_none(), &[name, "broker"], "is given, and the broker's address does not ask for TLS".into(), tls);
    }
    Redis { response, memory_percent_max: u8::try_from(percent).unwrap_or(100), ca_file, client_files: cert.zip(key) }
}

/// A file that is there and has at least one part in PEM form.
fn pem(text: &str) -> Result<PathBuf, String> {
    let content = std::fs::read(text).map_err(|error| format!("cannot be read: {error}"))?;
    let begin = b"-----BEGIN ";
    let found = content.windows(begin.len()).any(|part| part == begin);
    if found { Ok(PathBuf::from(text)) } else { Err("is no PEM file".to_owned()) }
}

fn log(r: &mut Reader) -> Log {
    let level =
        r.parsed("log.level", "error · warn · info · debug · trace, or filters such as \"info,longshore_queue=debug\"", |text| {
            let known = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "error" | "warn" | "info" | "debug" | "trace" | "off");
            let part = |part: &str| known(part.rsplit_once('=').map_or(part, |(_, level)| level).trim());
            if text.split(',').all(part) { Ok(text.to_owned()) } else { Err("has no such level".to_owned()) }
        });
    let format = r.parsed("log.format", "pretty · json", |text| match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("is no such format".to_owned()),
    });
    Log { level, format }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| "is not an address and a port".to_owned())
}

fn optional<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
