//! Whether the machine itself stood still: a bound in real time says something of the engine only where it did not.

use longshore_base::{Clock, SystemClock};
use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::Duration,
};

const PERIOD: Duration = Duration::from_millis(5);
/// A thread that has nothing to do and wakes later than this was kept from a processor, and so was everybody else.
const STALL: Duration = Duration::from_millis(20);

/// A thread that wakes every few milliseconds and remembers how late it was at worst.
#[derive(Debug)]
pub(crate) struct Stalls {
    end: Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Stalls {
    pub(crate) fn watch() -> Self {
        let (end, ended) = mpsc::channel();
        let clock = SystemClock::new();
        let thread = std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            loop {
                let from = clock.elapsed();
                let woken = ended.recv_timeout(PERIOD);
                if woken != Err(RecvTimeoutError::Timeout) {
                    return worst;
                }
                worst = worst.max(clock.elapsed().saturating_sub(from + PERIOD));
            }
        });
        Self { end, thread }
    }

    /// How long the machine stood still at worst since [`Stalls::watch`], if that was long enough to matter.
    pub(crate) fn worst(self) -> Option<Duration> {
        drop(self.end);
        let worst = self.thread.join().expect("the watching thread ends");
        (worst > STALL).then_some(worst)
    }
}
