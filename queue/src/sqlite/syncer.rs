//! Commits that must survive a power cut, and what waits for that: a thread of its own syncs the log once for all of them, while the writer goes on
//! with leases. SQLite commits without an fsync (`synchronous=NORMAL`); a frame of the log survives once the log was synced after it was
//! written, whoever does that, and so do all before it ("Write-Ahead Logging", sqlite.org, on checkpoints and durability).

use super::order::{Call, Held, Order};
use crate::BrokerError;
use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};
use tokio::sync::mpsc::WeakSender;

type Result<T> = std::result::Result<T, BrokerError>;

/// Committed calls with what their work came to.
pub(super) type Committed = Vec<(Call, Result<()>)>;

/// How far the thread is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Groups that are not synced yet.
    open: AtomicUsize,
    /// Syncs so far.
    done: AtomicU64,
}

/// The writer's way to the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Syncer {
    committed: Sender<Committed>,
    pub(super) progress: Arc<Progress>,
}

/// The thread's own things.
#[derive(Debug)]
pub(super) struct Syncing {
    committed: Receiver<Committed>,
    progress: Arc<Progress>,
    log: File,
}

/// Both ends, for the log at `path`, which is there.
pub(super) fn pair(path: &Path) -> Result<(Syncer, Syncing)> {
    let log = File::open(path).map_err(|fault| BrokerError::Refused(format!("{}: the log cannot be opened: {fault}", path.display())))?;
    let ((sender, committed), progress) = (channel(), Arc::<Progress>::default());
    Ok((Syncer { committed: sender, progress: Arc::clone(&progress) }, Syncing { committed, progress, log }))
}

impl Progress {
    /// The sync that is under way, by its number: what needs one has to wait for the next.
    pub(super) fn under_way(&self) -> Option<u64> {
        let done = self.done.load(Ordering::Acquire);
        (self.open.load(Ordering::Acquire) > 0).then_some(done)
    }
}

impl Syncer {
    /// Answers these calls once the log is on the disk. How many syncs were done before.
    pub(super) fn answer(&self, committed: Committed) -> u64 {
        let done = self.progress.done.load(Ordering::Acquire);
        self.progress.open.fetch_add(1, Ordering::AcqRel);
        if let Err(unsent) = self.committed.send(committed) {
            let gone = || BrokerError::OutcomeUnknown("the thread that syncs the queue file has ended".to_owned());
            unsent.0.into_iter().for_each(|(call, ran)| call.answer(ran.and_then(|()| Err(gone()))));
        }
        done
    }
}

impl Syncing {
    /// Until the writer is gone. It is told after each sync during which calls came.
    pub(super) fn run(self, held: &Held, orders: &WeakSender<Order>) {
        let Self { committed, progress, log } = self;
        each(
            &committed,
            &progress,
            || log.sync_data(),
            || {
                if !held.is_empty()
                    && let Some(orders) = orders.upgrade()
                {
                    // A full channel means that the writer looks anyway.
                    drop(orders.try_send(Order::Held));
                }
            },
        );
    }
}

/// One `sync` for all that wait for it.
fn each(committed: &Receiver<Committed>, progress: &Progress, mut sync: impl FnMut() -> io::Result<()>, told: impl Fn()) {
    while let Ok(first) = committed.recv() {
        let groups: Vec<Committed> = std::iter::once(first).chain(committed.try_iter()).collect();
        let n = groups.len();
        // The log is written, and may or may not survive: nobody knows.
        let synced = sync().map_err(|fault| BrokerError::OutcomeUnknown(format!("the log of the queue file cannot be synced: {fault}")));
        if let Err(error) = &synced {
            tracing::error!(%error, "what was just committed may not survive a power cut");
        }
        progress.open.fetch_sub(n, Ordering::AcqRel);
        progress.done.fetch_add(1, Ordering::AcqRel);
        told();
        groups.into_iter().flatten().for_each(|(call, ran)| call.answer(ran.and_then(|()| synced.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use tokio::sync::oneshot::Receiver as Answer;

    fn call() -> (Call, Answer<Result<u8>>) {
        Call::done(7)
    }

    #[test]
    fn calls_are_answered_after_a_sync_that_they_share() {
        let (sender, committed) = channel();
        let progress = Progress { open: AtomicUsize::new(2), done: AtomicU64::new(0) };
        let ((one, mut first), (two, mut second)) = (call(), call());
        sender.send(vec![(one, Ok(()))]).expect("the receiver is there");
        sender.send(vec![(two, Ok(()))]).expect("the receiver is there");
        drop(sender);
        let (syncs, early) = (Cell::new(0), RefCell::new(Vec::new()));
        let sync = || {
            syncs.set(syncs.get() + 1);
            early.borrow_mut().extend([first.try_recv().is_ok(), second.try_recv().is_ok()]);
            Ok(())
        };
        each(&committed, &progress, sync, || ());
        assert_eq!((syncs.get(), early.take()), (1, vec![false, false]));
        assert_eq!((progress.open.into_inner(), progress.done.into_inner()), (0, 1));
        assert!(matches!([first.try_recv(), second.try_recv()], [Ok(Ok(7)), Ok(Ok(7))]));
    }

    #[test]
    fn after_a_sync_that_failed_nobody_knows() {
        let (sender, committed) = channel();
        let ((one, mut good), (two, mut refused)) = (call(), call());
        sender.send(vec![(one, Ok(())), (two, Err(BrokerError::NotFound))]).expect("the receiver is there");
        drop(sender);
        each(&committed, &Progress { open: AtomicUsize::new(1), done: AtomicU64::new(0) }, || Err(io::Error::other("broken")), || ());
        assert!(matches!(good.try_recv(), Ok(Err(BrokerError::OutcomeUnknown(_)))));
        // What changed nothing is not unknown.
        assert!(matches!(refused.try_recv(), Ok(Err(BrokerError::NotFound))));
    }
}
