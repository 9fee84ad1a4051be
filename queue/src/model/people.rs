//! What people do with jobs: cancel, edit, retry, give up, replay, purge.

use super::enqueue::due_at;
use super::world::{Result, World};
use crate::{BrokerError, Edit, EventKind, Group, Job, JobId, NewJob, Reason, Replay, Scope, State};
use longshore_base::{Code, Millis, Name};
use std::{collections::BTreeMap, time::Duration};

fn conflict(code: Code, job: &Job) -> BrokerError {
    BrokerError::Conflict { code, detail: format!("{} is {} at revision {}", job.id, job.state, job.revision) }
}

impl World {
    /// Cancels, or asks the running attempt to stop.
    pub fn cancel(&mut self, now: Millis, scope: &Scope, id: JobId) -> Result<State> {
        let (queue, id) = self.seen(scope, id)?;
        let job = &mut queue.get(id).job;
        match job.state {
            State::Running => {
                job.cancel_requested = true;
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

    /// Changes a job that is not running, waiting or ended.
    pub fn edit(&mut self, now: Millis, scope: &Scope, id: JobId, revision: u32, edit: Edit) -> Result<u32> {
        let (queue, id) = self.seen(scope, id)?;
        let job = &mut queue.get(id).job;
        if !matches!(job.state, State::Scheduled | State::Ready | State::Retrying) {
            return Err(conflict(Code::NotEditable, job));
        }
        if job.revision != revision {
            return Err(conflict(Code::RevisionMismatch, job));
        }
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
        Ok(job.revision)
    }

    /// Brings a job forward.
    pub fn retry_now(&mut self, now: Millis, scope: &Scope, id: JobId) -> Result<State> {
        let (queue, id) = self.seen(scope, id)?;
        let job = &mut queue.get(id).job;
        if !matches!(job.state, State::Scheduled | State::Retrying) {
            return Err(conflict(Code::NotRetryable, job));
        }
        job.state = State::Ready;
        job.due_at = None;
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

    /// Repeats a dead job as a new one.
    pub fn replay(&mut self, now: Millis, scope: &Scope, replay: Replay) -> Result<JobId> {
        let (queue, id) = self.seen(scope, replay.id)?;
        let old = queue.jobs[&id].job.clone();
        if old.replays.contains(&replay.new_id) {
            return Ok(replay.new_id);
        }
        if old.state != State::Dead || !old.replays.is_empty() || queue.jobs.contains_key(&replay.new_id) {
            return Err(conflict(Code::NotRetryable, &old));
        }
        let new = NewJob {
            kind_version: old.kind_version,
            client: old.client,
            lane_key: old.lane_key,
            cost: old.cost,
            resources: old.resources,
            priority: old.priority,
            unique: old.unique,
            policy: old.policy,
            tags: old.tags,
            parent: old.parent,
            replay_of: Some(id),
            tick: old.tick,
            ..NewJob::new(replay.new_id, old.queue, old.kind, old.tenant, replay.args.unwrap_or(old.args))
        };
        if queue.taken(now, &new).is_some() {
            return Err(conflict(Code::UniqueTaken, &queue.jobs[&id].job));
        }
        queue.insert(now, new);
        queue.get(id).job.replays.push(replay.new_id);
        queue.tell(id, now, EventKind::Replayed, None, None);
        Ok(replay.new_id)
    }

    /// Removes an ended job that nobody waits for.
    pub fn purge(&mut self, scope: &Scope, id: JobId) -> bool {
        let Some(record) = self.record(id) else { return true };
        let parent = record.job.parent.as_ref().and_then(|p| self.record(p.id));
        let pinned = parent.is_some_and(|p| !p.job.state.is_ended());
        if pinned || !record.job.state.is_ended() || !scope.sees(&record.job.tenant) {
            return false;
        }
        self.queue_of(id).is_some_and(|queue| queue.jobs.remove(&id).is_some())
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

    /// Dead jobs with like errors.
    #[must_use]
    pub fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Vec<Group> {
        let mut groups = BTreeMap::<_, Group>::new();
        for q in self.queues.values().filter(|q| queue.is_none_or(|name| *name == q.name)) {
            for record in q.jobs.values() {
                let job = &record.job;
                let counted = job.state == State::Dead && job.replays.is_empty() && scope.sees(&job.tenant);
                let (Some(error), Some(at), true) = (q.last_error(job.id), job.ended_at, counted) else { continue };
                let key = (q.name.clone(), job.tenant.clone(), job.kind.clone(), error.fingerprint.clone());
                let group = groups.entry(key).or_insert_with(|| Group {
                    hours: Vec::new(),
                    fingerprint: error.fingerprint.clone(),
                    tenant: job.tenant.clone(),
                    kind: job.kind.clone(),
                    queue: q.name.clone(),
                    sample: error,
                    count: 0,
                    first_at: at,
                    last_at: at,
                });
                group.count += 1;
                group.first_at = group.first_at.min(at);
                group.last_at = group.last_at.max(at);
            }
        }
        groups.into_values().collect()
    }
}
