//! Large args and outputs: a file each, and a [`Claim`] in the job's record. Read `sweep.rs` for how long a file lives.
//!
//! A file belongs to one job: it is called `jobs/QUEUE/ID/SHA256`, and the job's claim names the hash alone. So a claim that is copied with a
//! record needs a copy of the file under the new job's id, which is made before the record is, and no file is ever shared by two jobs. Content
//! is checked against the hash whenever it is read.
//!
//! Only a merge (`unique`, mode replace) hands args to a job whose id nobody knows before. Until the answer tells it, a second file waits
//! under the unique key, where that job finds it: `merging/QUEUE/KEY/SHA256/ID`.

mod error;
mod schedule;
mod sweep;

pub use error::BlobError;
pub use sweep::{Candidate, Listing, Owner};

use crate::Failure;
use futures::StreamExt;
use longshore_base::{Code, Name};
use longshore_queue::{Claim, Job, JobId, Json, Lease, NewJob, PAYLOAD_MAX, Unique, UniqueMode};
use longshore_store::{Files, FilesError};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// Args and an output of more bytes of JSON are refused, whatever there is room for: they have to fit into a request, and into the memory of
/// whoever runs the job.
pub const BLOB_MAX: usize = 16 << 20;

/// How long a job rests whose file cannot be read just now.
const REST: Duration = Duration::from_secs(10);

/// Keeps large args and outputs in the files. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Blobs {
    files: Option<Files>,
}

impl Blobs {
    /// Keeps them there.
    #[must_use]
    pub const fn new(files: Files) -> Self {
        Self { files: Some(files) }
    }

    /// A process without files: what does not fit into a record is refused, as it is by the brokers.
    #[must_use]
    pub const fn none() -> Self {
        Self { files: None }
    }

    /// Where they are; None: nowhere.
    #[must_use]
    pub const fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    /// The most bytes of JSON that can be kept here.
    #[must_use]
    pub const fn most(&self) -> usize {
        if self.files.is_some() { BLOB_MAX } else { PAYLOAD_MAX }
    }

    /// Writes the args of a job that is about to be enqueued, if they do not fit into its record, and leaves a claim in their place. An enqueue
    /// that fails afterwards leaves a file that no job claims; the sweep removes it.
    ///
    /// # Errors
    /// The files'. Nothing may be enqueued then.
    pub async fn keep_new(&self, job: &mut NewJob) -> Result<(), BlobError> {
        if !is_large(&job.args) {
            return Ok(());
        }
        let args = self.keep(&job.queue, job.id, &job.args).await?;
        if let (Some(claim), Some(key)) = (Claim::of(&args)?, merges(job.unique.as_ref())) {
            let waiting = format!("{}/{}", merging(&job.queue, &job.tenant, &job.kind, key, &claim), job.id);
            self.there()?.copy(&name(&job.queue, job.id, &claim), &waiting).await?;
        }
        job.args = args;
        Ok(())
    }

    /// What is to be done once it is known which job stands for `job`: one that it was merged into gets its args, and what
    /// nobody needs is removed. Best effort: a merged job finds its args without it, and the sweep removes the rest.
    pub async fn settle(&self, job: &NewJob, into: JobId) {
        let (Ok(Some(claim)), Some(files)) = (Claim::of(&job.args), &self.files) else { return };
        let (own, key) = (name(&job.queue, job.id, &claim), merges(job.unique.as_ref()));
        let done = async {
            if into != job.id && key.is_some() {
                files.copy(&own, &name(&job.queue, into, &claim)).await?;
            }
            if let Some(key) = key {
                files.delete(&format!("{}/{}", merging(&job.queue, &job.tenant, &job.kind, key, &claim), job.id)).await?;
            }
            if into != job.id { files.delete(&own).await } else { Ok(()) }
        };
        if let Err(error) = done.await {
            tracing::warn!(job = %job.id, %into, %error, "the file of merged args could not be put in order");
        }
    }

    /// Writes args or an output of a job if they do not fit into its record. Answers what the record keeps.
    ///
    /// # Errors
    /// The files'.
    pub async fn keep(&self, queue: &Name, id: JobId, json: &Json) -> Result<Json, BlobError> {
        if !is_large(json) {
            return Ok(json.clone());
        }
        let (claim, bytes) = claim_of(json);
        self.there()?.put(&name(queue, id, &claim), bytes).await?;
        Ok(claim.json())
    }

    /// The args of a job as they are.
    ///
    /// # Errors
    /// The files'; `files.missing` and `files.damaged` among them.
    pub async fn args(&self, job: &Job) -> Result<Json, BlobError> {
        let Some(claim) = Claim::of(&job.args)? else { return Ok(job.args.clone()) };
        let found = self.read(&name(&job.queue, job.id, &claim), &claim).await;
        match (found, merges(job.unique.as_ref())) {
            (Err(missing), Some(key)) if missing.code() == Code::FilesMissing => {
                match self.waiting(&merging(&job.queue, &job.tenant, &job.kind, key, &claim)).await? {
                    Some(waiting) => self.read(&waiting, &claim).await,
                    None => Err(missing),
                }
            }
            (found, _) => found,
        }
    }

