//! For how long nothing happens in a queue by time alone, so that its ticks need no call of the writer: an idle process rests.

use crate::TickReport;
use longshore_base::Millis;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A whole tick comes at least this often: it ends what silent workers carried and removes rows whose time is over.
pub(super) const REST_MS: Millis = 4_000;

/// What ticks found, by queue, and how often something was written since.
#[derive(Debug, Default)]
pub(super) struct Calm {
    writes: AtomicU64,
    rests: Mutex<HashMap<u16, Rest>>,
}

/// A tick found nothing to do, and nothing that will be there to do before `until` unless somebody writes.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    /// What [`Calm::writes`] said in that tick.
    pub(super) writes: u64,
    /// When it was.
    pub(super) since: Millis,
    pub(super) until: Millis,
    /// What it came to.
    pub(super) report: TickReport,
}

impl Calm {
    /// Something was written that a tick may have to look at.
    pub(super) fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::AcqRel);
    }

    /// How often that was; asked by the writer.
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    /// Keeps what a tick found, once that is committed.
    pub(super) fn keep(&self, queue: u16, rest: Option<Rest>) {
        match rest {
            Some(rest) => drop(self.lock().insert(queue, rest)),
            None => drop(self.lock().remove(&queue)),
        }
    }

    /// What a tick at `now` would come to, where that is known. A clock that jumped, forward or back, is looked at by a whole tick.
    pub(super) fn report(&self, queue: u16, now: Millis) -> Option<TickReport> {
        let Rest { writes, since, mut report, .. } =
            self.lock().get(&queue).filter(|rest| (rest.since..rest.until).contains(&now))?.clone();
        let passed = Duration::from_millis(u64::try_from(now - since).unwrap_or(0));
        report.next_schedule = report.next_schedule.map(|wait| wait.saturating_sub(passed));
        (writes == self.writes()).then_some(report)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Rest>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
