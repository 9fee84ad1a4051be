//! Wake-ups. One subscribed connection per server; a queue's channel carries `w` (somebody may lease), `j` and ids (these jobs
//! have changed) and `c` and ids (these running jobs are asked to stop). Signals are hints: whoever waits has a bound.

use super::{keys, node::Node, router::Router};
use crate::{Home, watched::Watchers};
use longshore_base::{Clock, Random};
use redis::{PushInfo, PushKind, Value, aio::ConnectionLike, aio::MultiplexedConnection};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Something that rings, and waits that end when it does.
#[derive(Debug, Default)]
pub(super) struct Bell {
    count: AtomicU64,
    /// The count when the last call that found too little was sent: a ring since then is not to be missed.
    seen: AtomicU64,
    notify: Notify,
}

impl Bell {
    /// To be taken before a call is sent, for [`Bell::answered`].
    pub(super) fn mark(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// A call that was sent at `mark` found less than it asked for.
    pub(super) fn answered(&self, mark: u64) {
        self.seen.store(mark, Ordering::Release);
    }

    pub(super) fn ring(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.notify.notify_waiters();
    }

    /// Waits for a ring that came after the last call, or for `at_most`.
    pub(super) async fn wait(&self, clock: &dyn Clock, at_most: Duration) {
        let end = clock.sleep(at_most);
        tokio::pin!(end);
        loop {
            let next = self.notify.notified();
            tokio::pin!(next);
            next.as_mut().enable();
            if self.count.load(Ordering::Acquire) != self.seen.load(Ordering::Acquire) {
                // One ring ends one wait; without a call in between the next wait is a real one.
                self.seen.store(self.count.load(Ordering::Acquire), Ordering::Release);
                return;
            }
            tokio::select! {
                () = &mut next => {}
                () = &mut end => return,
            }
        }
    }
}

/// A queue's signals in this process.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// Somebody may lease.
    pub(super) work: Bell,
    /// Jobs have changed, so the feed may have something new.
    pub(super) feed: Bell,
    /// Who wants news of jobs.
    pub(super) watchers: Watchers,
    home: Home,
    /// Set while a connection is subscribed to the queue's channel.
    subscription: Mutex<Option<Arc<AtomicBool>>>,
    subscribing: tokio::sync::Mutex<()>,
}

impl Signal {
    pub(super) fn new(home: Home) -> Arc<Self> {
        Arc::new(Self { home, ..Self::default() })
    }

    fn changed(&self, ids: &[u8]) {
        let ids: Vec<_> = ids.chunks_exact(14).filter_map(|id| keys::long(id, self.home)).collect();
        self.watchers.changed(&ids);
        self.feed.ring();
    }

    /// The connection, or the queue, is gone, and with it what it would have told.
    pub(super) fn lost(&self) {
        self.work.ring();
        self.feed.ring();
        self.watchers.may_have_missed();
    }
}

/// Whether a queue's signals reach this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Since some time ago.
    Since,
    /// From now on and not before: whoever wants to wait should look once more first.
    FromNow,
    /// Not now; waits must be short.
    Not,
}

impl Hearing {
    /// `at_most`, or less when nobody would be heard.
    pub(super) fn bound(self, at_most: Duration) -> Duration {
        if self == Self::Not { at_most.min(DEAF_WAIT_MAX) } else { at_most }
    }
}

/// Longer than this nobody waits without hearing anything.
const DEAF_WAIT_MAX: Duration = Duration::from_millis(500);

/// A subscribed connection.
struct Ear {
    connection: MultiplexedConnection,
    alive: Arc<AtomicBool>,
}

type Channels = Arc<Mutex<HashMap<Vec<u8>, Weak<Signal>>>>;

/// The subscribed connections of this process.
#[derive(Default)]
pub(super) struct Ears {
    by_node: tokio::sync::Mutex<HashMap<String, Ear>>,
    channels: Channels,
}

impl std::fmt::Debug for Ears {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ears").finish_non_exhaustive()
    }
}