    /// The output of a job as it is.
    ///
    /// # Errors
    /// As [`Blobs::args`].
    pub async fn output(&self, job: &Job) -> Result<Option<Json>, BlobError> {
        let Some(output) = &job.output else { return Ok(None) };
        let Some(claim) = Claim::of(output)? else { return Ok(Some(output.clone())) };
        self.read(&name(&job.queue, job.id, &claim), &claim).await.map(Some)
    }

    /// Gives the job `new`, which is about to be made from `job` with the same args, a file of its own. Without a claim there is nothing to do.
    ///
    /// # Errors
    /// As [`Blobs::args`].
    pub async fn share(&self, job: &Job, queue: &Name, new: JobId) -> Result<(), BlobError> {
        let Some(claim) = Claim::of(&job.args)? else { return Ok(()) };
        let (files, target) = (self.there()?, name(queue, new, &claim));
        match files.copy(&name(&job.queue, job.id, &claim), &target).await {
            Ok(()) => {}
            // It was merged, and whoever did that did not get to the end of it.
            Err(FilesError::Missing { .. }) => {
                let args = self.args(job).await?;
                files.put(&target, args.get().to_owned().into()).await?;
            }
            Err(error) => return Err(error.into()),
        }
        // Where the key is taken in the other queue, the job is merged into one that is not known yet.
        if let (Some(key), true) = (merges(job.unique.as_ref()), *queue != job.queue) {
            files.copy(&target, &format!("{}/{new}", merging(queue, &job.tenant, &job.kind, key, &claim))).await?;
        }
        Ok(())
    }

    /// A file of a job goes under another id of the same queue, which the job was given meanwhile.
    ///
    /// # Errors
    /// As [`Blobs::args`].
    pub async fn rename(&self, queue: &Name, args: &Json, from: JobId, to: JobId) -> Result<(), BlobError> {
        let Some(claim) = Claim::of(args)? else { return Ok(()) };
        Ok(self.there()?.copy(&name(queue, from, &claim), &name(queue, to, &claim)).await?)
    }

    /// The lease with its args as they are.
    ///
    /// # Errors
    /// What the attempt comes to without them: put off while the files cannot be reached, which spends no attempt; a failure
    /// when the file is missing or is not what was written.
    pub async fn lease(&self, lease: &Arc<Lease>) -> Result<Arc<Lease>, Failure> {
        if !Claim::is(&lease.job.args) {
            return Ok(Arc::clone(lease));
        }
        match self.args(&lease.job).await {
            Ok(args) => {
                let job = Job { args, ..lease.job.clone() };
                Ok(Arc::new(Lease { job, token: lease.token, woken: lease.woken }))
            }
            Err(error) => {
                tracing::warn!(job.id = %lease.job.id, code = %error.code(), "the args of a job cannot be read: {error}");
                Err(if error.is_transient() { Failure::Snooze(REST) } else { error.failure() })
            }
        }
    }

    fn there(&self) -> Result<&Files, BlobError> {
        self.files.as_ref().ok_or_else(BlobError::no_files)
    }

    async fn read(&self, name: &str, claim: &Claim) -> Result<Json, BlobError> {
        let files = self.there()?;
        let bytes =
            files.read(name, usize::try_from(claim.bytes).unwrap_or(usize::MAX)).await.map_err(|e| BlobError::at(&e, files.place()))?;
        if bytes.len() as u64 != claim.bytes || hex(&Sha256::digest(&bytes)) != claim.sha256 {
            return Err(BlobError::damaged(name));
        }
        let text = String::from_utf8(bytes.into()).map_err(|_| BlobError::damaged(name))?;
        RawValue::from_string(text).map_err(|_| BlobError::damaged(name))
    }

    /// One of the files in a folder, if there is any.
    async fn waiting(&self, folder: &str) -> Result<Option<String>, BlobError> {
        let mut listed = std::pin::pin!(self.there()?.list(folder)?);
        Ok(listed.next().await.transpose()?.map(|file| file.name))
    }
}

/// Whether this does not fit into a record: it is too long, or would be taken for a claim.
#[must_use]
pub fn is_large(json: &RawValue) -> bool {
    json.get().len() > PAYLOAD_MAX || Claim::is(json)
}

fn claim_of(json: &RawValue) -> (Claim, bytes::Bytes) {
    let bytes = bytes::Bytes::copy_from_slice(json.get().as_bytes());
    (Claim { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)) }, bytes)
}

fn name(queue: &Name, id: JobId, claim: &Claim) -> String {
    format!("jobs/{queue}/{id}/{}", claim.sha256)
}

/// Where args wait for the job that they are merged into.
fn merging(queue: &Name, tenant: &Name, kind: &Name, key: &str, claim: &Claim) -> String {
    let scope = Sha256::digest(format!("{tenant}\n{kind}\n{key}"));
    format!("merging/{queue}/{}/{}", hex(&scope[..16]), claim.sha256)
}

/// The unique key under which the args may go to another job.
fn merges(unique: Option<&Unique>) -> Option<&str> {
    unique.filter(|unique| matches!(unique.mode, UniqueMode::Replace { .. })).map(|unique| unique.key.as_str())
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

#[cfg(test)]
mod tests;
