//! A job goes on in another queue: it ends here, and its outbox carries it there.

use super::{
    people::conflict,
    world::{Parcel, Result, World},
};
use crate::{BrokerError, Due, EventKind, Job, JobId, NewJob, Reason, Relocation, Scope, State};
use longshore_base::{Code, Millis};

impl World {
    /// Moves a job that nobody runs, follows or waits for.
    pub fn relocate(&mut self, now: Millis, scope: &Scope, to: Relocation) -> Result<JobId> {
        let target = self.home(&to.queue);
        let (queue, id) = self.seen(scope, to.id)?;
        let record = &queue.jobs[&id];
        if record.job.reason == Some(Reason::Moved) && record.job.moved_to == Some(to.new_id) {
            return Ok(to.new_id);
        }
        if target != to.new_id.home() {
            return Err(BrokerError::Refused(format!("{} was not made for the queue {}", to.new_id, to.queue)));
        }
        let rests = matches!(record.job.state, State::Scheduled | State::Ready | State::Retrying);
        let alone = record.job.parent.is_none() && record.children.is_empty() && record.mailbox.is_empty();
        if !rests || !alone || !queue.followers(id).is_empty() || to.queue == queue.name {
            return Err(conflict(Code::NotMovable, &record.job));
        }
        let new = as_new(&record.job, to);
        let new_id = new.id;
        queue.get(id).job.moved_to = Some(new_id);
        queue.tell(id, now, EventKind::Moved, None, None);
        queue.outbox.push_back(Parcel::Move(Box::new(new)));
        queue.end(id, now, State::Cancelled, Some(Reason::Moved), None);
        self.drain(now);
        Ok(new_id)
    }
}

/// The job as it goes on there: what was asked for, and nothing of what its attempts came to.
fn as_new(job: &Job, to: Relocation) -> NewJob {
    NewJob {
        kind_version: job.kind_version,
        client: job.client.clone(),
        lane_key: job.lane_key.clone(),
        cost: job.cost,
        resources: job.resources.clone(),
        priority: job.priority,
        due: job.due_at.map_or(Due::Now, Due::At),
        unique: job.unique.clone(),
        policy: job.policy.clone(),
        // One that was leased has met it.
        expires_at: job.expires_at.filter(|_| job.counters.runs == 0),
        tags: job.tags.clone(),
        moved_from: Some(job.id),
        tick: job.tick.clone(),
        trace: job.trace.clone(),
        ..NewJob::new(to.new_id, to.queue, job.kind.clone(), job.tenant.clone(), job.args.clone())
    }
}
