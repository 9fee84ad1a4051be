//! What a server lost. Redis acknowledges before its replicas have a write, and before the disk has it unless `appendfsync` is `always`:
//! a failover, or a restart after a crash, may take back the end of what was acknowledged. Each process remembers what it was told
//! lately, and when another server answers, looks for it there. What is not there is counted, in the log and beside the queues.

use super::{RedisBroker, Result, keys, value};
use crate::{JobId, Losses, Scope};
use longshore_base::rfc3339;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What is older than the newest by more than this was on a replica or on disk long before.
const KEPT: Duration = Duration::from_secs(10);
/// So many are remembered at most.
const ENTRIES_MAX: usize = 100_000;
/// Ids in a line of the log at most.
const NAMED_MAX: usize = 10;

/// One acknowledged write.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// When the answer came, by our own clock.
    at: Duration,
    id: JobId,
    /// The job has ended; else it was enqueued.
    ended: bool,
}

/// What this process was told lately and no replica is known to have.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entries: Mutex<VecDeque<Entry>>,
    /// How far the server's stream of writes was at some moments: every earlier entry lies before that place.
    marks: Mutex<VecDeque<(Duration, u64)>>,
}

impl Recent {
    /// These were acknowledged just now.
    pub(super) fn add(&self, at: Duration, ids: impl Iterator<Item = JobId>, ended: bool) {
        let mut entries = lock(&self.entries);
        entries.extend(ids.map(|id| Entry { at, id, ended }));
        // Counted back from the newest, not from now: whoever rests must not forget what it was told last.
        while entries.front().is_some_and(|first| first.at + KEPT < at) || entries.len() > ENTRIES_MAX {
            entries.pop_front();
        }
    }

    /// The server was asked at `at`: it had written up to `written`, and every replica that follows had that up to `copied`.
    pub(super) fn copied(&self, at: Duration, written: u64, copied: Option<u64>) {
        let mut marks = lock(&self.marks);
        let mut safe = None;
        while let Some((earlier, _)) = marks.front().copied().filter(|(_, place)| copied.is_some_and(|copied| *place <= copied)) {
            safe = Some(earlier);
            marks.pop_front();
        }
        marks.push_back((at, written));
        // Without replicas nothing is ever confirmed; the newest marks are enough.
        while marks.len() > 1000 {
            marks.pop_front();
        }
        drop(marks);
        if let Some(safe) = safe {
            let mut entries = lock(&self.entries);
            while entries.front().is_some_and(|first| first.at < safe) {
                entries.pop_front();
            }
        }
    }

    /// Everything, which is forgotten by that; places in the old server's stream mean nothing any longer.
    fn take(&self) -> VecDeque<Entry> {
        lock(&self.marks).clear();
        std::mem::take(&mut *lock(&self.entries))
    }

    fn put_back(&self, mut before: VecDeque<Entry>) {
        let mut entries = lock(&self.entries);
        before.extend(entries.drain(..));
        *entries = before;
    }
}

impl RedisBroker {
    /// Jobs that were acknowledged as enqueued.
    pub(super) fn told_enqueued(&self, ids: impl Iterator<Item = JobId>) {
        self.recent.add(self.options.clock.elapsed(), ids, false);
    }

    /// Jobs whose end was acknowledged.
    pub(super) fn told_ended(&self, ids: impl Iterator<Item = JobId>) {
        self.recent.add(self.options.clock.elapsed(), ids, true);
    }

