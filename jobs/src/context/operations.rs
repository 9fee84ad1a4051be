//! What an operation does with many jobs, in the scope of whoever began it. Only the kinds of this crate get here: an operation of the tenant
//! `operations` reaches every tenant's jobs.

use super::Context;
use crate::{BlobError, Checker, Failure, RequestError};
use async_trait::async_trait;
use longshore_base::Scope;
use longshore_dlq::{ArgsFault, CheckArgs, DeadLetters, FirstResult, Found, Search, Verdict};
use longshore_queue::{Job, JobId, Json, OPERATIONS};
use serde_json::Value;
use std::{collections::HashSet, sync::Arc};

/// An operation about more jobs is refused: it is to be narrowed.
pub(crate) const FIND_MOST: usize = 1_000_000;

impl Context {
    /// What whoever began this operation may see.
    pub(super) fn reach(&self) -> Scope {
        if self.tenant().as_str() == OPERATIONS { Scope::All } else { Scope::Tenant(self.tenant().clone()) }
    }

    pub(super) fn letters(&self) -> DeadLetters {
        DeadLetters::new(Arc::clone(&self.inner.parts.tools.broker), self.reach())
    }

    /// Every job of a search, oldest first.
    ///
    /// # Errors
    /// Fatal beyond [`FIND_MOST`]; [`Failure::Cancelled`] as soon as the attempt should stop; Retry when the broker cannot be reached.
    pub(crate) async fn find(&self, search: &Search) -> Result<Vec<Found>, Failure> {
        let letters = self.letters();
        let found = tokio::select! {
            found = letters.find(search, FIND_MOST) => found.map_err(|e| self.inner.failure(&e))?,
            () = self.cancelled() => return Err(Failure::Cancelled),
        };
        found.ok_or_else(|| Failure::fatal(format!("there are more than {FIND_MOST} such jobs; choose a narrower filter")))
    }

    /// The operation of that id, if whoever began this one may see it.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached.
    pub(crate) async fn find_operation(&self, id: JobId) -> Result<Option<Job>, Failure> {
        Ok(self.letters().get(&[id]).await.map_err(|e| self.inner.failure(&e))?.pop().flatten())
    }

    /// Repeats letters for this operation; see [`DeadLetters::replay`].
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may be repeated then.
    pub(crate) async fn replay_letters(&self, letters: &[JobId], patch: Option<&Value>) -> Result<Vec<Verdict>, Failure> {
        let checker = &*self.inner.parts.tools.checker;
        let kept_back = if patch.is_some() { self.not_theirs(letters).await? } else { HashSet::new() };
        let theirs: Vec<_> = letters.iter().copied().filter(|id| !kept_back.contains(id)).collect();
        let verdicts = self.letters().replay(&theirs, self.id(), patch, checker).await.map_err(|e| self.inner.failure(&e))?;
        let mut verdicts = verdicts.into_iter();
        let refused = || Verdict::Refused("its kind is for operators: a tenant repeats it as it is".to_owned());
        Ok(letters.iter().map(|id| if kept_back.contains(id) { refused() } else { verdicts.next().unwrap_or(Verdict::Skipped) }).collect())
    }

    /// Letters whose args are not for whoever began this to choose: a tenant, of kinds for operators.
    async fn not_theirs(&self, letters: &[JobId]) -> Result<HashSet<JobId>, Failure> {
        let mut kept_back = HashSet::new();
        if matches!(self.reach(), Scope::All) {
            return Ok(kept_back);
        }
        let jobs = self.letters().get(letters).await.map_err(|e| self.inner.failure(&e))?;
        for job in jobs.into_iter().flatten() {
            match self.inner.parts.tools.checker.check_caller(&job.kind, true).await {
                Ok(()) => {}
                Err(RequestError::Broker(error)) => return Err(self.inner.failure(&error)),
                Err(_) => drop(kept_back.insert(job.id)),
            }
        }
        Ok(kept_back)
    }

    /// The first results of these jobs.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached.
    pub(crate) async fn first_results(&self, jobs: &[JobId]) -> Result<Vec<FirstResult>, Failure> {
        self.letters().results(jobs).await.map_err(|e| self.inner.failure(&e))
    }

    /// Takes back by which `operation` repeated these letters; see [`DeadLetters::undo`].
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may be back then.
    pub(crate) async fn undo_replays(&self, letters: &[JobId], operation: JobId) -> Result<Vec<Verdict>, Failure> {
        self.letters().undo(letters, operation).await.map_err(|e| self.inner.failure(&e))
    }

    /// Removes letters; see [`DeadLetters::purge`].
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may be gone then.
    pub(crate) async fn purge_letters(&self, letters: &[JobId]) -> Result<Vec<Verdict>, Failure> {
        self.letters().purge(letters).await.map_err(|e| self.inner.failure(&e))
    }
}

#[async_trait]
impl CheckArgs for Checker {
    async fn check(&self, letter: &Job, new: JobId, args: &Value) -> Result<Json, ArgsFault> {
        self.check_other_args(letter, new, args).await.map_err(|error| match error {
            RequestError::Broker(error) => ArgsFault::Broker(error),
            RequestError::Blob(error) => fault(error),
            faults @ RequestError::Faults { .. } => ArgsFault::Refused(faults.told()),
        })
    }

    async fn args(&self, letter: &Job) -> Result<Value, ArgsFault> {
        let args = self.blobs().args(letter).await.map_err(fault)?;
        Ok(serde_json::from_str(args.get()).unwrap_or_default())
    }

    async fn share(&self, letter: &Job, new: JobId) -> Result<(), ArgsFault> {
        self.blobs().share(letter, &letter.queue, new).await.map_err(fault)
    }
}

fn fault(error: BlobError) -> ArgsFault {
    if error.is_transient() { ArgsFault::Broker(error.into()) } else { ArgsFault::Refused(format!("{}: {error}", error.code())) }
}
