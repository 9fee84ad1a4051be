//! Many living jobs: cancelled, moved, edited, and put back as they were. Each call may be repeated: what this operation did before is done.

use super::Context;
use crate::{
    Failure,
    operations::{BulkChange, EDITABLE, signature},
};
use futures::{StreamExt, TryStreamExt, stream};
use longshore_base::{Code, Name};
use longshore_dlq::{Verdict, time_of};
use longshore_queue::{BrokerError, Due, Edit, Event, EventKind, Job, JobId, Priority, Reason, Relocation, State};

/// Jobs in one call of the broker.
const CALL: usize = 200;
/// Edits on their way at once.
const EDITS: usize = 16;
/// A job that changes between its read and its edit is read again, so often.
const EDIT_TRIES: usize = 5;

/// What to do about one job.
enum Step {
    Settled(Verdict),
    Edit(Box<Edit>),
}

impl Context {
    /// Cancels jobs; running ones are asked to stop.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may be cancelled then.
    pub(crate) async fn cancel_jobs(&self, ids: &[JobId]) -> Result<Vec<Verdict>, Failure> {
        let cancellable = |job: &Job| match (job.state, job.reason) {
            _ if job.id == self.id() => Some(Verdict::Skipped),
            // An earlier run of this batch did that.
            (State::Cancelled, Some(Reason::Cancelled)) => Some(Verdict::Done(job.id)),
            (state, _) if state.is_ended() => Some(Verdict::Skipped),
            _ => None,
        };
        let (broker, scope) = (&self.inner.parts.tools.broker, self.reach());
        let mut verdicts = Vec::with_capacity(ids.len());
        for part in ids.chunks(CALL) {
            let (settled, open) = self.sort_out(part, cancellable).await?;
            let open: Vec<_> = open.iter().map(|job| job.id).collect();
            let answers = if open.is_empty() { Vec::new() } else { self.told(broker.cancel(&scope, &open).await)? };
            let answers = answers.into_iter().zip(&open).map(|(answer, id)| answer.map(|_| *id));
            self.complete(settled, answers, &mut verdicts)?;
        }
        Ok(verdicts)
    }

    /// Moves jobs to another queue.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may be moved then.
    pub(crate) async fn move_jobs(&self, ids: &[JobId], queue: &Name) -> Result<Vec<Verdict>, Failure> {
        let (broker, scope) = (&self.inner.parts.tools.broker, self.reach());
        let home = self.told(broker.home(queue).await)?;
        let new_id = |id: JobId| Relocation::id_of(id, self.id(), home);
        let movable = |job: &Job| match job.moved_to {
            Some(new) if new == new_id(job.id) => Some(Verdict::Done(new)),
            _ if job.queue == *queue || job.state.is_ended() || !EDITABLE.contains(&job.state) => Some(Verdict::Skipped),
            _ => None,
        };
        let mut verdicts = Vec::with_capacity(ids.len());
        for part in ids.chunks(CALL) {
            let (mut settled, mut open) = self.sort_out(part, movable).await?;
            self.share(queue, new_id, &mut settled, &mut open).await?;
            let moves: Vec<_> = open.iter().map(|job| Relocation { id: job.id, new_id: new_id(job.id), queue: queue.clone() }).collect();
            let answers = if moves.is_empty() { Vec::new() } else { self.told(broker.relocate(&scope, moves).await)? };
            self.complete(settled, answers.into_iter(), &mut verdicts)?;
        }
        Ok(verdicts)
    }

    /// Gives jobs a priority.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may have it then.
    pub(crate) async fn prioritise_jobs(&self, ids: &[JobId], priority: Priority) -> Result<Vec<Verdict>, Failure> {
        self.edit_jobs(ids, |job| match job.priority == priority {
            true => Step::Settled(Verdict::Skipped),
            false => Step::Edit(Box::new(Edit { priority: Some(priority), ..Edit::default() })),
        })
        .await
    }

    /// Lets jobs start at `at` at the earliest; one that is due later stays as it is.
    ///
    /// # Errors
    /// Retry when the broker cannot be reached: some of them may be put off then.
    pub(crate) async fn postpone_jobs(&self, ids: &[JobId], at: longshore_base::Millis) -> Result<Vec<Verdict>, Failure> {
        self.edit_jobs(ids, |job| match job.due_at.is_some_and(|due| due >= at) {
            true => Step::Settled(Verdict::Skipped),
            false => Step::Edit(Box::new(Edit { due: Some(Due::At(at)), ..Edit::default() })),
        })
        .await
    }

    /// Gives jobs back what the operation `by` changed, as their histories tell it. One that was changed again since is left.
    ///
    /// # Errors
    /// As [`Context::postpone_jobs`].
    pub(crate) async fn put_jobs_back(&self, ids: &[JobId], by: JobId, change: &BulkChange) -> Result<Vec<Verdict>, Failure> {
        let by = signature(by);
        let before = |job: &Job| job.history.iter().rev().find(|event| is_edit(event, &by)).and_then(|event| restored(event, job, change));
        self.edit_jobs(ids, |job| before(job).map_or(Step::Settled(Verdict::Skipped), |edit| Step::Edit(Box::new(edit)))).await
    }

