//! Queues as this process knows them: their number, their main key, their signals.

use super::{RedisBroker, Result, gather::Gathering, keys, node::Sending, script::Script, signal::Signal, value, workers::Announced};
use crate::{Broker, BrokerError, Home, JobId};
use longshore_base::Name;
use redis::{Cmd, Value};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

/// The registry is read again at most this often for numbers that nobody knows.
const UNKNOWN_EVERY: Duration = Duration::from_secs(1);

/// One queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: Name,
    pub(super) home: Home,
    pub(super) meta: String,
    pub(super) slot: u16,
    pub(super) signal: Arc<Signal>,
    pub(super) gathering: Gathering,
    pub(super) announced: Announced,
    /// Until when this process has asked to be told of changed jobs, by its own clock.
    pub(super) watched_until: Mutex<Duration>,
}

type Known = (HashMap<u16, Arc<Queue>>, HashMap<Name, Arc<Queue>>);

/// By number and by name.
#[derive(Debug, Default)]
pub(super) struct Queues {
    known: RwLock<Known>,
    /// Tells of queues that are made.
    pub(super) signal: Arc<Signal>,
    read_at: tokio::sync::Mutex<Option<Duration>>,
}

impl RedisBroker {
    /// A call of `script` on `key`, to which arguments are added.
    pub(super) fn command(&self, script: Script, key: &str) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.scripts.get(script).hash).arg(1).arg(key);
        command
    }

    /// Calls a script on a key outside of the queues.
    pub(super) async fn call_key(&self, script: Script, key: &str, command: &Cmd) -> Result<Value> {
        self.router.call(keys::slot(key), command, Some(self.scripts.get(script))).await
    }

    /// Calls a script on a queue.
    pub(super) async fn call(&self, queue: &Queue, script: Script, command: &Cmd) -> Result<Value> {
        self.call_as(queue, script, Sending::Same(command)).await
    }

    /// Calls a script on a queue with what is made for the server that gets it. A queue whose main key is gone is opened anew.
    pub(super) async fn call_as(&self, queue: &Queue, script: Script, sending: Sending<'_>) -> Result<Value> {
        match self.router.send(queue.slot, sending, Some(self.scripts.get(script))).await {
            Err(BrokerError::Refused(text)) if text.starts_with("UNOPENED") => {
                self.open(queue).await?;
                self.router.send(queue.slot, sending, Some(self.scripts.get(script))).await
            }
            answer => answer,
        }
    }

    async fn open(&self, queue: &Queue) -> Result<()> {
        queue.announced.forget();
        self.call_key(Script::Open, &queue.meta, &self.command(Script::Open, &queue.meta)).await.map(drop)
    }

    /// The queue of that name, registered if it is new.
    pub(super) async fn queue(&self, name: &Name) -> Result<Arc<Queue>> {
        if let Some(queue) = self.queues.by_name(name) {
            return Ok(queue);
        }
        let key = keys::homes(&self.options.prefix);
        let mut command = self.command(Script::Home, &key);
        command.arg(name.as_str());
        let number = value::int(&self.call_key(Script::Home, &key, &command).await?, "home")?;
        let home = u16::try_from(number).map_err(|_| BrokerError::Refused("65,535 queues exist; no more can be made".to_owned()))?;
        let queue = self.queues.add(&self.options.prefix, name, Home(home));
        self.open(&queue).await?;
        Ok(queue)
    }

    /// The queue of that name if it exists.
    pub(super) async fn existing(&self, name: &Name) -> Result<Option<Arc<Queue>>> {
        if self.queues.by_name(name).is_none() {
            self.read_registry(false).await?;
        }
        Ok(self.queues.by_name(name))
    }

    /// The queue that lives there; nobody is asked about an unknown number more than once a second.
    pub(super) async fn at_home(&self, home: Home) -> Result<Option<Arc<Queue>>> {
        if self.queues.by_home(home).is_none() {
            self.read_registry(false).await?;
        }
        Ok(self.queues.by_home(home))
    }

    /// The queue of this job.
    pub(super) async fn queue_of(&self, id: JobId) -> Result<Arc<Queue>> {
        self.at_home(id.home()).await?.ok_or(BrokerError::NotFound)
    }

    /// Every queue, by name.
    pub(super) async fn all_queues(&self) -> Result<Vec<Arc<Queue>>> {
        self.read_registry(true).await?;
        let mut all = self.queues.all();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Until there may be more queues than `known`, or `at_most`; they are known then.
    pub(super) async fn wait_for_queue(&self, known: usize, at_most: Duration) {
        self.wait_queues(known, at_most).await;
        if let Err(error) = self.read_registry(true).await {
            tracing::debug!(%error, "the queues cannot be read; the next call looks again");
        }
    }

    /// A server that took over may not have the queues that were made last, and may give their numbers to others: what it does not have
    /// is forgotten here, and registered anew by its next use.
    pub(super) async fn forget_lost_queues(&self) -> Result<()> {
        let there: HashMap<Name, Home> = self.registry().await?.into_iter().collect();
        self.queues.retain(|queue| there.get(&queue.name) == Some(&queue.home));
        self.queues.all().iter().for_each(|queue| queue.announced.forget());
        Ok(())
    }

    async fn read_registry(&self, now: bool) -> Result<()> {
        let mut read_at = self.queues.read_at.lock().await;
        let clock = &self.options.clock;
        if !now && read_at.is_some_and(|at| clock.elapsed() < at + UNKNOWN_EVERY) {
            return Ok(());
        }
        for (name, home) in self.registry().await? {
            self.queues.add(&self.options.prefix, &name, home);
        }
        *read_at = Some(clock.elapsed());
        Ok(())
    }

    async fn registry(&self) -> Result<Vec<(Name, Home)>> {
        let key = keys::homes(&self.options.prefix);
        let answer = self.router.call(keys::slot(&key), redis::cmd("HGETALL").arg(&key), None).await?;
        let one = |pair: &[Value]| {
            let name = value::text(&pair[0]).and_then(|n| Name::new(n).ok()).ok_or_else(|| value::strange("homes"))?;
            let home = u16::try_from(value::int(&pair[1], "homes")?).map_err(|_| value::strange("homes"))?;
            Ok((name, Home(home)))
        };
        value::list(answer, "homes")?.chunks_exact(2).map(one).collect()
    }
}

