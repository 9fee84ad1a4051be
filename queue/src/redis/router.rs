//! The way to the right server: a single one, or the node of a cluster that has the slot. Redirects and moving slots are
//! followed here, and nothing else is repeated: a command is sent again only when the server said that it did nothing.

use super::{
    node::{Failure, Node, Sending},
    script::Loaded,
    target::{Target, moved_to},
};
use crate::BrokerError;
use backon::{BackoffBuilder, ExponentialBuilder};
use longshore_base::{Clock, Random};
use redis::{Cmd, ConnectionInfo, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

/// So many redirects are followed at once before a pause.
const FOLLOWED_MAX: u32 = 5;

/// What a server's error asks for.
enum Advice {
    /// Load the script and repeat.
    Load,
    /// The slot is another node's now.
    Moved(String),
    /// This call goes to another node.
    Ask(String),
    /// Repeat a little later; `true`: because a slot moves.
    Later(bool),
    /// Give up.
    Stop,
}

/// Servers and slots.
pub(super) struct Router {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    timeout: Duration,
    seeds: Vec<ConnectionInfo>,
    nodes: Mutex<HashMap<String, Arc<Node>>>,
    /// None: one server has everything.
    slots: Option<RwLock<Vec<Option<Arc<Node>>>>>,
    refreshed: tokio::sync::Mutex<Option<Duration>>,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("cluster", &self.slots.is_some()).finish_non_exhaustive()
    }
}

impl Router {
    pub(super) fn new(target: Target, timeout: Duration, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (seeds, slots) = match target {
            Target::Single(info) => (vec![*info], None),
            Target::Cluster(infos) => (infos, Some(RwLock::new(vec![None; 16384]))),
        };
        let (nodes, refreshed) = (Mutex::default(), tokio::sync::Mutex::new(None));
        Self { clock, random, timeout, seeds, nodes, slots, refreshed }
    }

    pub(super) const fn is_cluster(&self) -> bool {
        self.slots.is_some()
    }

    /// Sends `command` to whoever has `slot`, following redirects. `script`: what it calls by hash.
    pub(super) async fn call(&self, slot: u16, command: &Cmd, script: Option<&Loaded>) -> Result<Value, BrokerError> {
        self.send(slot, Sending::Same(command), script).await
    }

