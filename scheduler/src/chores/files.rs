//! files — removes what lies in the files for a queue and is claimed by no job and no schedule any more. A file is written before its claim, and
//! lives on with the job's copy in the history; `blobs/sweep.rs` of the jobs crate says which files are old enough to be judged.
//!
//! Whoever is asked and does not answer keeps the file: a look that fails removes nothing.

use crate::{Chore, ChoreError, Done, History, Options};
use async_trait::async_trait;
use longshore_base::{Clock, Name, Random};
use longshore_jobs::{Blobs, Candidate, Listing, Owner};
use longshore_queue::{Broker, Job, JobId, Scope};
use metrics::counter;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;

/// Jobs that are asked for at once.
const ASKED: usize = 100;

/// See the file's first lines.
#[derive(Debug)]
pub struct SweepFiles {
    broker: Arc<dyn Broker>,
    history: Arc<dyn History>,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    options: Options,
    /// Becomes the deployment's id if it has none.
    proposed: String,
    /// What the looks that have begun have not come to yet.
    listings: Mutex<HashMap<Name, Listing>>,
}

impl SweepFiles {
    /// Looks as often as `options` say.
    #[must_use]
    pub fn new(
        broker: Arc<dyn Broker>,
        history: Arc<dyn History>,
        blobs: Blobs,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
        options: Options,
    ) -> Self {
        let proposed = format!("{:016x}{:016x}", random.bits(), random.bits());
        Self { broker, history, blobs, clock, options, proposed, listings: Mutex::default() }
    }

    /// The rest of the look that has begun, or a new one. None: there are no files, or they are somebody else's.
    async fn listing(&self, queue: &Name) -> Result<Option<Listing>, ChoreError> {
        if let Some(begun) = self.listings.lock().await.remove(queue) {
            return Ok(Some(begun));
        }
        let Some(files) = self.blobs.files() else { return Ok(None) };
        let deployment = self.history.deployment(&self.proposed).await?;
        if !self.blobs.belong_to(&deployment).await? {
            tracing::error!(
                place = files.place(),
                deployment,
                "the files belong to another deployment, so nothing in them is removed; give each deployment a place of its own with --files"
            );
            return Ok(None);
        }
        self.blobs.remove_unfinished(self.clock.now()).await?;
        Ok(self.blobs.listing(queue)?)
    }

    /// Those that nobody claims.
    async fn unclaimed(&self, queue: &Name, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, ChoreError> {
        let ids: BTreeSet<_> = candidates.iter().filter_map(|c| if let Owner::Job(id) = c.owner() { Some(*id) } else { None }).collect();
        let jobs = self.jobs(&ids.into_iter().collect::<Vec<_>>()).await?;
        let mut unclaimed = Vec::new();
        for candidate in candidates {
            let claimed = match candidate.owner() {
                Owner::Job(id) => jobs.get(id).is_some_and(|job| candidate.is_claimed_by(job)),
                Owner::Schedule { tenant, name } => {
                    let state = self.broker.find_schedule(&Scope::All, tenant, name).await?;
                    state.is_some_and(|state| candidate.is_claimed_by_schedule(queue, &state.schedule))
                }
                Owner::Nobody => false,
            };
            if !claimed {
                unclaimed.push(candidate);
            }
        }
        Ok(unclaimed)
    }

    /// The jobs that there are, in their queue or in the history. A job leaves its queue after it came to the history, so it is
    /// looked for in that order.
    async fn jobs(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, Job>, ChoreError> {
        let mut found = BTreeMap::new();
        for part in ids.chunks(ASKED) {
            for (id, job) in part.iter().zip(self.broker.get(&Scope::All, part).await?) {
                let job = match job {
                    Some(job) => Some(job),
                    None => self.history.find(*id).await?,
                };
                found.extend(job.map(|job| (*id, job)));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Chore for SweepFiles {
    fn name(&self) -> &'static str {
        "files"
    }
    fn every(&self) -> Option<Duration> {
        Some(self.options.files())
    }
    async fn run(&self, queue: &Name) -> Result<Done, ChoreError> {
        let Some(mut listing) = self.listing(queue).await? else { return Ok(Done::Idle) };
        let Some(candidates) = listing.next(self.clock.now()).await? else { return Ok(Done::Idle) };
        let (looked_at, unclaimed) = (candidates.len(), self.unclaimed(queue, candidates).await?);
        for candidate in &unclaimed {
            self.blobs.remove(candidate).await?;
            tracing::debug!(%queue, file = candidate.name(), "a file that nobody claims was removed");
        }
        counter!("longshore_files_removed_total", "queue" => queue.to_string()).increment(unclaimed.len() as u64);
        tracing::debug!(%queue, looked_at, removed = unclaimed.len(), "files were looked through");
        self.listings.lock().await.insert(queue.clone(), listing);
        Ok(Done::More)
    }
}

#[cfg(test)]
mod tests;
