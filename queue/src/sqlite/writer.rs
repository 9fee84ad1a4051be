//! The one writer: a thread that takes calls in groups, runs each in a savepoint of one transaction, commits once, and answers.
//!
//! A group that holds a durable call commits with `synchronous=FULL` (one fsync for all); a group of leases, extensions and
//! notes commits without one, because their workers die with the machine.

use super::{
    db::Db,
    error,
    feed::{Feeds, Step},
    signals::{Signals, Touched},
    tx::Tx,
};
use crate::BrokerError;
use longshore_base::{Clock, Random};
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot};

type Result<T> = std::result::Result<T, BrokerError>;

/// Calls in one transaction at most.
const GROUP_MAX: usize = 256;
/// A group that has changed so many rows commits; the rest of its calls come next.
const CHANGES_MAX: u64 = 20_000;
/// Changed rows after which the checkpointer is poked.
const POKE_AFTER: u64 = 4_000;
/// Calls that may wait for the writer.
pub(super) const WAITING_MAX: usize = 4_096;

/// What the thread takes from its channel.
#[derive(Debug)]
pub(super) enum Order {
    /// A call for the next group.
    Call(Call),
    /// Fold the whole log into the file between two groups.
    Fold,
}

/// A call on its way to the writer.
pub(super) struct Call {
    durable: bool,
    work: Box<dyn Work>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("durable", &self.durable).finish_non_exhaustive()
    }
}

impl Call {
    /// `run` happens on the writer thread; what it returns is answered after the commit.
    pub(super) fn new<T, F>(durable: bool, run: F) -> (Self, oneshot::Receiver<Result<T>>)
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        (Self { durable, work: Box::new(Pending { run: Some(run), done: None, reply }) }, answer)
    }
}

trait Work: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()>;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Pending<T, F> {
    run: Option<F>,
    done: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Work for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        if let Some(run) = self.run.take() {
            self.done = Some(run(tx)?);
            tx.flush()?;
        }
        Ok(())
    }
    fn answer(self: Box<Self>, outcome: Result<()>) {
        let missing = || BrokerError::Refused("the call was not run".to_owned());
        // A caller that has gone needs no answer.
        let Self { done, reply, .. } = *self;
        drop(reply.send(outcome.and_then(|()| done.ok_or_else(missing))));
    }
}

/// What the calls of a group leave to be done after its commit.
#[derive(Default)]
struct Told {
    touched: Touched,
    /// One for each call, while somebody listens.
    steps: Vec<Step>,
    /// One of them must survive a power cut.
    sync: bool,
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) signals: Arc<Signals>,
    pub(super) feeds: Arc<Feeds>,
    /// Tells the checkpointer that there is something to fold.
    pub(super) poke: std::sync::mpsc::SyncSender<()>,
    /// Whether the connection stands at `synchronous=FULL`.
    pub(super) full: bool,
    /// Changed rows since the last poke.
    pub(super) changes: u64,
}