    async fn edit_jobs(&self, ids: &[JobId], plan: impl Fn(&Job) -> Step + Sync) -> Result<Vec<Verdict>, Failure> {
        let mut verdicts = Vec::with_capacity(ids.len());
        for part in ids.chunks(CALL) {
            let jobs = self.told(self.inner.parts.tools.broker.get(&self.reach(), part).await)?;
            let edits: Vec<_> = jobs.into_iter().map(|job| self.edit_job(job, &plan)).collect();
            let settled: Vec<_> =
                stream::iter(edits).buffered(EDITS).try_collect().await.map_err(|e: BrokerError| self.inner.failure(&e))?;
            verdicts.extend(settled);
        }
        Ok(verdicts)
    }

    async fn edit_job(&self, mut job: Option<Job>, plan: &(impl Fn(&Job) -> Step + Sync)) -> Result<Verdict, BrokerError> {
        let (broker, scope, own) = (&self.inner.parts.tools.broker, self.reach(), signature(self.id()));
        for _ in 0..EDIT_TRIES {
            let Some(now) = &job else { return Ok(Verdict::Skipped) };
            if now.history.iter().any(|event| is_edit(event, &own)) {
                return Ok(Verdict::Done(now.id));
            }
            if !EDITABLE.contains(&now.state) {
                return Ok(Verdict::Skipped);
            }
            let edit = match plan(now) {
                Step::Settled(verdict) => return Ok(verdict),
                Step::Edit(edit) => Edit { by: Some(own.clone()), ..*edit },
            };
            match broker.edit(&scope, now.id, now.revision, edit).await {
                Ok(_) => return Ok(Verdict::Done(now.id)),
                Err(BrokerError::Conflict { code: Code::RevisionMismatch, .. }) => {
                    job = broker.get(&scope, &[now.id]).await?.pop().flatten()
                }
                Err(error) => return Verdict::of(error),
            }
        }
        Ok(Verdict::Refused("it changes all the time".to_owned()))
    }

    /// The verdicts that need no call, and the jobs that do.
    async fn sort_out(&self, ids: &[JobId], settle: impl Fn(&Job) -> Option<Verdict>) -> Result<(Vec<Option<Verdict>>, Vec<Job>), Failure> {
        let jobs = self.told(self.inner.parts.tools.broker.get(&self.reach(), ids).await)?;
        let settled: Vec<_> = jobs.iter().map(|job| job.as_ref().map_or(Some(Verdict::Skipped), &settle)).collect();
        let open = jobs.into_iter().zip(&settled).filter(|(_, verdict)| verdict.is_none()).filter_map(|(job, _)| job).collect();
        Ok((settled, open))
    }

    /// Gives the new jobs of `open` files of their own where the args lie in one. A job whose file is lost is settled: it stays where it is.
    async fn share(
        &self,
        queue: &Name,
        new_id: impl Fn(JobId) -> JobId,
        settled: &mut [Option<Verdict>],
        open: &mut Vec<Job>,
    ) -> Result<(), Failure> {
        let blobs = self.inner.parts.tools.checker.blobs();
        let (jobs, mut gaps) = (std::mem::take(open), settled.iter_mut().filter(|verdict| verdict.is_none()));
        for job in jobs {
            let gap = gaps.next();
            match blobs.share(&job, queue, new_id(job.id)).await {
                Ok(()) => open.push(job),
                Err(error) if error.is_transient() => return Err(error.failure()),
                Err(error) => drop(gap.map(|gap| *gap = Some(Verdict::Refused(format!("{}: {error}", error.code()))))),
            }
        }
        Ok(())
    }

    /// Fills the answers of a call into the gaps that [`Context::sort_out`] left.
    fn complete(
        &self,
        settled: Vec<Option<Verdict>>,
        mut answers: impl Iterator<Item = Result<JobId, BrokerError>>,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<(), Failure> {
        let missing = || Err(BrokerError::OutcomeUnknown("one answer is missing".to_owned()));
        for verdict in settled {
            verdicts.push(match verdict {
                Some(verdict) => verdict,
                None => self.told(answers.next().unwrap_or_else(missing).map_or_else(Verdict::of, |id| Ok(Verdict::Done(id))))?,
            });
        }
        Ok(())
    }

    fn told<T>(&self, answer: Result<T, BrokerError>) -> Result<T, Failure> {
        answer.map_err(|e| self.inner.failure(&e))
    }
}

fn is_edit(event: &Event, by: &str) -> bool {
    event.what == EventKind::Edited && event.worker.as_deref() == Some(by)
}

/// The edit that takes `event` back, if what `change` set is still there.
fn restored(event: &Event, job: &Job, change: &BulkChange) -> Option<Edit> {
    let before = |what: &str| event.before.as_ref()?.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(' '));
    match change {
        BulkChange::Priority(own) if job.priority == *own => {
            let priority = before("priority")?.parse().ok().and_then(Priority::new)?;
            Some(Edit { priority: Some(priority), ..Edit::default() })
        }
        BulkChange::Postpone(own) if job.due_at == Some(*own) => {
            let due = match before("due")? {
                "none" => Due::Now,
                time => Due::At(time_of(time)?),
            };
            Some(Edit { due: Some(due), ..Edit::default() })
        }
        _ => None,
    }
}
