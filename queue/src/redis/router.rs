//! The way to the right server: a single one, the master that Sentinels name, or the node of a cluster that has the slot. Redirects,
//! moving slots and new masters are followed here, and nothing else is repeated: a command is sent again only when the server said that
//! it did nothing, or when it was not sent.

use super::{
    advice::{Advice, advice, given_up, plain},
    node::{Failure, Node, Sending, Sort},
    script::Loaded,
    sentinel::Sentinels,
    target::{Target, moved_to},
};
use crate::{BrokerError, Fault};
use backon::{BackoffBuilder, ExponentialBuilder};
use longshore_base::{Clock, Random};
use redis::{Cmd, ConnectionInfo, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::Notify;

/// So many redirects are followed at once before a pause.
const FOLLOWED_MAX: u32 = 5;

/// Servers and slots.
pub(super) struct Router {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    timeout: Duration,
    seeds: Vec<ConnectionInfo>,
    nodes: Mutex<HashMap<String, Arc<Node>>>,
    layout: Layout,
    refreshed: tokio::sync::Mutex<Option<Duration>>,
    /// The run id of the server that last answered for a slot; slot 0 stands for all where one server has everything.
    served: Mutex<HashMap<u16, Arc<str>>>,
    /// Rings when a slot is served by another server than before, though nobody moved it.
    replaced: Arc<Notify>,
}

/// Who has what.
enum Layout {
    /// One server has everything.
    Single,
    /// Who has each slot, as far as known.
    Cluster(RwLock<Vec<Option<Arc<Node>>>>),
    /// The master has everything.
    Sentinel(Box<Sentinels>),
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("cluster", &self.is_cluster()).finish_non_exhaustive()
    }
}

impl Router {
    pub(super) fn new(target: Target, timeout: Duration, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, BrokerError> {
        let (seeds, layout) = match target {
            Target::Single(info) => (vec![*info], Layout::Single),
            Target::Cluster(infos) => (infos, Layout::Cluster(RwLock::new(vec![None; 16384]))),
            Target::Sentinel(watched) => (Vec::new(), Layout::Sentinel(Box::new(Sentinels::new(*watched, timeout)?))),
        };
        let (nodes, refreshed, served) = (Mutex::default(), tokio::sync::Mutex::new(None), Mutex::default());
        Ok(Self { clock, random, timeout, seeds, nodes, layout, refreshed, served, replaced: Arc::default() })
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.layout, Layout::Cluster(_))
    }

    /// True where another server may take over, and we follow it.
    pub(super) const fn is_sentinel(&self) -> bool {
        matches!(self.layout, Layout::Sentinel(_))
    }