impl Ears {
    /// Makes sure that `signal` hears its channel. A server that cannot be reached is not an error here.
    pub(super) async fn listen(&self, router: &Router, slot: u16, channel: &str, signal: &Arc<Signal>) -> Hearing {
        let heard = || lock(&signal.subscription).as_ref().is_some_and(|alive| alive.load(Ordering::Acquire));
        if heard() {
            return Hearing::Since;
        }
        let _one = signal.subscribing.lock().await;
        if heard() {
            return Hearing::Since;
        }
        lock(&self.channels).insert(channel.as_bytes().to_vec(), Arc::downgrade(signal));
        let Ok(node) = router.node(slot).await else { return Hearing::Not };
        match self.subscribe(&node, channel, router.is_cluster()).await {
            Ok(alive) => {
                *lock(&signal.subscription) = Some(alive);
                // What was told before this moment was not heard.
                signal.lost();
                Hearing::FromNow
            }
            Err(error) => {
                tracing::debug!(%error, channel, "not subscribed; waits are short until it is");
                router.forget(slot);
                Hearing::Not
            }
        }
    }

    async fn subscribe(&self, node: &Node, channel: &str, cluster: bool) -> Result<Arc<AtomicBool>, redis::RedisError> {
        let mut ears = self.by_node.lock().await;
        // With the last of its connections a server that we left is let go.
        ears.retain(|_, ear| ear.alive.load(Ordering::Acquire));
        if !ears.contains_key(&node.address) {
            let ear = self.connect(node).await?;
            ears.insert(node.address.clone(), ear);
        }
        let Some(ear) = ears.get_mut(&node.address) else { return Ok(Arc::default()) };
        let (mut connection, alive) = (ear.connection.clone(), Arc::clone(&ear.alive));
        drop(ears);
        let command = if cluster { "SSUBSCRIBE" } else { "SUBSCRIBE" };
        match connection.req_packed_command(redis::cmd(command).arg(channel)).await {
            Ok(Value::ServerError(error)) => Err(error.into()),
            Ok(_) => Ok(alive),
            Err(error) => {
                alive.store(false, Ordering::Release);
                Err(error)
            }
        }
    }

    async fn connect(&self, node: &Node) -> Result<Ear, redis::RedisError> {
        let alive = Arc::new(AtomicBool::new(true));
        let (channels, flag) = (Arc::clone(&self.channels), Arc::clone(&alive));
        let connection = node
            .subscriber(move |info: PushInfo| {
                hear(&channels, &flag, &info);
                Ok(())
            })
            .await?;
        let (channels, flag) = (Arc::clone(&self.channels), Arc::clone(&alive));
        node.on_farewell(Box::new(move || deaf(&channels, &flag)));
        Ok(Ear { connection, alive })
    }
}

fn hear(channels: &Channels, alive: &AtomicBool, info: &PushInfo) {
    match info.kind {
        // The end of the connection, or a slot that has moved away: everybody looks, and subscribes anew.
        PushKind::Disconnection | PushKind::SUnsubscribe => deaf(channels, alive),
        PushKind::Message | PushKind::SMessage => {
            let [Value::BulkString(channel), Value::BulkString(text)] = info.data.as_slice() else { return };
            let Some(signal) = lock(channels).get(channel).and_then(Weak::upgrade) else { return };
            match text.split_first() {
                Some((b'j' | b'c', ids)) => signal.changed(ids),
                _ => signal.work.ring(),
            }
        }
        _ => {}
    }
}

/// This connection tells nothing more.
fn deaf(channels: &Channels, alive: &AtomicBool) {
    alive.store(false, Ordering::Release);
    let all: Vec<_> = lock(channels).values().filter_map(Weak::upgrade).collect();
    all.iter().for_each(|signal| signal.lost());
}

/// A little less than `at_most`, so that processes that wait alike do not come all at once.
pub(super) fn jittered(at_most: Duration, random: &dyn Random) -> Duration {
    at_most.mul_f64(1.0 - 0.1 * random.unit())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
