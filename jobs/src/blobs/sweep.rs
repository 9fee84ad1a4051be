//! How long a file lives: as long as a job claims it, in its queue or in the history. What nobody claims (an enqueue that failed, an edit
//! that was replaced, an attempt whose output came too late, a job that was removed) is found here and removed.
//!
//! A file is written before its claim, so a young one is left alone: a move between two slots may keep its claim for a while.

use super::{BlobError, Blobs};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use longshore_base::{Millis, Name};
use longshore_queue::{Claim, Job, JobId, Schedule};
use longshore_store::{FileMeta, FilesError};

/// A younger file is left alone.
const YOUNG: Millis = 86_400_000;
/// Args that were to be merged, by a process that did not get to the end of it: the job that has them may wait as long.
const MERGING: Millis = 30 * 86_400_000;
/// Files that are looked at in one piece.
const PIECE: usize = 500;
/// Says whose these files are.
const MARK: &str = "longshore";

/// What a sweep has not come to yet.
pub struct Listing {
    files: BoxStream<'static, Result<FileMeta, FilesError>>,
}

/// A file that may have to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    name: String,
    sha256: String,
    owner: Owner,
}

/// Who would claim a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A job, with its args or its output.
    Job(JobId),
    /// A schedule, with the args of its ticks.
    Schedule {
        /// Whose.
        tenant: Name,
        /// Which.
        name: Name,
    },
    /// Nobody that could be asked; it has waited long enough.
    Nobody,
}

impl Blobs {
    /// Sees that the files belong to this deployment, or to nobody yet: then they do from now on. Two deployments that share a
    /// place would take each other's files for unclaimed ones.
    ///
    /// # Errors
    /// The files'. None where there are no files.
    pub async fn belong_to(&self, deployment: &str) -> Result<bool, BlobError> {
        let Some(files) = self.files() else { return Ok(true) };
        match files.read(MARK, 1_000).await {
            Ok(mark) => Ok(mark.trim_ascii() == deployment.as_bytes()),
            Err(FilesError::Missing { .. }) => {
                files.put(MARK, format!("{deployment}\n").into()).await?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the files can be reached; changes nothing.
    ///
    /// # Errors
    /// The files'.
    pub async fn ping(&self) -> Result<(), BlobError> {
        match self.files() {
            Some(files) => Ok(files.head(MARK).await.map(drop)?),
            None => Ok(()),
        }
    }

    /// Begins a look at everything that lies in the files for a queue.
    ///
    /// # Errors
    /// The files'.
    pub fn listing(&self, queue: &Name) -> Result<Option<Listing>, BlobError> {
        let Some(files) = self.files() else { return Ok(None) };
        let jobs = files.list(&format!("jobs/{queue}"))?;
        let (merging, schedules) = (files.list(&format!("merging/{queue}"))?, files.list(&format!("schedules/{queue}"))?);
        Ok(Some(Listing { files: jobs.chain(merging).chain(schedules).boxed() }))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The files'.
    pub async fn remove(&self, candidate: &Candidate) -> Result<(), BlobError> {
        match self.files() {
            Some(files) => Ok(files.delete(&candidate.name).await?),
            None => Ok(()),
        }
    }

    /// Removes what interrupted writers left in a folder.
    ///
    /// # Errors
    /// The files'.
    pub async fn remove_unfinished(&self, now: Millis) -> Result<u64, BlobError> {
        match self.files() {
            Some(files) => Ok(files.remove_unfinished(now.saturating_sub(YOUNG)).await?),
            None => Ok(0),
        }
    }
}

impl Listing {
    /// The next files that are old enough to be judged; None: that was all.
    ///
    /// # Errors
    /// The files'; begin again.
    pub async fn next(&mut self, now: Millis) -> Result<Option<Vec<Candidate>>, BlobError> {
        let listed: Vec<FileMeta> = self.files.by_ref().take(PIECE).try_collect().await?;
        if listed.is_empty() {
            return Ok(None);
        }
        Ok(Some(listed.into_iter().filter_map(|file| Candidate::of(file, now)).collect()))
    }
}

impl Candidate {
    /// None: it is young, or nothing of ours.
    fn of(file: FileMeta, now: Millis) -> Option<Self> {
        let age = now.saturating_sub(file.modified);
        let parts: Vec<_> = file.name.split('/').collect();
        let (sha256, owner, after) = match parts.as_slice() {
            ["jobs", _, id, sha256] => (*sha256, Owner::Job(id.parse().ok()?), YOUNG),
            ["schedules", _, tenant, name, sha256] => {
                let (tenant, name) = (Name::new(*tenant).ok()?, Name::new(*name).ok()?);
                (*sha256, Owner::Schedule { tenant, name }, YOUNG)
            }
            ["merging", _, _, sha256, _] => (*sha256, Owner::Nobody, MERGING),
            _ => return None,
        };
        let sha256 = sha256.to_owned();
        (age > after).then(|| Self { sha256, owner, name: file.name.clone() })
    }

    /// Who is to be asked.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// What the file is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the job's record has a claim on it.
    #[must_use]
    pub fn is_claimed_by(&self, job: &Job) -> bool {
        std::iter::once(&job.args).chain(&job.output).any(|json| self.is_claim(json))
    }

    /// The same for a schedule of this queue.
    #[must_use]
    pub fn is_claimed_by_schedule(&self, queue: &Name, schedule: &Schedule) -> bool {
        schedule.queue == *queue && self.is_claim(&schedule.args)
    }

    /// A claim that cannot be read may be on anything.
    fn is_claim(&self, json: &serde_json::value::RawValue) -> bool {
        Claim::of(json).map_or(true, |claim| claim.is_some_and(|claim| claim.sha256 == self.sha256))
    }
}

impl std::fmt::Debug for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}