impl Writer {
    /// Until every sender is gone.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut waiting = VecDeque::new();
        while let Some(order) = waiting.pop_front().or_else(|| orders.blocking_recv()) {
            waiting.push_front(order);
            while waiting.len() < GROUP_MAX {
                match orders.try_recv() {
                    Ok(order) => waiting.push_back(order),
                    Err(_) => break,
                }
            }
            self.group(&mut waiting);
        }
    }

    fn group(&mut self, waiting: &mut VecDeque<Order>) {
        let durable = waiting.iter().any(|order| matches!(order, Order::Call(call) if call.durable));
        let alone = waiting.len() == 1;
        let (mut done, mut told) = (Vec::with_capacity(waiting.len()), Told::default());
        let start = self.connection.total_changes();
        let (mut began, mut fold) = (Ok(()), false);
        while let Some(order) = waiting.pop_front() {
            let Order::Call(mut call) = order else {
                fold = true;
                continue;
            };
            if done.is_empty() {
                began = self.begin(durable);
            }
            let outcome = began.clone().and_then(|()| self.call(&mut call, alone, &mut told));
            done.push((call, outcome));
            if self.connection.is_autocommit() || self.connection.total_changes() - start > CHANGES_MAX {
                break;
            }
        }
        let outcome = if done.is_empty() { Ok(()) } else { began.and_then(|()| self.commit()) };
        match &outcome {
            Ok(()) if !told.steps.is_empty() => self.feeds.add(told.steps),
            Err(BrokerError::OutcomeUnknown(_)) => self.feeds.lose(),
            _ => {}
        }
        let outcome = outcome.and_then(|()| if told.sync && !durable { self.sync() } else { Ok(()) });
        if outcome.is_ok() {
            self.signals.ring(&told.touched);
        }
        // On a full disk, a log that starts again from its beginning may be room enough for the acks.
        let full = |outcome: &Result<()>| matches!(outcome, Err(BrokerError::Full { .. }));
        fold |= full(&outcome) || done.iter().any(|(_, ran)| full(ran));
        for (call, ran) in done {
            call.work.answer(ran.and_then(|()| outcome.clone()));
        }
        self.changes += self.connection.total_changes() - start;
        if self.changes > POKE_AFTER && self.poke.try_send(()).is_ok() {
            self.changes = 0;
        }
        if fold && let Err(fault) = super::checkpoint::fold(&self.connection) {
            tracing::warn!(%fault, "the log of the queue file could not be folded");
        }
    }

    /// One call in its savepoint; a failed one leaves no trace and harms no neighbour. Alone, the transaction is savepoint enough.
    fn call(&self, call: &mut Call, alone: bool, told: &mut Told) -> Result<()> {
        if !alone {
            self.execute("SAVEPOINT call")?;
        }
        let now = self.clock.now();
        let mut tx = Tx::new(&self.connection, now, &*self.random, self.signals.watched(), self.feeds.step(now));
        let ran = catch_unwind(AssertUnwindSafe(|| call.work.run(&mut tx)));
        let ran =
            ran.unwrap_or_else(|_| Err(BrokerError::Refused("a fault in the broker: the call panicked; nothing of it is kept".to_owned())));
        if ran.is_ok() {
            told.touched.absorb(tx.touched);
            told.steps.extend(tx.step);
            told.sync |= tx.durable;
        } else if self.connection.is_autocommit() {
            // SQLite gave the whole transaction up (disk full, I/O error); commit() will say so to the neighbours.
            return ran;
        } else if alone {
            self.execute("ROLLBACK")?;
            return ran;
        } else {
            self.execute("ROLLBACK TO call")?;
        }
        if !alone {
            self.execute("RELEASE call")?;
        }
        ran
    }

    fn begin(&mut self, durable: bool) -> Result<()> {
        if durable != self.full {
            // Not cached: SQLite runs this pragma when it is prepared.
            self.connection.execute_batch(if durable { "PRAGMA synchronous=FULL" } else { "PRAGMA synchronous=NORMAL" })?;
            self.full = durable;
        }
        self.execute("BEGIN IMMEDIATE")
    }

    fn commit(&self) -> Result<()> {
        if self.connection.is_autocommit() {
            return Err(BrokerError::Unavailable(
                "the transaction was given up because of a neighbour's error; nothing was kept".to_owned(),
            ));
        }
        let committed = self.connection.prepare_cached("COMMIT").and_then(|mut statement| statement.raw_execute());
        committed.map(drop).map_err(|fault| {
            if !self.connection.is_autocommit() {
                drop(self.execute("ROLLBACK"));
            }
            error::of_commit(fault)
        })
    }

    /// Makes what was committed so far survive a power cut.
    fn sync(&mut self) -> Result<()> {
        self.begin(true)?;
        Db(&self.connection).exec("around.sync", [])?;
        self.commit()
    }

    fn execute(&self, statement: &str) -> Result<()> {
        self.connection.prepare_cached(statement)?.raw_execute()?;
        Ok(())
    }
}
