//! How the server is set up, and how full it is.

use super::{
    RedisBroker, Result,
    node::{Failure, Node},
    script::Script,
    setup::{self, Report, SETTINGS, Server, Use},
    value,
};
use crate::{BrokerError, Durability, Fault, Health, Losses};
use redis::Value;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Memory is looked at again after this long.
const WATER_EVERY: Duration = Duration::from_secs(1);
/// Losses are a finding for so long; the count stays.
const LOSSES_TOLD: i64 = 24 * 3_600_000;

/// How full the fullest server was when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Water {
    looked: tokio::sync::Mutex<Option<Duration>>,
    high: AtomicBool,
    detail: std::sync::Mutex<String>,
}

impl RedisBroker {
    /// New jobs wait while memory is nearly full; looked at once a second.
    pub(super) async fn refuse_above_high_water(&self) -> Result<()> {
        let water = &self.water;
        // Whoever finds somebody looking goes by what was seen last.
        if let Ok(mut looked) = water.looked.try_lock() {
            let now = self.options.clock.elapsed();
            if looked.is_none_or(|at| now >= at + WATER_EVERY) {
                let mut fullest: Option<(u64, u64)> = None;
                for node in self.router.masters().await? {
                    let Ok((report, _)) = Report::of(&node, "memory").await else { continue };
                    fullest = fuller(fullest, report.memory());
                }
                let high = fullest.is_some_and(|(used, max)| above(used, max, self.options.high_water));
                if let Some((used, max)) = fullest {
                    *water.detail.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = format!("{used} of {max} bytes");
                }
                water.high.store(high, Ordering::Release);
                *looked = Some(now);
            }
        }
        if !water.high.load(Ordering::Acquire) {
            return Ok(());
        }
        let detail = water.detail.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Err(BrokerError::Full { detail, retry_after: Duration::from_secs(2) })
    }

    /// Looks at every server, and notes what a write survives.
    pub(super) async fn look(&self) -> Result<Health> {
        let nodes = self.router.masters().await?;
        let (mut faults, mut version, mut fullest, mut durable) = (Vec::new(), String::new(), None, !nodes.is_empty());
        for node in &nodes {
            let (report, _) = Report::of(node, "default").await.map_err(unreachable)?;
            version = report.version();
            fullest = fuller(fullest, report.memory());
            let settings = match settings(node).await {
                Ok(settings) => Some(settings),
                Err(Failure::Server { code, detail }) => {
                    faults.push(untold(format!("{code} {detail}")));
                    None
                }
                Err(failure) => return Err(unreachable(failure)),
            };
            let ahead_ms = self.ahead(node).await.map_err(unreachable)?;
            let server = Server { used: self.used(), report: &report, settings: settings.as_ref(), ahead_ms };
            let (found, lasting) = setup::check(&server);
            durable &= lasting;
            faults.extend(found);
        }
        faults.extend(self.cluster_fault(&nodes).await);
        faults.extend(self.router.sentinel_faults().await);
        if let Some((used, max)) = fullest.filter(|(used, max)| above(*used, *max, self.options.high_water)) {
            faults.push(self.full(used, max));
        }
        // A server that is refused need not have our keys.
        let losses = if faults.iter().any(|fault| fault.fatal) { Losses::default() } else { self.losses().await? };
        if losses.at.is_some_and(|at| self.options.clock.now() < at + LOSSES_TOLD) {
            faults.push(lost(losses.told()));
        }
        faults.dedup();
        self.durable.store(durable, Ordering::Release);
        let durability = if durable { Durability::Durable } else { Durability::Fast };
        Ok(Health { durability, version, faults, memory: fullest, losses })
    }

    /// Whether we may load scripts everywhere; a user that may not should be told so at the start.
    pub(super) async fn try_scripts(&self) -> Result<()> {
        for node in self.router.masters().await? {
            let load = redis::cmd("SCRIPT").arg("LOAD").arg(&self.scripts.get(Script::Open).code).to_owned();
            node.send(&load).await.map_err(unreachable)?;
        }
        Ok(())
    }