    /// Rings when a server was replaced by another one, or by itself after a restart.
    pub(super) fn replaced(&self) -> Arc<Notify> {
        Arc::clone(&self.replaced)
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
                Ok((value, run_id)) => {
                    if !asking {
                        self.served_by(slot, &run_id);
                    }
                    return Ok(value);
                }
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
                (Failure::NotSent(_), _) if !matches!(self.layout, Layout::Single) => {
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
        let slots = match &self.layout {
            Layout::Single => return self.seed(0),
            Layout::Sentinel(sentinels) => {
                return match sentinels.master() {
                    Some(master) => Ok(master),
                    None => sentinels.look(&*self.clock).await,
                };
            }
            Layout::Cluster(slots) => slots,
        };
        let find = || slots.read().unwrap_or_else(PoisonError::into_inner)[usize::from(slot)].clone();
        if let Some(node) = find() {
            return Ok(node);
        }
        self.refresh().await;
        // No node says that it has the slot: any of them will say where it is, or that the cluster is down.
        find().map_or_else(|| self.seed(usize::from(slot) % self.seeds.len()), Ok)
    }

    /// The slot is where a redirect says. The others are left alone: a node that no move concerns may tell an older map.
    fn moved(&self, slot: u16, owner: Arc<Node>) {
        if let Layout::Cluster(slots) = &self.layout {
            slots.write().unwrap_or_else(PoisonError::into_inner)[usize::from(slot)] = Some(owner);
            // It was moved with all that is in it, so that nothing can be missing.
            self.served.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
        }
    }

    /// Notes who answered. Another run id than the last time means that a replica took over, or that the server was started again:
    /// in either case the end of what was written may be gone.
    pub(super) fn served_by(&self, slot: u16, run_id: &Arc<str>) {
        let slot = if self.is_cluster() { slot } else { 0 };
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let before = served.get(&slot);
        if before.is_some_and(|before| before == run_id) {
            return;
        }
        let replaced = before.is_some();
        served.insert(slot, Arc::clone(run_id));
        drop(served);
        if replaced {
            self.replaced.notify_one();
        }
    }

    /// The slot is not where it was thought to be; the next call looks.
    pub(super) fn forget(&self, slot: u16) {
        if let Layout::Cluster(slots) = &self.layout {
            slots.write().unwrap_or_else(PoisonError::into_inner)[usize::from(slot)] = None;
        }
    }

    /// Every server that has slots, or the single one.
    pub(super) async fn masters(&self) -> Result<Vec<Arc<Node>>, BrokerError> {
        let Layout::Cluster(slots) = &self.layout else { return Ok(vec![self.node(0).await?]) };
        self.refresh().await;
        let slots = slots.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Arc<Node>> = Vec::new();
        for node in slots.iter().flatten() {
            if !found.iter().any(|f| Arc::ptr_eq(f, node)) {
                found.push(Arc::clone(node));
            }
        }
        drop(slots);
        if found.is_empty() { Ok(vec![self.seed(0)?]) } else { Ok(found) }
    }

    /// Asks the Sentinels whether the master is still the same; the next call goes to whoever it is. None without Sentinels.
    pub(super) async fn look_for_master(&self) -> Option<Result<Arc<Node>, BrokerError>> {
        match &self.layout {
            Layout::Sentinel(sentinels) => Some(sentinels.look(&*self.clock).await),
            _ => None,
        }
    }

    /// What is wrong with the Sentinels.
    pub(super) async fn sentinel_faults(&self) -> Vec<Fault> {
        match &self.layout {
            Layout::Sentinel(sentinels) => sentinels.faults().await,
            _ => Vec::new(),
        }
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
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(&info.addr().to_string()) {
            return Ok(Arc::clone(node));
        }
        let node = Arc::new(Node::new(info.clone(), Sort::Server, self.timeout).map_err(|e| BrokerError::Refused(e.to_string()))?);
        nodes.insert(node.address.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// The node of a redirect; an empty host means the node that answered.
    fn known(&self, from: &Node, address: &str) -> Result<Arc<Node>, BrokerError> {
        let strange = || BrokerError::Refused(format!("redirected to `{address}`"));
        let (host, port) = address.rsplit_once(':').ok_or_else(strange)?;
        let own = from.address.rsplit_once(':').map_or("", |(host, _)| host);
        let host = if host.is_empty() { own } else { host };
        let port = port.parse().map_err(|_| strange())?;
        self.node_of(&moved_to(self.seeds.first().ok_or_else(strange)?, host, port))
    }

    /// Asks the Sentinels, or reads the slot map from the first node that answers; at most some twenty times a second.
    async fn refresh(&self) {
        if matches!(self.layout, Layout::Single) {
            return;
        }
        let mut last = self.refreshed.lock().await;
        if last.is_some_and(|at| self.clock.elapsed() < at + Duration::from_millis(50)) {
            return;
        }
        match &self.layout {
            Layout::Single => {}
            Layout::Sentinel(sentinels) => {
                if let Err(error) = sentinels.look(&*self.clock).await {
                    tracing::debug!(%error, "the master stays who it was");
                }
            }
            Layout::Cluster(slots) => self.read_slots(slots).await,
        }
        *last = Some(self.clock.elapsed());
    }

    async fn read_slots(&self, slots: &RwLock<Vec<Option<Arc<Node>>>>) {
        let mut asked: Vec<Arc<Node>> = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        asked.extend(self.seeds.iter().filter_map(|info| self.node_of(info).ok()));
        for node in asked {
            let Ok(Value::Array(ranges)) = node.send(redis::cmd("CLUSTER").arg("SLOTS")).await else { continue };
            let mut map = vec![None; 16384];
            for range in ranges {
                let Some((from, to, address)) = range_of(range) else { continue };
                let Ok(owner) = self.known(&node, &address) else { continue };
                map[usize::from(from)..=usize::from(to)].fill(Some(owner));
            }
            *slots.write().unwrap_or_else(PoisonError::into_inner) = map;
            break;
        }
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