    /// Looks for everything that was acknowledged lately, tells what is not there, and adds it to the broker's own count.
    pub(super) async fn count_losses(&self) -> Result<()> {
        let entries = self.recent.take();
        let counted = self.missing(&entries).await;
        let (checked, missing, undone) = match counted {
            Ok(counted) => counted,
            Err(error) => {
                self.recent.put_back(entries);
                return Err(error);
            }
        };
        if missing.is_empty() && undone == 0 {
            tracing::info!(checked, "another server answers; everything that was acknowledged lately is there");
            return Ok(());
        }
        let named: Vec<_> = missing.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        tracing::error!(
            lost_jobs = missing.len(),
            undone_ends = undone,
            checked,
            ids = named.join(" "),
            "the server that answers now has not all that the one before acknowledged: lost jobs are gone, undone ends run again"
        );
        let key = keys::losses(&self.options.prefix);
        for (field, by) in [("jobs", missing.len()), ("ends", undone)] {
            self.router.call(keys::slot(&key), redis::cmd("HINCRBY").arg(&key).arg(field).arg(by), None).await?;
        }
        let now = self.options.clock.now();
        self.router.call(keys::slot(&key), redis::cmd("HSET").arg(&key).arg("at").arg(now), None).await.map(drop)
    }

    /// How many jobs were looked for, which are not there, and how many are that had ended and go on.
    async fn missing(&self, entries: &VecDeque<Entry>) -> Result<(usize, Vec<JobId>, usize)> {
        let over: HashSet<JobId> = entries.iter().filter(|entry| entry.ended).map(|entry| entry.id).collect();
        let mut ids: Vec<JobId> = entries.iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let (mut missing, mut undone) = (Vec::new(), 0);
        for (id, job) in ids.iter().zip(self.get_jobs(&Scope::All, &ids).await?) {
            match job {
                // What has ended and is not there may have been moved to the history meanwhile.
                None if !over.contains(id) => missing.push(*id),
                Some(job) if over.contains(id) && !job.state.is_ended() => undone += 1,
                _ => {}
            }
        }
        Ok((ids.len(), missing, undone))
    }

    /// What all processes found missing so far.
    pub(super) async fn losses(&self) -> Result<Losses> {
        let key = keys::losses(&self.options.prefix);
        let command = redis::cmd("HMGET").arg(&key).arg(&["jobs", "ends", "at"]).to_owned();
        let answer = value::list(self.router.call(keys::slot(&key), &command, None).await?, "losses")?;
        let number = |at: usize| answer.get(at).and_then(|v| value::int(v, "losses").ok());
        let count = |at: usize| number(at).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        Ok(Losses { jobs: count(0), ends: count(1), at: number(2) })
    }
}

impl Losses {
    /// `37 jobs and 2 ends at 2026-…`.
    #[must_use]
    pub fn told(&self) -> String {
        let at = self.at.map(|at| format!(", last at {}", rfc3339(at))).unwrap_or_default();
        format!("{} jobs and {} ends{at}", self.jobs, self.ends)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Home;

    fn ids(n: std::ops::Range<u8>) -> impl Iterator<Item = JobId> {
        n.map(|n| JobId::derived(1_790_000_000_000, Home(1), &[n]))
    }

    const fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_a_replica_has_is_not_looked_for() {
        let recent = Recent::default();
        recent.add(at(1), ids(0..3), false);
        recent.copied(at(2), 100, Some(40));
        recent.add(at(3), ids(3..5), false);
        recent.copied(at(4), 200, Some(100));
        // The second pair was written between the places 100 and 200, of which the replica has the first.
        assert_eq!(recent.take().iter().map(|entry| entry.id).collect::<Vec<_>>(), ids(3..5).collect::<Vec<_>>());
    }

    #[test]
    fn without_replicas_the_last_seconds_are_kept_however_long_ago() {
        let recent = Recent::default();
        recent.add(at(1), ids(0..1), false);
        recent.add(at(5), ids(1..2), false);
        recent.copied(at(6), 100, None);
        recent.copied(at(500), 100, None);
        assert_eq!(recent.take().len(), 2);
        recent.add(at(1), ids(0..1), false);
        recent.add(at(600), ids(1..2), false);
        assert_eq!(recent.take().len(), 1, "the first is older than the second by more than is kept");
    }
}
