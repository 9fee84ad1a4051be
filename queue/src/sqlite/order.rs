//! What the writer is asked: calls, each with whoever waits for its answer, and those that are held back while the log is being synced.

use super::tx::Tx;
use crate::BrokerError;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

type Result<T> = std::result::Result<T, BrokerError>;

/// A call for so many jobs is not held back for company.
const LARGE: usize = 32;
/// Calls that are held at most; what is beyond waits in the writer's channel.
const HELD_MAX: usize = 1_024;

/// What the thread takes from its channel.
#[derive(Debug)]
pub(super) enum Order {
    /// A call for the next group.
    Call(Call),
    /// Fold the whole log into the file between two groups.
    Fold,
    /// Look at the calls that are held.
    Held,
}

/// A call on its way to the writer.
pub(super) struct Call {
    /// It is answered after a sync of the log.
    pub(super) durable: bool,
    /// Its work is worth a commit of its own.
    large: bool,
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
        (Self { durable, large: false, work: Box::new(Pending { run: Some(run), done: None, reply }) }, answer)
    }

    /// The same for work on so many jobs.
    pub(super) fn of(self, jobs: usize) -> Self {
        Self { large: jobs >= LARGE, ..self }
    }

    /// One that has run already and came to `value`.
    #[cfg(test)]
    pub(super) fn done<T: Send + 'static>(value: T) -> (Self, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        let pending = Pending { run: None::<fn(&mut Tx<'_>) -> Result<T>>, done: Some(value), reply };
        (Self { durable: true, large: false, work: Box::new(pending) }, answer)
    }

    /// It is for a few jobs and needs a sync.
    pub(super) fn can_wait(&self) -> bool {
        self.durable && !self.large
    }

    /// Does the work, on the writer thread.
    pub(super) fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        self.work.run(tx)
    }

    /// Tells whoever called.
    pub(super) fn answer(self, outcome: Result<()>) {
        self.work.answer(outcome);
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

/// Calls for a few jobs that need a sync. While one is under way they lie here: they would have to wait for the next one anyway, and cost less
/// together. The writer is told of the first of them, by whoever brings it or at the end of the sync.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    calls: VecDeque<Order>,
    closed: bool,
}

impl Held {
    /// Keeps a call, and answers whether it is the first. It comes back where there are too many, or nobody takes them any more.
    pub(super) fn keep(&self, call: Call) -> std::result::Result<bool, Call> {
        let mut inner = self.lock();
        if inner.closed || inner.calls.len() >= HELD_MAX {
            return Err(call);
        }
        inner.calls.push_back(Order::Call(call));
        Ok(inner.calls.len() == 1)
    }
    /// Puts them before what waits.
    pub(super) fn release(&self, waiting: &mut VecDeque<Order>) {
        let mut inner = self.lock();
        if !inner.calls.is_empty() {
            inner.calls.append(waiting);
            std::mem::swap(&mut inner.calls, waiting);
        }
    }
    pub(super) fn is_empty(&self) -> bool {
        self.lock().calls.is_empty()
    }
    /// Nobody takes them any more; who waits is told by the end of its answer.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let calls = std::mem::take(&mut inner.calls);
        drop(inner);
        drop(calls);
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(durable: bool, jobs: usize) -> Call {
        Call { durable, ..Call::done(()).0 }.of(jobs)
    }

    #[test]
    fn small_calls_that_need_a_sync_are_kept_and_go_first() {
        let (held, mut waiting) = (Held::default(), VecDeque::from([Order::Fold]));
        assert!(call(true, 1).can_wait() && !call(false, 1).can_wait() && !call(true, LARGE).can_wait());
        held.release(&mut waiting);
        assert_eq!(waiting.len(), 1);
        assert_eq!([1, 2].map(|n| held.keep(call(true, n)).ok()), [Some(true), Some(false)], "one of them tells the writer");
        held.release(&mut waiting);
        assert!(held.is_empty());
        assert!(matches!(waiting.make_contiguous(), [Order::Call(_), Order::Call(_), Order::Fold]));
        assert_eq!(held.keep(call(true, 1)).ok(), Some(true));
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_gone() {
        let held = Held::default();
        let (call, mut answer) = Call::done(());
        assert!(held.keep(call).is_ok());
        held.close();
        assert!(answer.try_recv().is_err_and(|end| end == oneshot::error::TryRecvError::Closed));
        assert!(held.keep(self::call(true, 1)).is_err());
    }

    #[test]
    fn too_many_are_not_kept() {
        let held = Held::default();
        for _ in 0..HELD_MAX {
            assert!(held.keep(call(true, 1)).is_ok());
        }
        assert!(held.keep(call(true, 1)).is_err());
    }
}
