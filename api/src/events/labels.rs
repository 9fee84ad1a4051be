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
pub(super) struct Labels(Mutex<Known>);

/// The older half is forgotten when the younger one is full, so that what was just looked up, or looked for, is there when it is needed.
#[derive(Debug, Default)]
struct Known {
    young: HashMap<JobId, Label>,
    old: HashMap<JobId, Label>,
}

/// So many are in each half.
const HALF: usize = 10_000;
/// Jobs of one call: whole jobs may be large, and whoever enqueues waits behind the call.
const CALL: usize = 16;

impl Labels {
    /// Looks up those of `entries` that are not known, as far as `wanted`. A job that is not there any more has none.
    pub(super) async fn learn(&self, broker: &dyn Broker, entries: &[FeedEntry], wanted: impl Fn(JobId) -> bool) {
        let mut ids: Vec<JobId> = {
            let mut known = self.lock();
            entries.iter().filter_map(|entry| entry.id).filter(|id| wanted(*id) && !known.has(*id)).collect()
        };
        ids.sort_unstable();
        ids.dedup();
        for part in ids.chunks(CALL) {
            match broker.get(&Scope::All, part).await {
                Ok(jobs) => {
                    let mut known = self.lock();
                    jobs.into_iter().flatten().for_each(|job| known.add(job.id, Label { tenant: job.tenant, kind: job.kind }));
                }
                // The next would not do better, and who listens waits.
                Err(error) => return tracing::debug!(%error, "events are told without tenant and kind"),
            }
        }
    }

    pub(super) fn of(&self, id: Option<JobId>) -> Option<Label> {
        let known = self.lock();
        id.and_then(|id| known.young.get(&id).or_else(|| known.old.get(&id))).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether it is known; then it stays so for a while.
    fn has(&mut self, id: JobId) -> bool {
        if let Some(label) = self.old.remove(&id) {
            self.add(id, label);
        }
        self.young.contains_key(&id)
    }
    fn add(&mut self, id: JobId, label: Label) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_base::SeededRandom;
    use longshore_queue::Home;

    #[test]
    fn what_was_just_looked_for_is_not_forgotten() {
        let (labels, random) = (Labels::default(), SeededRandom::new(1));
        let label = || Label { tenant: Name::literal("t"), kind: Name::literal("k") };
        let ids: Vec<JobId> = (0..HALF * 3).map(|_| JobId::new(1, Home(0), &*random)).collect();
        for id in &ids[..HALF] {
            labels.lock().add(*id, label());
        }
        for (n, id) in ids[HALF..].iter().enumerate() {
            labels.lock().add(*id, label());
            assert!(labels.of(Some(*id)).is_some());
            // One that is looked for now and then.
            if n % (HALF / 2) == 0 {
                assert!(labels.lock().has(ids[0]));
            }
        }
        assert!(labels.of(Some(ids[0])).is_some() && labels.of(Some(ids[1])).is_none());
        let known = labels.lock();
        assert!(known.young.len() + known.old.len() <= HALF * 2);
    }
}
