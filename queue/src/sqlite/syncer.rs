//! Commits that must survive a power cut, and what waits for that: a thread of its own syncs the log once for all of them, while the writer goes on
//! with leases. SQLite commits without an fsync (`synchronous=NORMAL`); a frame of the log survives once the log was synced after it was
//! written, whoever does that, and so do all before it ("Write-Ahead Logging", sqlite.org, on checkpoints and durability).

use super::order::{Call, Held, Order};
use crate::BrokerError;
use std::{
    fmt,
    fs::File,
    io,
    path::Path,
    sync::{
        Arc, OnceLock,
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
    /// Why a sync failed. Linux tells of it once and forgets: what it could not write then is not written by the next sync either, which succeeds.
    failed: OnceLock<String>,
}

/// The writer's way to the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Syncer {
    committed: Sender<Committed>,
    pub(super) progress: Arc<Progress>,
}

/// Puts a file's content on the disk.
pub(super) type Sync = Box<dyn FnMut(&File) -> io::Result<()> + Send>;

/// The thread's own things.
pub(super) struct Syncing {
    committed: Receiver<Committed>,
    progress: Arc<Progress>,
    log: File,
    sync: Sync,
}

impl fmt::Debug for Syncing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncing").field("progress", &self.progress).field("log", &self.log).finish_non_exhaustive()
    }
}

/// Both ends, for the log at `path`, which is there.
pub(super) fn pair(path: &Path, sync: Sync) -> Result<(Syncer, Syncing)> {
    let log = File::open(path).map_err(|fault| BrokerError::Refused(format!("{}: the log cannot be opened: {fault}", path.display())))?;
    let ((sender, committed), progress) = (channel(), Arc::<Progress>::default());
    Ok((Syncer { committed: sender, progress: Arc::clone(&progress) }, Syncing { committed, progress, log, sync }))
}

impl Progress {
    /// The sync that is under way, by its number: what needs one has to wait for the next.
    pub(super) fn under_way(&self) -> Option<u64> {
        let done = self.done.load(Ordering::Acquire);
        (self.open.load(Ordering::Acquire) > 0).then_some(done)
    }
    /// Whether calls that wait for company may go now: while nothing is being synced, and once after each sync, however busy the disk is.
    /// `last`: how many syncs were done when they last could.
    pub(super) fn lets_go(&self, last: &mut u64) -> bool {
        let under_way = self.under_way();
        let now = under_way.unwrap_or_else(|| self.done.load(Ordering::Acquire));
        let free = under_way.is_none() || now != *last;
        *last = now;
        free
    }
    /// Why nothing is written any more.
    pub(super) fn broken(&self) -> Option<BrokerError> {
        self.failed.get().map(|why| {
            BrokerError::Unavailable(format!("{why}; nothing is written until the process is started again, which looks at what is there"))
        })
    }
    /// One sync, unless one has failed.
    fn sync(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> Result<()> {
        // The log is written, and may or may not survive: nobody knows.
        let unknown = |why: &String| Err(BrokerError::OutcomeUnknown(why.clone()));
        if let Some(why) = self.failed.get() {
            return unknown(why);
        }
        let Err(fault) = sync() else { return Ok(()) };
        let why = self.failed.get_or_init(|| format!("the log of the queue file could not be synced: {fault}"));
        tracing::error!(%fault, "the log of the queue file could not be synced: what was just committed may not survive a power cut, and nothing \
             is written any more; look at the disk, then start the process again");
        unknown(why)
    }
}

impl Syncer {
    /// Answers these calls once the log is on the disk.
    pub(super) fn answer(&self, committed: Committed) {
        self.progress.open.fetch_add(1, Ordering::AcqRel);
        if let Err(unsent) = self.committed.send(committed) {
            self.progress.open.fetch_sub(1, Ordering::AcqRel);
            let gone = || BrokerError::OutcomeUnknown("the thread that syncs the queue file has ended".to_owned());
            unsent.0.into_iter().for_each(|(call, ran)| call.answer(ran.and_then(|()| Err(gone()))));
        }
    }
}

impl Syncing {
    /// Until the writer is gone. It is told after each sync during which calls came.
    pub(super) fn run(self, held: &Held, orders: &WeakSender<Order>) {
        let Self { committed, progress, log, mut sync } = self;
        each(
            &committed,
            &progress,
            || sync(&log),
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
        let synced = progress.sync(&mut sync);
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
        let progress = Progress { open: AtomicUsize::new(2), ..Progress::default() };
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
    fn after_a_sync_that_failed_nobody_knows_and_none_is_done_any_more() {
        let ((sender, committed), (later, following)) = (channel(), channel());
        let ((one, mut good), (two, mut refused), (three, mut next)) = (call(), call(), call());
        sender.send(vec![(one, Ok(())), (two, Err(BrokerError::NotFound))]).expect("the receiver is there");
        later.send(vec![(three, Ok(()))]).expect("the receiver is there");
        drop((sender, later));
        let progress = Progress { open: AtomicUsize::new(2), ..Progress::default() };
        assert!(progress.broken().is_none());
        each(&committed, &progress, || Err(io::Error::other("broken")), || ());
        assert!(matches!(progress.broken(), Some(BrokerError::Unavailable(why)) if why.contains("broken")));
        // This one would succeed, and the log would still have a hole.
        each(&following, &progress, || panic!("the log is synced again"), || ());
        assert!(matches!(next.try_recv(), Ok(Err(BrokerError::OutcomeUnknown(_)))));
        assert!(matches!(good.try_recv(), Ok(Err(BrokerError::OutcomeUnknown(_)))));
        // What changed nothing is not unknown.
        assert!(matches!(refused.try_recv(), Ok(Err(BrokerError::NotFound))));
    }

    #[test]
    fn what_waits_may_go_once_after_each_sync() {
        let (progress, mut last) = (Progress::default(), 0);
        assert_eq!([progress.lets_go(&mut last), progress.lets_go(&mut last)], [true, true], "nothing is being synced");
        progress.open.store(1, Ordering::Release);
        assert!(!progress.lets_go(&mut last), "they went before this sync");
        // The next one is under way already: the writer is never without large calls.
        progress.done.store(1, Ordering::Release);
        assert_eq!([progress.lets_go(&mut last), progress.lets_go(&mut last)], [true, false]);
        progress.open.store(0, Ordering::Release);
        assert!(progress.lets_go(&mut last));
    }
}
