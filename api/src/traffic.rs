//! How many requests are being answered: readers of events give way to them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The requests of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<AtomicUsize>);

/// A request that is being answered, until it is dropped. A stream of events is not one once it has begun.
#[derive(Debug)]
pub(crate) struct Answering(Traffic);

impl Traffic {
    /// A request has come.
    pub(crate) fn enter(&self) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Whether one is being answered right now.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
