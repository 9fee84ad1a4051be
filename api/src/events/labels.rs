//! Tenants and kinds of jobs: they never change, and an event of a feed does not repeat them. Looked up once for each job, remembered for a while.

use longshore_base::{Name, Scope};
use longshore_queue::{Broker, FeedEntry, JobId};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What never changes of a job.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) tenant: Name,
    pub(super) kind: Name,
}

/// Those that were looked up.
#[derive(Debug, Default)]
pub(super) struct Labels(Mutex<HashMap<JobId, Label>>);

/// So many are remembered; then all are forgotten.
const LABELS_MAX: usize = 20_000;
/// Jobs of one call: whole jobs may be large, and whoever enqueues waits behind the call.
const CALL: usize = 16;

impl Labels {
    /// Looks up those of `entries` that are not known, as far as `wanted`. A job that is not there any more has none.
    pub(super) async fn learn(&self, broker: &dyn Broker, entries: &[FeedEntry], wanted: impl Fn(JobId) -> bool) {
        let mut ids: Vec<JobId> = {
            let known = self.lock();
            entries.iter().filter_map(|entry| entry.id).filter(|id| wanted(*id) && !known.contains_key(id)).collect()
        };
        ids.sort_unstable();
        ids.dedup();
        for part in ids.chunks(CALL) {
            match broker.get(&Scope::All, part).await {
                Ok(jobs) => {
                    let mut known = self.lock();
                    if known.len() > LABELS_MAX {
                        known.clear();
                    }
                    known.extend(jobs.into_iter().flatten().map(|job| (job.id, Label { tenant: job.tenant, kind: job.kind })));
                }
                Err(error) => tracing::debug!(%error, "events are told without tenant and kind"),
            }
        }
    }

    pub(super) fn of(&self, id: Option<JobId>) -> Option<Label> {
        id.and_then(|id| self.lock().get(&id).cloned())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Label>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