    /// Sends what is made for the server that gets it.
    pub(super) async fn send(&self, slot: u16, sending: Sending<'_>, script: Option<&Loaded>) -> Result<Value, BrokerError> {
        let start = self.clock.elapsed();
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(2))
            .with_max_delay(Duration::from_millis(25))
            .without_max_times()
            .build();
        let mut ask: Option<Arc<Node>> = None;
        let (mut refresh, mut followed) = (false, 0);
        loop {
            if std::mem::take(&mut refresh) {
                self.refresh().await;
            }
            let (asking, node) = match ask.take() {
                Some(node) => (true, Ok(node)),
                None => (false, self.node(slot).await),
            };
            let node = match node {
                Ok(node) => node,
                Err(error) => return Err(error),
            };
            let failure = match node.send_as(sending, asking).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let moving = match (&failure, advice(&failure)) {
                (_, Advice::Load) => {
                    self.load(&node, script).await?;
                    if asking {
                        ask = Some(node);
                    }
                    continue;
                }
                (_, Advice::Ask(address)) => {
                    ask = Some(self.known(&node, &address)?);
                    continue;
                }
                (_, Advice::Moved(address)) => {
                    self.moved(slot, self.known(&node, &address)?);
                    followed += 1;
                    if followed % FOLLOWED_MAX != 0 {
                        continue;
                    }
                    true
                }
                (_, Advice::Later(moving)) => {
                    refresh = !moving;
                    moving
                }
                (Failure::NotSent(_), _) if self.is_cluster() => {
                    refresh = true;
                    false
                }
                _ => return Err(plain(failure)),
            };
            let wait = waits.next().unwrap_or_default();
            if self.clock.elapsed() + wait > start + self.timeout {
                return Err(if moving { BrokerError::Moving } else { given_up(failure) });
            }
            self.clock.sleep(wait.mul_f64(0.5 + self.random.unit())).await;
        }
    }

    /// The server that has `slot`, as far as known.
    pub(super) async fn node(&self, slot: u16) -> Result<Arc<Node>, BrokerError> {
        let Some(slots) = &self.slots else { return self.seed(0) };
        let find = || slots.read().unwrap_or_else(std::sync::PoisonError::into_inner)[usize::from(slot)].clone();
        if let Some(node) = find() {
            return Ok(node);
        }
        self.refresh().await;
        // No node says that it has the slot: any of them will say where it is, or that the cluster is down.
        find().map_or_else(|| self.seed(usize::from(slot) % self.seeds.len()), Ok)
    }

    /// The slot is where a redirect says. The others are left alone: a node that no move concerns may tell an older map.
    fn moved(&self, slot: u16, owner: Arc<Node>) {
        if let Some(slots) = &self.slots {
            slots.write().unwrap_or_else(std::sync::PoisonError::into_inner)[usize::from(slot)] = Some(owner);
        }
    }

    /// The slot is not where it was thought to be; the next call looks.
    pub(super) fn forget(&self, slot: u16) {
        if let Some(slots) = &self.slots {
            slots.write().unwrap_or_else(std::sync::PoisonError::into_inner)[usize::from(slot)] = None;
        }
    }

    /// Every server that has slots, or the single one.
    pub(super) async fn masters(&self) -> Result<Vec<Arc<Node>>, BrokerError> {
        let Some(slots) = &self.slots else { return Ok(vec![self.seed(0)?]) };
        self.refresh().await;
        let slots = slots.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found: Vec<Arc<Node>> = Vec::new();
        for node in slots.iter().flatten() {
            if !found.iter().any(|f| Arc::ptr_eq(f, node)) {
                found.push(Arc::clone(node));
            }
        }
        drop(slots);
        if found.is_empty() { Ok(vec![self.seed(0)?]) } else { Ok(found) }
    }

    async fn load(&self, node: &Node, script: Option<&Loaded>) -> Result<(), BrokerError> {
        let script = script.ok_or_else(|| BrokerError::Refused("a plain command was answered with NOSCRIPT".to_owned()))?;
        node.send(redis::cmd("SCRIPT").arg("LOAD").arg(&script.code)).await.map(drop).map_err(|failure| match failure {
            // The script itself has not run.
            Failure::Unknown(text) | Failure::NotSent(text) => BrokerError::Unavailable(text),
            server => plain(server),
        })
    }

    fn seed(&self, at: usize) -> Result<Arc<Node>, BrokerError> {
        self.node_of(&self.seeds[at])
    }

    fn node_of(&self, info: &ConnectionInfo) -> Result<Arc<Node>, BrokerError> {
        let mut nodes = self.nodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(node) = nodes.get(&info.addr().to_string()) {
            return Ok(Arc::clone(node));
        }
        let node = Arc::new(Node::new(info.clone(), self.timeout).map_err(|e| BrokerError::Refused(e.to_string()))?);
        nodes.insert(node.address.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// The node of a redirect; an empty host means the node that answered.
    fn known(&self, from: &Node, address: &str) -> Result<Arc<Node>, BrokerError> {
        let (host, port) = address.rsplit_once(':').ok_or_else(|| BrokerError::Refused(format!("redirected to `{address}`")))?;
        let own = from.address.rsplit_once(':').map_or("", |(host, _)| host);
        let host = if host.is_empty() { own } else { host };
        let port = port.parse().map_err(|_| BrokerError::Refused(format!("redirected to `{address}`")))?;
        self.node_of(&moved_to(&self.seeds[0], host, port))
    }

    /// Reads the slot map from the first node that answers, at most some twenty times a second.
    async fn refresh(&self) {
        let Some(slots) = &self.slots else { return };
        let mut last = self.refreshed.lock().await;
        if last.is_some_and(|at| self.clock.elapsed() < at + Duration::from_millis(50)) {
            return;
        }
        let mut asked: Vec<Arc<Node>> = self.nodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).values().cloned().collect();
        asked.extend(self.seeds.iter().filter_map(|info| self.node_of(info).ok()));
        for node in asked {
            let Ok(Value::Array(ranges)) = node.send(redis::cmd("CLUSTER").arg("SLOTS")).await else { continue };
            let mut map = vec![None; 16384];
            for range in ranges {
                let Some((from, to, address)) = range_of(range) else { continue };
                let Ok(owner) = self.known(&node, &address) else { continue };
                map[usize::from(from)..=usize::from(to)].fill(Some(owner));
            }
            *slots.write().unwrap_or_else(std::sync::PoisonError::into_inner) = map;
            break;
        }
        *last = Some(self.clock.elapsed());
    }
}

/// `from, to, [host, port, …], …` of CLUSTER SLOTS.
fn range_of(range: Value) -> Option<(u16, u16, String)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(from), Value::Int(to), Value::Array(master), ..] = parts.as_slice() else { return None };
    let host = match master.first()? {
        Value::BulkString(host) => String::from_utf8_lossy(host).into_owned(),
        Value::SimpleString(host) => host.clone(),
        _ => String::new(),
    };
    let host = if host == "?" { String::new() } else { host };
    let Value::Int(port) = master.get(1)? else { return None };
    let (from, to) = (u16::try_from(*from).ok()?, u16::try_from(*to).ok()?);
    (from <= to && to < 16384).then(|| (from, to, format!("{host}:{port}")))
}

fn advice(failure: &Failure) -> Advice {
    let Failure::Server { code, detail } = failure else { return Advice::Stop };
    let address = || detail.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
    match code.as_str() {
        "NOSCRIPT" => Advice::Load,
        "MOVED" => Advice::Moved(address()),
        "ASK" => Advice::Ask(address()),
        "TRYAGAIN" => Advice::Later(true),
        "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "BUSY" | "READONLY" => Advice::Later(false),
        // A script touched a key that is on the other node; it has written nothing.
        _ if detail.contains("Script attempted to") || detail.contains("non local key") => Advice::Later(true),
        _ => Advice::Stop,
    }
}

/// The error of a call that is not repeated.
fn plain(failure: Failure) -> BrokerError {
    match failure {
        Failure::NotSent(text) => BrokerError::Unavailable(text),
        Failure::Unknown(text) => BrokerError::OutcomeUnknown(text),
        Failure::Server { code, detail } if code == "OOM" => BrokerError::Full { detail, retry_after: Duration::from_secs(2) },
        Failure::Server { code, detail } => BrokerError::Refused(format!("{code} {detail}")),
    }
}

/// The error of a call that was repeated until its time was over; the server did nothing each time.
fn given_up(failure: Failure) -> BrokerError {
    match failure {
        Failure::Server { code, detail } => BrokerError::Unavailable(format!("{code} {detail}")),
        other => plain(other),
    }
}
