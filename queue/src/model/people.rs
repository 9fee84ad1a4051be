//! What people do with jobs: cancel, edit, retry, give up, purge.

use super::enqueue::{due_at, fits};
use super::world::{Result, World};
use crate::{BrokerError, Change, Edit, EventKind, Job, JobId, Reason, Scope, State};
use longshore_base::{Code, Millis, Name, rfc3339};
use std::time::Duration;

pub(super) fn conflict(code: Code, job: &Job) -> BrokerError {
    BrokerError::Conflict { code, detail: format!("{} is {} at revision {}", job.id, job.state, job.revision) }
}

impl World {
    /// Cancels, or asks the running attempt to stop.
    pub fn cancel(&mut self, now: Millis, scope: &Scope, id: JobId) -> Result<State> {
        let (queue, id) = self.seen(scope, id)?;
        let job = &mut queue.get(id).job;
        match job.state {
            State::Running => {
                if !std::mem::replace(&mut job.cancel_requested, true) {
                    queue.feed.push(now, Some(id), Change::CancelRequested);
                }
                return Ok(State::Running);
            }
            state if state.is_ended() => return Err(conflict(Code::NotCancellable, job)),
            _ => {}
        }
        queue.tell(id, now, EventKind::Cancelled, None, None);
        queue.end(id, now, State::Cancelled, Some(Reason::Cancelled), None);
        self.drain(now);
        Ok(State::Cancelled)
    }

    /// Changes a job that is not running, waiting or ended; of a letter that was not repeated its args and tags.
    pub fn edit(&mut self, now: Millis, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        let (queue, id) = self.seen(scope, id)?;
        let job = &mut queue.get(id).job;
        let editable = match job.state {
            State::Scheduled | State::Ready | State::Retrying => true,
            State::Dead => !job.replayed && edit.priority.is_none() && edit.due.is_none(),
            _ => false,
        };
        if !editable {
            return Err(conflict(Code::NotEditable, job));
        }
        if job.revision != revision {
            return Err(conflict(Code::RevisionMismatch, job));
        }
        if let Some(args) = &edit.args {
            fits(args)?;
        }
        let (state, before) = (job.state, before(job, &edit));
        job.args = edit.args.unwrap_or_else(|| job.args.clone());
        job.priority = edit.priority.unwrap_or(job.priority);
        job.tags = edit.tags.unwrap_or_else(|| job.tags.clone());
        if let Some(due) = edit.due {
            let due = due_at(now, due);
            job.due_at = (due > now).then_some(due);
            if job.counters.runs == 0 {
                job.run_at = job.due_at;
            }
            job.state = match job.state {
                _ if due <= now => State::Ready,
                State::Retrying => State::Retrying,
                _ => State::Scheduled,
            };
        }
        job.revision += 1;
        let (after, revision) = (job.state, job.revision);
        queue.tell(id, now, EventKind::Edited, None, None);
        let told = queue.get(id).job.history.last_mut().expect("told above");
        (told.worker, told.before) = (edit.by, Some(before));
        queue.feed.push(now, Some(id), Change::Edited);
        if after != state {
            queue.stands(id, now);
        }
        Ok(revision)
    }

    /// Brings a job forward.
    pub fn retry_now(&mut self, now: Millis, scope: &Scope, id: JobId) -> Result<State> {
        let (queue, id) = self.seen(scope, id)?;
        let job = &mut queue.get(id).job;
        if !matches!(job.state, State::Scheduled | State::Retrying) {
            return Err(conflict(Code::NotRetryable, job));
        }
        queue.make_ready(id, now);
        queue.tell(id, now, EventKind::RetriedNow, None, None);
        Ok(State::Ready)
    }

    /// Ends a job that waits for its next attempt.
    pub fn give_up(&mut self, now: Millis, scope: &Scope, id: JobId) -> Result<State> {
        let (queue, id) = self.seen(scope, id)?;
        if queue.jobs[&id].job.state != State::Retrying {
            return Err(conflict(Code::NotRetryable, &queue.jobs[&id].job));
        }
        let error = queue.last_error(id);
        queue.tell(id, now, EventKind::Died, None, error.clone());
        queue.end(id, now, State::Dead, Some(Reason::GivenUp), error);
        self.drain(now);
        Ok(State::Dead)
    }

    /// Removes an ended job that nobody waits for.
    pub fn purge(&mut self, scope: &Scope, id: JobId) -> bool {
        let Some(record) = self.record(id) else { return true };
        let parent = record.job.parent.as_ref().and_then(|p| self.record(p.id));
        let pinned = parent.is_some_and(|p| !p.job.state.is_ended());
        if pinned || !record.job.state.is_ended() || !scope.sees(&record.job.tenant) {
            return false;
        }
        self.queue_of(id).is_some_and(|queue| {
            let gone = queue.jobs.remove(&id).is_some();
            queue.forget_groups();
            gone
        })
    }

    /// Ended jobs whose retention is over, oldest first.
    #[must_use]
    pub fn expired(&self, now: Millis, queue: &Name, keep: Duration, keep_count: u64, limit: usize) -> Vec<Job> {
        let mut ended: Vec<_> = self.records(queue).filter(|r| r.job.state.is_ended() && r.job.state != State::Dead).collect();
        ended.sort_by_key(|r| (r.job.ended_at, r.seq));
        let over = ended.len().saturating_sub(usize::try_from(keep_count).unwrap_or(usize::MAX));
        let late = ended.iter().enumerate().filter(|(place, r)| {
            let kept = match r.job.policy.keep {
                None => super::world::ms(keep),
                Some(crate::Keep::None) => 600_000,
                Some(crate::Keep::Ms(ms)) => Millis::try_from(ms).unwrap_or(Millis::MAX),
            };
            let parent = r.job.parent.as_ref().and_then(|p| self.record(p.id));
            let pinned = parent.is_some_and(|p| !p.job.state.is_ended());
            !pinned && (*place < over || r.job.ended_at.is_some_and(|end| end.saturating_add(kept) <= now))
        });
        late.map(|(_, r)| r.job.clone()).take(limit).collect()
    }
}

/// What an edit is about to change, as it is: a line for each.
fn before(job: &Job, edit: &Edit) -> String {
    let tags = || job.tags.iter().map(Name::as_str).collect::<Vec<_>>().join(",");
    let lines = [
        edit.priority.map(|_| format!("priority {}", job.priority.get())),
        edit.due.map(|_| format!("due {}", job.due_at.map_or_else(|| "none".to_owned(), rfc3339))),
        edit.tags.as_ref().map(|_| format!("tags {}", tags())),
        edit.args.as_ref().map(|_| format!("args {} bytes", job.args.get().len())),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
