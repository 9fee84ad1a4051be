//! The embedded broker: one SQLite file, one process. Read `broker.rs` for the calls, `writer.rs` for how they are committed,
//! `sql/schema/` for what is kept; a transition is one Rust file and the `.sql` file of the same name.
//!
//! One thread writes, in groups; readers look at snapshots. Workers live in this process, so a lease, its extension and a note
//! need no fsync of their own, and whatever was leased before a start is reaped by the first tick after it.

mod ack;
mod admit;
mod around;
mod broker;
mod bury;
mod calendar;
mod calm;
mod cancel;
mod checkpoint;
mod codec;
mod db;
mod deliver;
mod edit;
mod end;
mod enqueue;
mod error;
mod explain;
mod extend;
mod feed;
mod fire;
mod follow;
mod gate;
mod group;
mod history;
mod hold;
mod lanes;
mod lease;
mod list;
mod note;
mod open;
mod order;
mod pick;
mod purge;
mod readers;
mod relocate;
mod replay;
mod resource;
mod row;
mod rule;
mod schedule;
mod scope;
mod settle;
mod sieve;
mod signals;
mod sql;
mod stats;
mod syncer;
mod tally;
#[cfg(test)]
mod tests;
mod tick;
mod tx;
mod undo;
mod unique;
mod workers;
mod writer;

use self::{
    calm::Calm,
    feed::Feeds,
    order::{Call, Held, Order},
    readers::Readers,
    signals::Signals,
    syncer::{Progress, Sync},
    tx::Tx,
    writer::Writer,
};
use crate::{BrokerError, FEED_MAX, Home};
use longshore_base::{Clock, Name, Random};
use rusqlite::OpenFlags;
use std::{
    collections::HashMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
};
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, BrokerError>;

/// How to open the file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file; made with its folder if it is not there. Beside it lie its log (`-wal`, `-shm`) and the lock of its owner (`.lock`).
    pub path: PathBuf,
    /// The broker's time: it decides about leases and due times.
    pub clock: Arc<dyn Clock>,
    /// Jitter comes from here.
    pub random: Arc<dyn Random>,
    /// Connections that read at most at once.
    pub readers: usize,
    /// Steps that stay in a queue's feed.
    pub feed_steps: usize,
}

impl SqliteOptions {
    /// With four readers and feeds of the usual length.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { path: path.into(), clock, random, readers: 4, feed_steps: FEED_MAX }
    }
}

/// Jobs at rest in a SQLite file that this process owns.
#[derive(Debug)]
pub struct SqliteBroker {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// Taken when the broker is dropped, which ends the writer.
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    /// Calls for the writer that wait for the end of a sync.
    held: Arc<Held>,
    syncs: Arc<Progress>,
    readers: Arc<Readers>,
    signals: Arc<Signals>,
    feeds: Arc<Feeds>,
    calm: Arc<Calm>,
    /// Every queue: nobody but our writer adds one.
    homes: Arc<RwLock<HashMap<Name, Home>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _owner: open::Owner,
}

impl SqliteBroker {
    /// Opens the file, makes it if it is not there, brings an older one forward, and starts the writer.
    ///
    /// # Errors
    /// [`BrokerError::Locked`] when another process owns it; [`BrokerError::Refused`] when it cannot be made, read or written, is no
    /// database or of a newer version; [`BrokerError::Full`] when the disk is full.
    pub fn open(options: SqliteOptions) -> Result<Arc<Self>> {
        Self::open_with(options, Box::new(File::sync_data))
    }

    /// The same on a disk whose syncs can fail.
    fn open_with(options: SqliteOptions, sync: Sync) -> Result<Arc<Self>> {
        let SqliteOptions { path, clock, random, readers, feed_steps } = options;
        let owner = open::own(&path)?;
        let opened_at = clock.now();
        let (connection, starts) = open::writer(&path, opened_at)?;
        let (syncer, syncing) = syncer::pair(&open::log(&path), sync)?;
        let (held, syncs) = (Arc::<Held>::default(), Arc::clone(&syncer.progress));
        let looked_at = Arc::clone(&syncs);
        let kept = Arc::clone(&held);
        let folder = open::connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let homes = Arc::new(RwLock::new(list::homes(db::Db(&connection))?));
        let (orders, taken) = mpsc::channel(writer::WAITING_MAX);
        let (poke, pokes) = std::sync::mpsc::sync_channel(1);
        let (signals, feeds) = (Arc::new(Signals::default()), Arc::new(Feeds::new(starts, opened_at, feed_steps)));
        let calm = Arc::<Calm>::default();
        let writer = Writer {
            connection,
            clock: Arc::clone(&clock),
            random,
            signals: Arc::clone(&signals),
            feeds: Arc::clone(&feeds),
            calm: Arc::clone(&calm),
            poke,
            released: 0,
            held: Arc::clone(&held),
            changes: 0,
            syncer,
        };
        let (weak, heard) = (orders.downgrade(), orders.downgrade());
        let threads = vec![
            spawn("queue-writer", move || writer.run(taken))?,
            spawn("queue-sync", move || syncing.run(&kept, &heard))?,
            spawn("queue-checkpoint", move || checkpoint::run(&folder, &pokes, &weak, &looked_at))?,
        ];
        Ok(Arc::new(Self {
            readers: Readers::new(path.clone(), readers),
            path,
            clock,
            orders: Mutex::new(Some(orders)),
            held,
            syncs,
            signals,
            feeds,
            calm,
            homes,
            threads: Mutex::new(threads),
            _owner: owner,
        }))
    }

    /// Sends a call to the writer. `durable`: its commit reaches the disk before the answer.
    async fn write<T, F>(&self, durable: bool, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.write_of(0, durable, run).await
    }

    /// The same for a call about so many jobs, which may be enough for a commit of its own.
    async fn write_of<T, F>(&self, jobs: usize, durable: bool, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let stopped = || BrokerError::Unavailable("the writer of the queue file has stopped".to_owned());
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(stopped)?;
        let (call, answer) = Call::new(durable, run);
        let call = call.of(jobs);
        match if call.can_wait() { self.held.keep(call) } else { Err(call) } {
            // At the end of the sync that is under way the writer is told by whoever does it.
            Ok(first) if first && self.syncs.under_way().is_none() => match orders.try_send(Order::Held) {
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(stopped()),
                // It has something to look at, and looks at what is held then.
                Err(mpsc::error::TrySendError::Full(_)) | Ok(()) => {}
            },
            Ok(_) => {}
            Err(call) => orders.send(Order::Call(call)).await.map_err(|_| stopped())?,
        }
        answer.await.map_err(|_| BrokerError::OutcomeUnknown("the writer of the queue file stopped before it answered".to_owned()))?
    }

    /// The home of a queue that exists.
    fn known(&self, queue: &Name) -> Option<Home> {
        self.homes.read().unwrap_or_else(PoisonError::into_inner).get(queue).copied()
    }
}

impl Drop for SqliteBroker {
    /// Ends the writer after the calls that it has, then folds the log.
    fn drop(&mut self) {
        self.readers.close();
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the queue file ended with a panic");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|fault| BrokerError::Refused(format!("the thread {name} cannot be started: {fault}")))
}
