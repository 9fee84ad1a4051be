//! Dead letters over the broker's contract, as one caller may see them.

use crate::{Count, Found, Search};
use longshore_base::{Code, Scope};
use longshore_queue::{Broker, BrokerError, Job, JobId, Replay, State, Undo};
use std::sync::Arc;

/// Items of one call of the broker.
pub(crate) const CALL: usize = 200;

/// The letters that a caller may see, and what can be done with them.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) scope: Scope,
}

/// What became of one job of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, now or by an earlier run of the same batch; with the job that it led to.
    Done(JobId),
    /// There was nothing to do any more: it is gone, or somebody else was first.
    Skipped,
    /// It cannot be done; why, for people.
    Refused(String),
}

impl Verdict {
    /// A refused item of a call. What may succeed when it is repeated is no verdict, and stays an error.
    ///
    /// # Errors
    /// The broker's, when the item may be repeated.
    pub fn of(error: BrokerError) -> Result<Self, BrokerError> {
        match error {
            error if error.is_transient() => Err(error),
            BrokerError::Locked(_) | BrokerError::LeaseLost => Err(error),
            BrokerError::NotFound => Ok(Self::Skipped),
            BrokerError::Conflict { code: Code::NotRetryable | Code::NotEditable | Code::NotCancellable, .. } => Ok(Self::Skipped),
            error => Ok(Self::Refused(error.to_string())),
        }
    }
}

impl DeadLetters {
    /// What `scope` may see of `broker`.
    #[must_use]
    pub const fn new(broker: Arc<dyn Broker>, scope: Scope) -> Self {
        Self { broker, scope }
    }

    /// As [`Search::find`].
    ///
    /// # Errors
    /// The broker's.
    pub async fn find(&self, search: &Search, most: usize) -> Result<Option<Vec<Found>>, BrokerError> {
        search.find(&*self.broker, &self.scope, most).await
    }

    /// As [`Search::count`].
    ///
    /// # Errors
    /// The broker's.
    pub async fn count(&self, search: &Search, most: usize) -> Result<Count, BrokerError> {
        search.count(&*self.broker, &self.scope, most).await
    }

    /// Jobs by id, in the order of `ids`.
    ///
    /// # Errors
    /// The broker's.
    pub async fn get(&self, ids: &[JobId]) -> Result<Vec<Option<Job>>, BrokerError> {
        let mut jobs = Vec::with_capacity(ids.len());
        for part in ids.chunks(CALL) {
            jobs.extend(self.broker.get(&self.scope, part).await?);
        }
        Ok(jobs)
    }

    /// Takes back by which `operation` repeated these letters, where the new job has not begun. May be repeated. In the order of `letters`.
    ///
    /// # Errors
    /// The broker's; some of the letters may be back then.
    pub async fn undo(&self, letters: &[JobId], operation: JobId) -> Result<Vec<Verdict>, BrokerError> {
        let mut verdicts = Vec::with_capacity(letters.len());
        for part in letters.chunks(CALL) {
            let undos = part.iter().map(|id| Undo { id: *id, replay: Replay::id_of(*id, operation) }).collect();
            for (id, answer) in part.iter().zip(self.broker.undo(&self.scope, undos).await?) {
                verdicts.push(answer.map_or_else(Verdict::of, |()| Ok(Verdict::Done(*id)))?);
            }
        }
        Ok(verdicts)
    }

    /// Removes letters for good. One that was repeated meanwhile, or that is something else than dead, is left; one that is gone is done, as
    /// an earlier run of the same batch may have removed it. In the order of `letters`.
    ///
    /// # Errors
    /// The broker's; some of the letters may be gone then.
    pub async fn purge(&self, letters: &[JobId]) -> Result<Vec<Verdict>, BrokerError> {
        let mut verdicts = Vec::with_capacity(letters.len());
        for part in letters.chunks(CALL) {
            let jobs = self.broker.get(&self.scope, part).await?;
            let is_letter = |job: &Job| job.state == State::Dead && !job.replayed;
            let mine: Vec<JobId> = jobs.iter().flatten().filter(|job| is_letter(job)).map(|job| job.id).collect();
            let mut gone = if mine.is_empty() { Vec::new() } else { self.broker.purge(&self.scope, &mine).await? }.into_iter();
            for (id, job) in part.iter().zip(&jobs) {
                verdicts.push(match job {
                    None => Verdict::Done(*id),
                    Some(job) if !is_letter(job) => Verdict::Skipped,
                    Some(_) if gone.next() == Some(true) => Verdict::Done(*id),
                    Some(_) => Verdict::Refused("a job that has not ended waits for it".to_owned()),
                });
            }
        }
        Ok(verdicts)
    }
}

#[cfg(test)]
mod tests;
