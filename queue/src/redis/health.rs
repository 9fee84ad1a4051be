//! How the server is set up, and how full it is.

use super::{
    RedisBroker, Result,
    node::{Failure, Node},
    value,
};
use crate::{BrokerError, Durability, Fault, Health};
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
                    let Ok(info) = info(&node, "memory").await else { continue };
                    fullest = fuller(fullest, memory(&info));
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
            let server = info(node, "server").await.map_err(unreachable)?;
            version = named(&server);
            check_version(&version, &mut faults);
            let used = memory(&info(node, "memory").await.map_err(unreachable)?);
            fullest = fuller(fullest, used);
            match settings(node).await {
                Ok(settings) => durable &= check_settings(&settings, &mut faults),
                Err(Failure::Server { code, detail }) => {
                    durable = false;
                    let allowed = "CONFIG GET, so that eviction and persistence can be checked; taken for `fast` without it".to_owned();
                    faults.push(Fault { key: "CONFIG".to_owned(), value: format!("{code} {detail}"), allowed, fatal: false });
                }
                Err(failure) => return Err(unreachable(failure)),
            }
        }
        if let Some((used, max)) = fullest.filter(|(used, max)| above(*used, *max, self.options.high_water)) {
            let allowed = format!("at most {:.0} % of {max} bytes; above it nothing is enqueued", self.options.high_water * 100.0);
            faults.push(Fault { key: "used_memory".to_owned(), value: used.to_string(), allowed, fatal: false });
        }
        faults.dedup();
        self.durable.store(durable, Ordering::Release);
        let durability = if durable { Durability::Durable } else { Durability::Fast };
        Ok(Health { durability, version, faults, memory: fullest })
    }
}

async fn info(node: &Arc<Node>, section: &str) -> std::result::Result<String, Failure> {
    let answer = node.send(redis::cmd("INFO").arg(section)).await?;
    Ok(match answer {
        Value::VerbatimString { text, .. } => text,
        other => value::text(&other).unwrap_or_default().to_owned(),
    })
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Used and available bytes, where there is a bound.
fn memory(info: &str) -> Option<(u64, u64)> {
    let number = |name| field(info, name).and_then(|text| text.parse().ok());
    number("used_memory").zip(number("maxmemory")).filter(|(_, max)| *max > 0)
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

/// `redis 7.0.15` or `valkey 8.0.1`.
fn named(info: &str) -> String {
    match field(info, "valkey_version") {
        Some(version) => format!("valkey {version}"),
        None => format!("redis {}", field(info, "redis_version").unwrap_or("unknown")),
    }
}

fn check_version(version: &str, faults: &mut Vec<Fault>) {
    let major = version.split(' ').nth(1).and_then(|v| v.split('.').next()).and_then(|v| v.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        let allowed = "Redis 7.0 or later, or Valkey: scripts need their flags".to_owned();
        faults.push(Fault { key: "version".to_owned(), value: version.to_owned(), allowed, fatal: true });
    }
}

async fn settings(node: &Node) -> std::result::Result<HashMap<String, String>, Failure> {
    let command = redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").arg("appendonly").arg("appendfsync").to_owned();
    let flat = value::list(node.send(&command).await?, "CONFIG").unwrap_or_default();
    let text = |v: &Value| value::text(v).unwrap_or_default().to_owned();
    Ok(flat.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect())
}

/// Whether what is acknowledged survives a power cut.
fn check_settings(settings: &HashMap<String, String>, faults: &mut Vec<Fault>) -> bool {
    let get = |key: &str| settings.get(key).map_or("", String::as_str);
    let mut fault = |key: &str, allowed: &str, fatal: bool| {
        faults.push(Fault { key: key.to_owned(), value: get(key).to_owned(), allowed: allowed.to_owned(), fatal });
    };
    if get("maxmemory-policy") != "noeviction" {
        fault("maxmemory-policy", "noeviction: any other policy deletes jobs when memory is full", true);
    }
    if get("appendonly") != "yes" {
        fault("appendonly", "yes: without it a crash of the server loses what came after its last snapshot", false);
        return false;
    }
    if get("appendfsync") == "no" {
        fault("appendfsync", "everysec or always: otherwise a power cut loses what the system had not yet written", false);
    }
    get("appendfsync") == "always"
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
