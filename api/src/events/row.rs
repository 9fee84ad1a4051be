//! What waits for one reader: chunks in order, bounded in number and bytes. Nobody waits for a reader; what does not fit is counted, and told in its place.

use super::{line::Chunk, seats::Seat};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Chunks that a reader may be behind.
const BEHIND_MAX: usize = 64;
/// The same in bytes; one chunk may pass it.
const BEHIND_BYTES: usize = 1 << 20;
/// A reader that takes nothing for this long is let go.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// What goes to a reader.
#[derive(Debug, Clone)]
pub(super) enum Parcel {
    Events(Arc<Chunk>),
    /// So many events are not told; None: nobody knows how many.
    Missed(Option<u64>),
}

/// Between the hub and one reader.
#[derive(Debug)]
pub(super) struct Row {
    inner: Mutex<Inner>,
    ring: Notify,
}

#[derive(Debug)]
struct Inner {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    /// How many parcels the reader has taken, and how many it had when it was last looked for progress, and when that was.
    taken: u64,
    seen: Option<(u64, Duration)>,
    /// It was told that something waits, and has not taken all of it yet.
    told: bool,
    /// The reader has gone or is let go, or the hub has ended.
    closed: bool,
    /// Free again as soon as that is so.
    seat: Option<Seat>,
}

impl Row {
    pub(super) fn new(seat: Seat) -> Arc<Self> {
        let inner = Inner { parcels: VecDeque::new(), bytes: 0, taken: 0, seen: None, told: false, closed: false, seat: Some(seat) };
        Arc::new(Self { inner: Mutex::new(inner), ring: Notify::new() })
    }

    /// Hands over a chunk; [`Row::ring`] tells the reader, and is called here for one that is far behind. `full`: all readers together hold as much as they may, and only those that are not
    /// behind get more.
    pub(super) fn put(&self, chunk: &Arc<Chunk>, full: bool) {
        let mut inner = self.lock();
        if inner.parcels.len() >= BEHIND_MAX || inner.bytes >= BEHIND_BYTES || full && !inner.parcels.is_empty() {
            inner.miss(Some(chunk.len()));
        } else if !inner.closed {
            inner.bytes += chunk.size();
            inner.parcels.push_back(Parcel::Events(Arc::clone(chunk)));
            if inner.parcels.len() >= BEHIND_MAX / 2 {
                drop(inner);
                self.ring();
            }
        }
    }

    /// Some events are not told to this reader.
    pub(super) fn miss(&self, count: Option<u64>) {
        self.lock().miss(count);
    }

    /// Tells the reader to look.
    pub(super) fn ring(&self) {
        self.lock().told = true;
        self.ring.notify_one();
    }

    /// Whether something waits that the reader was not told of.
    pub(super) fn is_to_be_rung(&self) -> bool {
        let inner = self.lock();
        !inner.told && !inner.parcels.is_empty()
    }

    /// The next parcel, as soon as there is one. None: there will be no more.
    pub(super) async fn take(&self) -> Option<Parcel> {
        loop {
            {
                let mut inner = self.lock();
                if let Some(parcel) = inner.parcels.pop_front() {
                    inner.taken += 1;
                    if let Parcel::Events(chunk) = &parcel {
                        inner.bytes -= chunk.size();
                    }
                    return Some(parcel);
                }
                if inner.closed {
                    return None;
                }
                inner.told = false;
            }
            self.ring.notified().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().parcels.is_empty()
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ring.notify_one();
    }

    /// The reader has gone.
    pub(super) fn leave(&self) {
        self.lock().clear();
    }

    /// False: the reader has gone, or takes nothing and is let go.
    pub(super) fn is_alive(&self, now: Duration) -> bool {
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        match inner.seen {
            _ if inner.parcels.is_empty() => inner.seen = None,
            Some((taken, since)) if taken == inner.taken => {
                if now.saturating_sub(since) > STUCK_MAX {
                    inner.clear();
                    drop(inner);
                    self.ring.notify_one();
                    return false;
                }
            }
            _ => inner.seen = Some((inner.taken, now)),
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whoever does not take what waits for it loses it.
    fn clear(&mut self) {
        (self.closed, self.parcels, self.bytes, self.seat) = (true, VecDeque::new(), 0, None);
    }

    fn miss(&mut self, count: Option<u64>) {
        metrics::counter!("longshore_events_missed_total").increment(count.unwrap_or(1));
        match self.parcels.back_mut() {
            Some(Parcel::Missed(known)) => *known = known.zip(count).map(|(a, b)| a + b),
            _ if self.closed => {}
            _ => self.parcels.push_back(Parcel::Missed(count)),
        }
    }
}
