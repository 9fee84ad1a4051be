//! Moves slots of a cluster from master to master, by the protocol that an operator's tools use, and never stops.

use super::cluster::{Cluster, ask};
use redis::{RedisError, aio::MultiplexedConnection, cmd};
use std::{
    collections::BTreeMap,
    sync::{
        LazyLock, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How many cases want this slot moved.
static WANTED: Mutex<BTreeMap<u16, usize>> = Mutex::new(BTreeMap::new());
/// Held while one slot is between two masters.
static GATE: LazyLock<tokio::sync::Mutex<()>> = LazyLock::new(tokio::sync::Mutex::default);
static MOVES: AtomicU64 = AtomicU64::new(0);
/// Between two moves at least.
const REST: Duration = Duration::from_millis(10);

/// A slot that is moved as long as this lives.
#[derive(Debug)]
pub(crate) struct Moving(u16);

impl Drop for Moving {
    fn drop(&mut self) {
        let mut wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = wanted.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                wanted.remove(&self.0);
            }
        }
    }
}

/// From now on this slot is moved again and again.
pub(crate) fn keep_moving(cluster: &'static Cluster, slot: u16) -> Moving {
    static STARTED: OnceLock<()> = OnceLock::new();
    *WANTED.lock().unwrap_or_else(PoisonError::into_inner).entry(slot).or_insert(0) += 1;
    STARTED.get_or_init(|| {
        // A thread of its own, because a test's runtime ends with the test.
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(work(cluster));
        };
        std::thread::Builder::new().name("mover".into()).spawn(run).expect("a thread");
    });
    Moving(slot)
}

/// No slot is between two masters until this is dropped.
pub(crate) async fn rest() -> tokio::sync::MutexGuard<'static, ()> {
    GATE.lock().await
}

/// How many moves were made so far.
pub(crate) fn moves() -> u64 {
    MOVES.load(Ordering::Relaxed)
}

async fn work(cluster: &Cluster) {
    let mut nodes = cluster.connections().await;
    let mut owners = BTreeMap::<u16, usize>::new();
    let mut idle = tokio::time::interval(REST);
    loop {
        idle.tick().await;
        let wanted: Vec<_> = WANTED.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        for slot in wanted {
            let owner = owners.entry(slot).or_insert_with(|| cluster.first_owner(slot));
            let to = (*owner + 1) % nodes.len();
            let gate = GATE.lock().await;
            let start = tokio::time::Instant::now();
            shift(cluster, &mut nodes, slot, *owner, to).await.expect("a healthy cluster lets its slots be moved");
            drop(gate);
            *owner = to;
            MOVES.fetch_add(1, Ordering::Relaxed);
            // As long at rest as on the way: brokers must get some work done, and see many moves.
            let mut rest = tokio::time::interval(start.elapsed().max(REST));
            rest.tick().await;
            rest.tick().await;
        }
    }
}

/// Moves one slot, a few keys at a time.
async fn shift(cluster: &Cluster, nodes: &mut [MultiplexedConnection], slot: u16, from: usize, to: usize) -> Result<(), RedisError> {
    let slot = slot.to_string();
    ask(&mut nodes[to], &["SETSLOT", &slot, "IMPORTING", &cluster.ids[from]]).await?;
    ask(&mut nodes[from], &["SETSLOT", &slot, "MIGRATING", &cluster.ids[to]]).await?;
    loop {
        let keys: Vec<Vec<u8>> = cmd("CLUSTER").arg(&["GETKEYSINSLOT", &slot, "3"]).query_async(&mut nodes[from]).await?;
        if keys.is_empty() {
            break;
        }
        let mut migrate = cmd("MIGRATE");
        migrate.arg(&["127.0.0.1", &cluster.nodes[to].port.to_string(), "", "0", "10000", "KEYS"]).arg(keys);
        let _: String = migrate.query_async(&mut nodes[from]).await?;
        // Brokers' calls get in between, and find some keys here and some there.
        tokio::task::yield_now().await;
    }
    // The new owner first: nobody may believe in the meantime that the slot has none.
    for node in [to, from].into_iter().chain((0..cluster.nodes.len()).filter(|node| ![to, from].contains(node))) {
        ask(&mut nodes[node], &["SETSLOT", &slot, "NODE", &cluster.ids[to]]).await?;
    }
    Ok(())
}
