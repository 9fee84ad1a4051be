//! Which server is the master: every Sentinel is asked, and the answer of the newest configuration counts. A Sentinel that is cut off
//! from the others goes on naming the old master, so one answer alone is not believed while others may come.

use super::{
    node::{Failure, Node, Sort},
    target::{Watched, moved_to},
    value,
};
use crate::{BrokerError, Fault};
use futures::{StreamExt, stream::FuturesUnordered};
use longshore_base::Clock;
use redis::{Cmd, ConnectionInfo};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// A Sentinel answers at once or is not there.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// After the first answer the others have this long.
const OTHERS_MAX: Duration = Duration::from_millis(100);
/// With fewer Sentinels than this, the loss of one stops every failover.
const SENTINELS_MIN: u64 = 3;

/// The Sentinels of one master, and who it was when they were last asked.
#[derive(Debug)]
pub(super) struct Sentinels {
    name: String,
    asked: Vec<Arc<Node>>,
    server: ConnectionInfo,
    timeout: Duration,
    master: RwLock<Option<Named>>,
}

/// The master, and of which configuration that is.
#[derive(Debug)]
struct Named {
    node: Arc<Node>,
    epoch: u64,
}

/// What one Sentinel says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Answer {
    /// Of the configuration; grows with each failover.
    epoch: u64,
    host: String,
    port: u16,
}

impl Sentinels {
    pub(super) fn new(watched: Watched, timeout: Duration) -> Result<Self, BrokerError> {
        let node = |info| Node::new(info, Sort::Sentinel, timeout.min(ANSWER_MAX)).map(Arc::new);
        let asked = watched.sentinels.into_iter().map(node).collect::<Result<_, _>>();
        let asked = asked.map_err(|error| BrokerError::Refused(error.to_string()))?;
        Ok(Self { name: watched.name, asked, server: watched.server, timeout, master: RwLock::default() })
    }