impl Queues {
    /// How many this process knows.
    pub(super) fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).1.len()
    }

    fn all(&self) -> Vec<Arc<Queue>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).1.values().cloned().collect()
    }

    fn retain(&self, keep: impl Fn(&Queue) -> bool) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.0.retain(|_, queue| keep(queue));
        let gone: Vec<_> = known.1.extract_if(|_, queue| !keep(queue)).collect();
        drop(known);
        gone.iter().for_each(|(_, queue)| queue.signal.lost());
    }

    fn by_name(&self, name: &Name) -> Option<Arc<Queue>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).1.get(name).cloned()
    }

    fn by_home(&self, home: Home) -> Option<Arc<Queue>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).0.get(&home.0).cloned()
    }

    fn add(&self, prefix: &str, name: &Name, home: Home) -> Arc<Queue> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = known.1.get(name).filter(|queue| queue.home == home) {
            return Arc::clone(queue);
        }
        let meta = keys::meta(prefix, name);
        let slot = keys::slot(&meta);
        let queue = Arc::new(Queue {
            name: name.clone(),
            home,
            meta,
            slot,
            signal: Signal::new(home),
            gathering: Gathering::default(),
            announced: Announced::default(),
            watched_until: Mutex::default(),
        });
        known.0.insert(home.0, Arc::clone(&queue));
        let gone = known.1.insert(name.clone(), Arc::clone(&queue));
        drop(known);
        // What is told from now on reaches the new one alone: whoever waits at the old one comes here.
        if let Some(gone) = gone {
            gone.signal.lost();
        }
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Watched;

    /// A queue that is opened anew has signals of its own, so those who wait at the old one's must not go on waiting there.
    #[test]
    fn whoever_waits_at_a_replaced_queue_is_woken() {
        let (queues, name, watched) = (Queues::default(), Name::literal("q"), Arc::new(Watched::default()));
        queues.add("ls", &name, Home(1)).signal.watchers.join(&watched);
        assert!(!watched.take_news());
        queues.add("ls", &name, Home(2)).signal.watchers.join(&watched);
        assert!(watched.take_news() && !watched.take_news());
        queues.retain(|_| true);
        assert!(!watched.take_news());
        queues.retain(|_| false);
        assert!(watched.take_news());
    }
}