    const fn used(&self) -> Use {
        match (self.router.is_cluster(), self.router.is_sentinel()) {
            (true, _) => Use::Cluster,
            (_, true) => Use::Sentinel,
            _ => Use::Single,
        }
    }

    /// By how many ms the server's clock is ahead of ours, taken in the middle of the way there and back.
    async fn ahead(&self, node: &Node) -> std::result::Result<i64, Failure> {
        let clock = &self.options.clock;
        let (begun, now) = (clock.elapsed(), clock.now());
        let answer = value::texts(node.send(&redis::cmd("TIME")).await?, "TIME").unwrap_or_default();
        let way = i64::try_from((clock.elapsed() - begun).as_millis() / 2).unwrap_or(0);
        let number = |at: usize| answer.get(at).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        Ok(number(0) * 1000 + number(1) / 1000 - now - way)
    }

    /// Slots that nobody serves, as the first node sees it.
    async fn cluster_fault(&self, nodes: &[Arc<Node>]) -> Option<Fault> {
        let first = nodes.first().filter(|_| self.router.is_cluster())?;
        let Value::VerbatimString { text, .. } = first.send(redis::cmd("CLUSTER").arg("INFO")).await.ok()? else { return None };
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim();
        if line("cluster_state") == "ok" && line("cluster_slots_ok") == "16384" {
            return None;
        }
        let value = format!("{}, {} of 16384 slots are served", line("cluster_state"), line("cluster_slots_ok"));
        let allowed = "ok, and every slot served: queues whose slot nobody has cannot be used".to_owned();
        let mend = "redis-cli --cluster check HOST:PORT, then redis-cli --cluster fix HOST:PORT".to_owned();
        Some(Fault { key: "cluster_state".to_owned(), value, allowed, mend, fatal: false, broken: true })
    }

    fn full(&self, used: u64, max: u64) -> Fault {
        let allowed = format!("at most {:.0} % of {max} bytes; above it nothing is enqueued", self.options.high_water * 100.0);
        let mend = "redis-cli CONFIG SET maxmemory to more, or let fewer ended jobs rest: keep.completed_ms".to_owned();
        Fault { key: "used_memory".to_owned(), value: used.to_string(), allowed, mend, fatal: false, broken: false }
    }
}

/// The user may not ask for the settings.
fn untold(value: String) -> Fault {
    let allowed = "CONFIG GET, so that eviction and persistence can be checked; taken for `fast` without it".to_owned();
    let mend = "redis-cli ACL SETUSER USER +config|get".to_owned();
    Fault { key: "CONFIG".to_owned(), value, allowed, mend, fatal: false, broken: false }
}

fn lost(value: String) -> Fault {
    let allowed = "none: a server that took over, or was started again, had not all that was acknowledged".to_owned();
    let mend =
        "find the ids in the log (lost_jobs) and enqueue them again; appendfsync always and min-replicas-to-write 1 lose less".to_owned();
    Fault { key: "lost_jobs".to_owned(), value, allowed, mend, fatal: false, broken: false }
}

fn fuller(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if u128::from(a.0) * u128::from(b.1) >= u128::from(b.0) * u128::from(a.1) { a } else { b }),
        (a, b) => a.or(b),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of memory needs no last byte")]
fn above(used: u64, max: u64, share: f64) -> bool {
    used as f64 > max as f64 * share
}

async fn settings(node: &Node) -> std::result::Result<HashMap<String, String>, Failure> {
    let command = redis::cmd("CONFIG").arg("GET").arg(&SETTINGS).to_owned();
    let flat = value::list(node.send(&command).await?, "CONFIG").unwrap_or_default();
    let text = |v: &Value| value::text(v).unwrap_or_default().to_owned();
    Ok(flat.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect())
}

fn unreachable(failure: Failure) -> BrokerError {
    match failure {
        // Only questions were asked, so nothing can have changed.
        Failure::NotSent(text) | Failure::Unknown(text) => BrokerError::Unavailable(text),
        Failure::Server { code, detail } if matches!(code.as_str(), "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "BUSY") => {
            BrokerError::Unavailable(format!("{code} {detail}"))
        }
        Failure::Server { code, detail } => BrokerError::Refused(format!("{code} {detail}")),
    }
}