    /// The master, as far as known.
    pub(super) fn master(&self) -> Option<Arc<Node>> {
        self.master.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|named| Arc::clone(&named.node))
    }

    /// Asks who the master is. If it is another server than before, we leave the old one, and nobody waits for its signals any longer.
    pub(super) async fn look(&self, clock: &dyn Clock) -> Result<Arc<Node>, BrokerError> {
        let (told, by_all) = self.ask_all(clock).await.map_err(BrokerError::Unavailable)?;
        let address = format!("{}:{}", told.host, told.port);
        let node = Node::new(moved_to(&self.server, &told.host, told.port), Sort::Master, self.timeout);
        let node = node.map(Arc::new).map_err(|error| BrokerError::Refused(error.to_string()))?;
        let before = {
            let mut master = self.master.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(named) = master.as_mut() {
                // An older configuration than one that was told before: whoever knows better has not answered yet. When all say
                // so, somebody began anew.
                let outdated = told.epoch < named.epoch && !by_all;
                if named.node.address == address || outdated {
                    named.epoch = if outdated { named.epoch } else { told.epoch };
                    return Ok(Arc::clone(&named.node));
                }
            }
            master.replace(Named { node: Arc::clone(&node), epoch: told.epoch })
        };
        match before.map(|named| named.node) {
            Some(before) => {
                tracing::warn!(
                    master = self.name,
                    from = before.address,
                    to = address,
                    epoch = told.epoch,
                    "the master is another server now"
                );
                before.leave();
            }
            None => tracing::debug!(master = self.name, address, epoch = told.epoch, "the Sentinels named the master"),
        }
        Ok(node)
    }

    /// The newest answer of those that come in time and whether all came, or what each Sentinel's silence was about.
    async fn ask_all(&self, clock: &dyn Clock) -> Result<(Answer, bool), String> {
        let mut asking: FuturesUnordered<_> = self.asked.iter().map(|sentinel| self.ask(sentinel)).collect();
        let (mut newest, mut count, mut silent): (Option<Answer>, usize, Vec<String>) = (None, 0, Vec::new());
        let mut end = clock.sleep(ANSWER_MAX + self.timeout);
        loop {
            let answer = tokio::select! {
                answer = asking.next() => answer,
                () = &mut end => None,
            };
            match answer {
                Some(Ok(answer)) => {
                    if newest.is_none() {
                        end = clock.sleep(OTHERS_MAX);
                    }
                    count += 1;
                    newest = newest.max(Some(answer));
                }
                Some(Err(why)) => silent.push(why),
                None => break,
            }
        }
        let newest = newest.ok_or_else(|| format!("no Sentinel names the master {}: {}", self.name, silent.join("; ")))?;
        Ok((newest, count == self.asked.len()))
    }

    /// The address first: a failover that is under way has given it its epoch already.
    async fn ask(&self, sentinel: &Node) -> Result<Answer, String> {
        let failed = |failure: Failure| told(sentinel, &failure);
        let address = sentinel.send(&self.command("GET-MASTER-ADDR-BY-NAME")).await.map_err(failed)?;
        let unknown = || format!("{} knows no master of the name {}", sentinel.address, self.name);
        let address = value::texts(address, "SENTINEL").map_err(|_| unknown())?;
        let [host, port] = address.as_slice() else { return Err(unknown()) };
        let about = self.about(sentinel).await.map_err(failed)?;
        let port = port.parse().map_err(|_| format!("{} names the port {port:?}", sentinel.address))?;
        let epoch = about.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        Ok(Answer { epoch, host: host.clone(), port })
    }

    async fn about(&self, sentinel: &Node) -> Result<HashMap<String, String>, Failure> {
        let flat = value::texts(sentinel.send(&self.command("MASTER")).await?, "SENTINEL").unwrap_or_default();
        Ok(flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    }

    fn command(&self, what: &str) -> Cmd {
        let mut command = redis::cmd("SENTINEL");
        command.arg(what).arg(&self.name);
        command
    }

    /// What would keep the Sentinels from finding a new master.
    pub(super) async fn faults(&self) -> Vec<Fault> {
        let looks = futures::future::join_all(self.asked.iter().map(|sentinel| self.faults_of(sentinel))).await;
        let mut faults: Vec<Fault> = looks.into_iter().flatten().collect();
        faults.sort_by(|a, b| a.key.cmp(&b.key));
        faults.dedup_by(|a, b| (&a.key, &a.value) == (&b.key, &b.value));
        faults
    }

    async fn faults_of(&self, sentinel: &Node) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut add = |key: &str, value: String, allowed: &str, mend: String| {
            faults.push(Fault { key: key.to_owned(), value, allowed: allowed.to_owned(), mend, fatal: false, broken: false });
        };
        match self.about(sentinel).await {
            Err(failure) => {
                let allowed = "an answer: with too few Sentinels nobody replaces a master that dies";
                add("sentinel", told(sentinel, &failure), allowed, "start it again, or take it out of --broker".to_owned());
            }
            Ok(about) => {
                let number = |name: &str| about.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                let known = number("num-other-sentinels") + 1;
                if known < SENTINELS_MIN {
                    let allowed = "three or more: with fewer, the loss of one stops every failover";
                    add("sentinels", known.to_string(), allowed, "start more on other machines: redis-sentinel FILE".to_owned());
                }
                if number("num-slaves") == 0 {
                    let allowed = "one or more: without a replica there is nobody to become the master";
                    add("replicas", "0".to_owned(), allowed, "redis-cli -h REPLICA REPLICAOF MASTER PORT".to_owned());
                }
                if let Err(failure @ Failure::Server { .. }) = sentinel.send(&self.command("CKQUORUM")).await {
                    let allowed = "enough Sentinels that see each other: now no failover can be agreed on";
                    add("quorum", failure.to_string(), allowed, format!("redis-cli -p 26379 SENTINEL CKQUORUM {}", self.name));
                }
            }
        }
        faults
    }
}

fn told(sentinel: &Node, failure: &Failure) -> String {
    let text = failure.to_string();
    if text.contains(&sentinel.address) { text } else { format!("{}: {text}", sentinel.address) }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn the_newest_configuration_wins_over_the_first_answer() {
        let answer = |epoch, port| Some(Answer { epoch, host: "h".to_owned(), port });
        assert_eq!([answer(3, 1), answer(7, 2), answer(6, 3)].into_iter().fold(None, |a, b| a.max(b)), answer(7, 2));
    }
}
