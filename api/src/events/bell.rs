//! Wakes the readers for whom something waits: a few at a time, in rounds. Writing to a thousand connections takes all processors for a
//! while, and whoever enqueues meanwhile would wait for that: readers give way to requests that are being answered. A round is followed by a
//! rest of the same length, out of which giving way is paid: what happens meanwhile is written to each reader as one.

use super::row::Row;
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Readers that are woken at once, and how long it is until the next ones are.
const AT_ONCE: usize = 4;
const EVERY: Duration = Duration::from_millis(1);
/// Where a round would take more steps than this, more readers are woken at once.
const STEPS_MAX: usize = 500;

/// A feed is read on when this is dropped: once every reader that was to hear of what came has been woken, and after the rest. What happens
/// meanwhile is read at once then, and each reader gets it as one.
#[derive(Debug)]
pub(super) struct Hold(#[expect(dead_code, reason = "its end is the message")] oneshot::Sender<()>);

/// Between what the hub hears and its readers.
#[derive(Debug, Default)]
pub(super) struct Bell {
    /// Of this round.
    left: Vec<Arc<Row>>,
    at_once: usize,
    at: Duration,
    /// What is left of this round's rest.
    rest: Duration,
    /// What goes on after this round's rest, and after that of the one behind it.
    holds: Vec<Hold>,
    next: Vec<Hold>,
}

impl Hold {
    /// One, and what completes when it is dropped.
    pub(super) fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, dropped) = oneshot::channel();
        (Self(sender), dropped)
    }
}

impl Bell {
    /// Something waits in rows; the feed that it came from rests until they have been looked at.
    pub(super) fn news(&mut self, hold: Hold) {
        self.next.push(hold);
    }

    /// When the next readers are to be woken. None: nothing waits.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.left.is_empty() || !self.holds.is_empty() || !self.next.is_empty()).then_some(self.at)
    }

    /// Wakes the next readers, if it is time. A round begins with all `rows` for which something waits. `busy`: requests are being answered.
    pub(super) fn ring<'r>(&mut self, now: Duration, rows: impl Iterator<Item = &'r Arc<Row>>, busy: bool) {
        if self.due().is_none_or(|at| at > now) {
            return;
        }
        if self.left.is_empty() {
            self.holds = std::mem::take(&mut self.next);
            if self.holds.is_empty() {
                return;
            }
            self.left = rows.filter(|row| row.is_to_be_rung()).map(Arc::clone).collect();
            self.at_once = AT_ONCE.max(self.left.len().div_ceil(STEPS_MAX));
            let steps = self.left.len().div_ceil(self.at_once).max(1);
            self.rest = EVERY * u32::try_from(steps).unwrap_or(u32::MAX);
        }
        self.at = now + EVERY;
        if busy && !self.rest.is_zero() && !self.left.is_empty() {
            self.rest = self.rest.saturating_sub(EVERY);
            return;
        }
        let some = self.left.len().saturating_sub(self.at_once);
        self.left.drain(some..).for_each(|row| row.ring());
        if self.left.is_empty() {
            self.at = now + self.rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::seats::Seats, *};
    use longshore_base::Scope;

    /// Steps of a round and its rest with so many readers, and how many steps woke some.
    fn round(readers: usize, busy: bool) -> (usize, usize) {
        let seats = Seats::new(readers);
        let rows: Vec<_> = (0..readers).map(|_| Row::new(seats.take(&Scope::All).expect("a seat"))).collect();
        rows.iter().for_each(|row| row.miss(None));
        let waiting = || rows.iter().filter(|row| row.is_to_be_rung()).count();
        let (mut bell, (hold, mut released)) = (Bell::default(), Hold::new());
        bell.news(hold);
        let (mut now, mut woke, mut left) = (Duration::ZERO, 0, readers);
        for _ in 0..=4 * readers.max(1) {
            if released.try_recv() == Err(oneshot::error::TryRecvError::Closed) {
                break;
            }
            now = bell.due().expect("it goes on").max(now);
            bell.ring(now, rows.iter(), busy);
            woke += usize::from(waiting() < left);
            left = waiting();
        }
        assert_eq!((left, bell.due()), (0, None));
        (usize::try_from(now.as_millis()).expect("few"), woke)
    }

    /// Or a feed with much that nobody is to hear of would be read without a pause.
    #[test]
    fn a_round_that_wakes_nobody_rests_too() {
        assert_eq!((round(0, false), round(0, true)), ((1, 0), (1, 0)));
    }

    #[test]
    fn readers_give_way_for_no_longer_than_a_round_rests() {
        for readers in [4, 100, 1_000, 4_000] {
            let (calm, busy) = (round(readers, false), round(readers, true));
            let steps = readers.div_ceil(AT_ONCE).min(STEPS_MAX);
            assert_eq!(calm.1, steps, "{readers}");
            assert_eq!(busy.1, steps, "{readers}");
            assert!((2 * steps - 1..=2 * steps).contains(&calm.0), "{readers}: {calm:?}");
            assert!(busy.0 <= calm.0 + 1, "{readers}: {busy:?} after {calm:?}");
        }
    }
}
