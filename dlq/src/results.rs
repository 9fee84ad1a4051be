//! What became of repeats: the first result of each says whether the cause is still there.

use crate::DeadLetters;
use longshore_queue::{BrokerError, EventKind, Job, JobId, State};

/// What a job's first attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstResult {
    /// It completed at the first attempt.
    Well,
    /// The first attempt failed, or its worker was lost, whatever came or comes after it.
    Failing,
    /// There is none yet.
    Open,
    /// There will be none: it was cancelled or it expired before, or it is gone.
    Never,
}

/// The first result of a job.
#[must_use]
pub fn first_result(job: &Job) -> FirstResult {
    let told = job.history.iter().find_map(|event| match event.what {
        EventKind::Completed => Some(FirstResult::Well),
        EventKind::Retried | EventKind::Died | EventKind::Crashed => Some(FirstResult::Failing),
        _ => None,
    });
    told.unwrap_or(match job.state {
        State::Completed => FirstResult::Well,
        State::Dead | State::Retrying => FirstResult::Failing,
        State::Cancelled => FirstResult::Never,
        State::Scheduled | State::Ready | State::Running | State::Waiting => FirstResult::Open,
    })
}

impl DeadLetters {
    /// The first results of these jobs, in their order.
    ///
    /// # Errors
    /// The broker's.
    pub async fn results(&self, jobs: &[JobId]) -> Result<Vec<FirstResult>, BrokerError> {
        let jobs = self.get(jobs).await?;
        Ok(jobs.iter().map(|job| job.as_ref().map_or(FirstResult::Never, first_result)).collect())
    }
}

#[cfg(test)]
mod tests;
