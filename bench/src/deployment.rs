//! What is measured: on Redis an API, a scheduler and worker processes apart from it, embedded one process with every role.

use crate::{
    api::Api,
    options::Options,
    place::{Binary, Place},
    proc::Process,
    server::Redis,
    workload::BrokerKind,
};
use longshore_base::{SystemClock, SystemRandom};
use longshore_queue::{Broker, RedisBroker, RedisOptions, SqliteBroker, SqliteOptions};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

/// Makes a binary of ours carry the kinds of this crate.
const ROLE: &[&str] = &["bench-role"];
/// Worker processes on Redis.
pub(crate) const WORKERS: usize = 2;

/// How a deployment is made.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) broker: BrokerKind,
    pub(crate) options: Options,
    binary: Binary,
    data: PathBuf,
}

impl Setup {
    /// `other`: another binary than this one.
    pub(crate) fn new(broker: BrokerKind, options: &Options, other: Option<&Path>) -> Result<Self, String> {
        let binary = match other {
            Some(file) => Binary { file: file.to_owned(), before_role: if has_roles(file) { ROLE } else { &[] } },
            None => Binary { file: std::env::current_exe().map_err(|error| error.to_string())?, before_role: ROLE },
        };
        let data = options.data.clone().unwrap_or_else(|| ".".into());
        Ok(Self { broker, options: options.clone(), binary, data })
    }

    pub(crate) const fn broker_name(&self) -> &'static str {
        match self.broker {
            BrokerKind::Embedded => "embedded",
            BrokerKind::Redis => "redis",
        }
    }
    pub(crate) const fn is_redis(&self) -> bool {
        matches!(self.broker, BrokerKind::Redis)
    }
    pub(crate) fn jobs(&self) -> u64 {
        self.options.jobs(self.broker)
    }
    pub(crate) fn fsync(&self) -> String {
        match (self.broker, self.given()) {
            (BrokerKind::Embedded, _) => "the log synced before each enqueue and ack is answered".into(),
            (BrokerKind::Redis, None) => "appendfsync everysec".into(),
            (BrokerKind::Redis, Some(redis)) => redis.fsync().unwrap_or_else(|_| "unknown".into()),
        }
    }

    /// The user's own Redis.
    fn given(&self) -> Option<Redis> {
        self.options.broker.clone().map(Redis)
    }
    /// Before a measurement: the user's Redis is free.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        self.given().map_or(Ok(()), |redis| redis.must_be_free(self.options.beside_other_data))
    }
    /// After a measurement, however it ended.
    pub(crate) fn clean(&self) -> Result<(), String> {
        self.given().map_or(Ok(()), |redis| redis.clean())
    }

    /// Starts everything that drains; the workers have reported.
    pub(crate) async fn start(&self) -> Result<Deployment, String> {
        self.start_with(self.options.concurrency, WORKERS).await
    }

    /// The same with so many jobs at once in each of so many workers. Embedded there is one, or none: then its queues have to be paused.
    pub(crate) async fn start_with(&self, concurrency: usize, workers: usize) -> Result<Deployment, String> {
        let mut place = Place::new(&self.data)?;
        let (binary, at_once) = (&self.binary, concurrency.to_string());
        let flags = ["--concurrency", at_once.as_str()];
        if !self.is_redis() {
            let api = Api::new(&place.start(binary, "up", None, &flags)?)?;
            api.workers(1).await?;
            return Ok(Deployment { place, api, redis: None, binary: binary.clone(), concurrency });
        }
        let redis = self.redis(&mut place).await?;
        let api = Api::new(&place.start(binary, "api", Some(&redis), &[])?)?;
        place.start(binary, "scheduler", Some(&redis), &[])?;
        let mut deployment = Deployment { place, api, redis: Some(redis), binary: binary.clone(), concurrency };
        deployment.add_workers(workers).await?;
        Ok(deployment)
    }

    /// A broker in this process, without roles.
    pub(crate) async fn bare(&self) -> Result<(Place, Option<Redis>, Arc<dyn Broker>), String> {
        let mut place = Place::new(&self.data)?;
        let (clock, random) = (SystemClock::new(), SystemRandom::new());
        let told = |error: longshore_queue::BrokerError| error.to_string();
        if self.is_redis() {
            let redis = self.redis(&mut place).await?;
            let broker = RedisBroker::connect(RedisOptions::new(&redis.0, clock, random)).await.map_err(told)?;
            return Ok((place, Some(redis), broker));
        }
        let broker = SqliteBroker::open(SqliteOptions::new(place.folder().join("queue.db"), clock, random)).map_err(told)?;
        Ok((place, None, broker))
    }

    async fn redis(&self, place: &mut Place) -> Result<Redis, String> {
        match self.given() {
            Some(redis) => Ok(redis),
            None => place.start_redis().await,
        }
    }
}

/// Processes that run, and how to speak to them.
#[derive(Debug)]
pub(crate) struct Deployment {
    place: Place,
    pub(crate) api: Api,
    pub(crate) redis: Option<Redis>,
    binary: Binary,
    concurrency: usize,
}

impl Deployment {
    /// More worker processes, which have reported.
    pub(crate) async fn add_workers(&mut self, count: usize) -> Result<(), String> {
        let at_once = self.concurrency.to_string();
        for _ in 0..count {
            self.place.start(&self.binary, "worker", self.redis.as_ref(), &["--concurrency", &at_once])?;
        }
        self.api.workers(self.place.all("worker").count()).await
    }

    /// Those that run jobs.
    pub(crate) fn workers(&self) -> Vec<&Process> {
        self.place.all(if self.redis.is_some() { "worker" } else { "up" }).collect()
    }
    /// Every process of Longshore.
    pub(crate) fn roles(&self) -> Vec<&Process> {
        ["up", "api", "scheduler", "worker"].into_iter().flat_map(|role| self.place.all(role)).collect()
    }

    /// Bytes that jobs take: of Redis's memory, or of the queue file.
    pub(crate) fn bytes(&self) -> Result<f64, String> {
        let file = self.place.folder().join("data").join("queue.db");
        self.redis.as_ref().map_or_else(
            || std::fs::metadata(&file).map(|about| about.len() as f64).map_err(|error| format!("{}: {error}", file.display())),
            Redis::memory,
        )
    }
}

/// Whether a binary has roles that carry the kinds of this crate.
fn has_roles(file: &Path) -> bool {
    let mut command = Command::new(file);
    command.args(ROLE).arg("--help").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
