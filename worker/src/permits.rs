//! The slots of one process, shared fairly by its queues. A queue may always fill its own share; beyond that it may use what
//! no other queue with work could claim. A queue that has nothing holds nothing back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who asks: the number of a queue at this worker.
pub(crate) type Seat = usize;

/// The slots of one worker.
#[derive(Debug)]
pub(crate) struct Permits {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: usize,
    free: usize,
    /// How many takers wait, so that a release with nobody waiting costs nothing.
    waiting: usize,
    /// Counts grants; the queue that was served longest ago goes first among equals.
    turn: u64,
    takers: Vec<Taker>,
}

#[derive(Debug, Default)]
struct Taker {
    /// Slots that it has, granted ones included.
    has: usize,
    /// Slots handed to it while it waited.
    granted: usize,
    /// It waits, and wants so many in all; 0: it does not wait.
    wants: usize,
    /// It is woken when it got so many.
    enough: usize,
    /// Its last lease brought everything that was asked for, so there is probably more.
    hungry: bool,
    served: u64,
    bell: Arc<Notify>,
}

/// Slots that a queue may start jobs in. Those that it does not use go back when this is dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    permits: Arc<Permits>,
    seat: Seat,
    pub(crate) n: usize,
}

impl Grant {
    /// Moves one slot out, to a job; [`Permits::release`] brings it back.
    pub(crate) fn take(&mut self) -> bool {
        let some = self.n > 0;
        self.n -= usize::from(some);
        some
    }
    /// Joins another grant of the same queue.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.n += std::mem::take(&mut other.n);
    }
    /// As many more as are free now, at most `n`.
    pub(crate) fn stretch(&mut self, n: usize) {
        let mut state = self.permits.lock();
        let more = n.min(state.free);
        state.free -= more;
        state.takers[self.seat].has += more;
        self.n += more;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.n > 0 {
            self.permits.release(self.seat, self.n);
        }
    }
}

impl Permits {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let total = total.max(1);
        Arc::new(Self { state: Mutex::new(State { total, free: total, waiting: 0, turn: 0, takers: Vec::new() }) })
    }

    /// A seat for one more queue.
    pub(crate) fn join(&self) -> Seat {
        let mut state = self.lock();
        state.takers.push(Taker::default());
        state.takers.len() - 1
    }

    /// Waits for slots: at least one, at most `most`. Dropping the future gives back what was handed to it.
    pub(crate) async fn acquire(self: &Arc<Self>, seat: Seat, most: usize) -> Grant {
        self.acquire_at_least(seat, 1, most).await
    }

    /// Waits for slots: at least `enough`, at most `most`.
    pub(crate) async fn acquire_at_least(self: &Arc<Self>, seat: Seat, enough: usize, most: usize) -> Grant {
        let enough = enough.clamp(1, most.max(1));
        let waiting = Waiting { permits: self, seat };
        let bell = {
            let mut state = self.lock();
            (state.takers[seat].wants, state.takers[seat].enough) = (most.max(1), enough);
            state.waiting += 1;
            state.distribute();
            state.takers[seat].bell.clone()
        };
        loop {
            if let Some(n) = waiting.collect(enough) {
                return Grant { permits: self.clone(), seat, n };
            }
            bell.notified().await;
        }
    }

    /// An empty grant, which may be stretched.
    pub(crate) fn nothing(self: &Arc<Self>, seat: Seat) -> Grant {
        Grant { permits: self.clone(), seat, n: 0 }
    }

    /// Whether the last lease of this queue brought all that was asked for.
    pub(crate) fn hungry(&self, seat: Seat, hungry: bool) {
        let mut state = self.lock();
        if state.takers[seat].hungry != hungry {
            state.takers[seat].hungry = hungry;
            state.distribute();
        }
    }

    /// `n` slots of this queue are free again.
    pub(crate) fn release(&self, seat: Seat, n: usize) {
        let mut state = self.lock();
        state.takers[seat].has -= n;
        state.free += n;
        state.distribute();
    }

    /// How many slots there are.
    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a queue off the waiting list, whether it got something or its future was dropped.
struct Waiting<'a> {
    permits: &'a Permits,
    seat: Seat,
}

impl Waiting<'_> {
    fn collect(&self, enough: usize) -> Option<usize> {
        let mut state = self.permits.lock();
        let taker = &mut state.takers[self.seat];
        (taker.granted >= enough).then(|| std::mem::take(&mut taker.granted))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.permits.lock();
        state.waiting -= 1;
        let taker = &mut state.takers[self.seat];
        taker.wants = 0;
        let unused = std::mem::take(&mut taker.granted);
        taker.has -= unused;
        state.free += unused;
        if unused > 0 {
            state.distribute();
        }
    }
}

impl State {
    /// Hands free slots to those who wait, one at a time to whoever has the fewest.
    fn distribute(&mut self) {
        while self.free > 0 && self.waiting > 0 {
            let claims = self.takers.iter().filter(|t| t.claims()).count().max(1);
            let share = (self.total / claims).max(1);
            let owed: usize = self.takers.iter().filter(|t| t.claims()).map(|t| share.saturating_sub(t.has)).sum();
            let may = |t: &Taker| t.granted < t.wants && (t.has < share || self.free > owed);
            let next = self.takers.iter().enumerate().filter(|(_, t)| may(t)).min_by_key(|(_, t)| (t.has, t.served));
            let Some((seat, _)) = next else { return };
            self.turn += 1;
            self.free -= 1;
            let taker = &mut self.takers[seat];
            taker.has += 1;
            taker.granted += 1;
            taker.served = self.turn;
            if taker.granted >= taker.enough {
                taker.bell.notify_one();
            }
        }
    }
}

impl Taker {
    fn claims(&self) -> bool {
        self.hungry || self.wants > 0
    }
}

#[cfg(test)]
mod tests;
