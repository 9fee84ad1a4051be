//! Wakes the readers for whom something waits: a few at a time, in rounds. Writing to a thousand connections takes all processors for a
//! while, and whoever enqueues meanwhile would wait for that. A round is followed by a rest of the same length: what happens meanwhile is
//! written to each reader as one.

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

    /// Wakes the next readers, if it is time. A round begins with all `rows` for which something waits.
    pub(super) fn ring<'r>(&mut self, now: Duration, rows: impl Iterator<Item = &'r Arc<Row>>) {
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
            self.rest = Duration::ZERO;
        }
        let some = self.left.len().saturating_sub(self.at_once);
        self.left.drain(some..).for_each(|row| row.ring());
        self.rest += EVERY;
        self.at = now + if self.left.is_empty() { self.rest } else { EVERY };
    }
}
