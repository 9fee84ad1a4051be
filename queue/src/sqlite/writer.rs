//! The one writer: a thread that takes calls in groups, runs each in a savepoint of one transaction, commits once, and answers.
//!
//! A commit does not wait for the disk. What must survive a power cut is answered once the log was synced (`syncer.rs`), which many calls share;
//! leases, extensions and notes are answered at once, because their workers die with the machine, and never wait for the disk.

use super::{
    calm::Calm,
    error,
    feed::{Feeds, Step},
    open,
    order::{Call, Held, Order},
    signals::{Signals, Touched},
    syncer::Syncer,
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
use tokio::sync::mpsc;

type Result<T> = std::result::Result<T, BrokerError>;

/// Calls in one transaction at most.
const GROUP_MAX: usize = 256;
/// A group that has changed so many rows commits; the rest of its calls come next.
const CHANGES_MAX: u64 = 20_000;
/// Changed rows after which the checkpointer is poked.
const POKE_AFTER: u64 = 4_000;
/// Calls that may wait for the writer.
pub(super) const WAITING_MAX: usize = 4_096;

/// What the calls of a group leave to be done after its commit.
#[derive(Default)]
struct Told {
    touched: Touched,
    /// One for each call, while somebody listens.
    steps: Vec<Step>,
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) signals: Arc<Signals>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) calm: Arc<Calm>,
    /// Tells the checkpointer that there is something to fold.
    pub(super) poke: std::sync::mpsc::SyncSender<()>,
    /// Answers what must survive a power cut.
    pub(super) syncer: Syncer,
    /// How many syncs were done when the calls that are held last could go.
    pub(super) released: u64,
    pub(super) held: Arc<Held>,
    /// Changed rows since the last poke.
    pub(super) changes: u64,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.held.close();
    }
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
            if self.syncer.progress.lets_go(&mut self.released) {
                self.held.release(&mut waiting);
            }
            self.group(&mut waiting);
        }
        self.held.release(&mut waiting);
        while !waiting.is_empty() {
            self.group(&mut waiting);
        }
    }

    /// After a sync that failed nothing is written, so that no later answer stands on what may not be on the disk.
    fn refuse(&self, waiting: &mut VecDeque<Order>, why: &BrokerError) {
        if let Err(fault) = open::leave_log(&self.connection) {
            tracing::warn!(%fault, "the log of the queue file may be folded when it is closed");
        }
        for order in waiting.drain(..) {
            if let Order::Call(call) = order {
                call.answer(Err(why.clone()));
            }
        }
    }

    fn group(&mut self, waiting: &mut VecDeque<Order>) {
        if let Some(why) = self.syncer.progress.broken() {
            return self.refuse(waiting, &why);
        }
        let alone = waiting.len() == 1;
        let (mut done, mut told) = (Vec::with_capacity(waiting.len()), Told::default());
        let start = self.connection.total_changes();
        let (mut began, mut fold) = (Ok(()), false);
        while let Some(order) = waiting.pop_front() {
            let mut call = match order {
                Order::Call(call) => call,
                Order::Fold => {
                    fold = true;
                    continue;
                }
                Order::Held => continue,
            };
            if done.is_empty() {
                began = self.execute("BEGIN IMMEDIATE");
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
        if outcome.is_ok() {
            self.signals.ring(&told.touched);
        }
        // On a full disk, a log that starts again from its beginning may be room enough for the acks.
        let full = |outcome: &Result<()>| matches!(outcome, Err(BrokerError::Full { .. }));
        fold |= full(&outcome) || done.iter().any(|(_, ran)| full(ran));
        let waits = |(call, ran): &(Call, Result<()>)| call.durable && ran.is_ok() && outcome.is_ok();
        let (lasting, over): (Vec<_>, Vec<_>) = done.into_iter().partition(waits);
        if !lasting.is_empty() {
            self.syncer.answer(lasting);
        }
        for (call, ran) in over {
            call.answer(ran.and_then(|()| outcome.clone()));
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
        let (now, before) = (self.clock.now(), self.connection.total_changes());
        let mut tx = Tx::new(&self.connection, now, &*self.random, self.signals.watched(), self.feeds.step(now));
        let ran = catch_unwind(AssertUnwindSafe(|| call.run(&mut tx)));
        if !tx.quiet && self.connection.total_changes() != before {
            self.calm.wrote();
        }
        let ran =
            ran.unwrap_or_else(|_| Err(BrokerError::Refused("a fault in the broker: the call panicked; nothing of it is kept".to_owned())));
        if ran.is_ok() {
            told.touched.absorb(tx.touched);
            told.steps.extend(tx.step);
            call.durable |= tx.durable;
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

    fn execute(&self, statement: &str) -> Result<()> {
        self.connection.prepare_cached(statement)?.raw_execute()?;
        Ok(())
    }
}
