//! Waiting: the wait itself, and what wakes it.

use super::world::{Queue, Result, World};
use crate::{
    BrokerError, Child, Delivered, Delivery, EventKind, Inbox, JobId, MAILBOX_MAX, Reason, Signal, State, Wait, WaitOn, WaitPolicy, Woken,
    cause,
};
use longshore_base::Millis;

impl World {
    /// Tells one job something.
    pub fn deliver(&mut self, now: Millis, delivery: &Delivery) -> Result<Delivered> {
        let id = delivery.target();
        let Some(queue) = self.queue_of(id) else { return Ok(Delivered::Gone) };
        let Some(record) = queue.jobs.get_mut(&id) else { return Ok(Delivered::Gone) };
        let told = match delivery {
            Delivery::ChildOpened { token, key, child, .. } => {
                if record.token != Some(*token) {
                    queue.lease_lost += 1;
                    return Err(BrokerError::LeaseLost);
                }
                if record.children.contains_key(key) {
                    return Ok(Delivered::Repeated);
                }
                record.children.insert(key.clone(), Child { key: key.clone(), id: *child, outcome: None });
                Delivered::Kept
            }
            _ if record.job.state.is_ended() => Delivered::Gone,
            Delivery::ChildEnded { key, child, outcome, .. } => {
                let known = record.children.get(key);
                if known.is_some_and(|c| c.id == *child && c.outcome.is_some()) {
                    return Ok(Delivered::Repeated);
                }
                record.children.insert(key.clone(), Child { key: key.clone(), id: *child, outcome: Some(outcome.clone()) });
                Delivered::Kept
            }
            Delivery::Signal { once, name, payload, .. } => {
                if record.mailbox.iter().any(|s| s.once == *once) {
                    return Ok(Delivered::Repeated);
                }
                if record.mailbox.len() >= MAILBOX_MAX || once.len() > 128 || name.len() > 128 || payload.get().len() > 8 * 1024 {
                    return Err(BrokerError::Refused("the mailbox takes no more than this".into()));
                }
                record.mailbox.push(Signal { once: once.clone(), name: name.clone(), payload: payload.clone(), at: now });
                Delivered::Kept
            }
        };
        queue.look(id, now);
        self.drain(now);
        Ok(told)
    }

    /// A job's children and mailbox.
    pub fn inbox(&self, id: JobId) -> Result<Inbox> {
        let record = self.record(id).ok_or(BrokerError::NotFound)?;
        Ok(Inbox { children: record.children.values().cloned().collect(), signals: record.mailbox.clone() })
    }
}

impl Queue {
    /// The job waits, unless what it waits for is there already.
    pub(super) fn fall_asleep(&mut self, id: JobId, now: Millis, wait: Wait) {
        let record = self.get(id);
        record.job.state = State::Waiting;
        record.job.due_at = wait.timeout.map(|timeout| now + super::world::ms(timeout));
        record.wait = Some(wait);
        self.look(id, now);
        if self.jobs[&id].wait.is_some() {
            self.stands(id, now);
        }
    }

    /// Wakes the job if its wait has ended by what it was told.
    fn look(&mut self, id: JobId, now: Millis) {
        let record = &self.jobs[&id];
        let Some(wait) = &record.wait else { return };
        let failed = record.children.values().any(|c| c.outcome.as_ref().is_some_and(|o| o.state != State::Completed));
        let met = match &wait.on {
            WaitOn::AllChildren => record.children.values().all(|c| c.outcome.is_some()),
            WaitOn::AnyChild => record.children.values().any(|c| c.outcome.is_some()),
            WaitOn::Signal(name) => record.mailbox.iter().any(|s| s.name == *name),
            WaitOn::Job(_) => self.is_over(&wait.on),
        };
        let for_children = !matches!(wait.on, WaitOn::Signal(_) | WaitOn::Job(_));
        match wait.on_child_failed {
            WaitPolicy::Die if failed && for_children => self.die_waiting(id, now, Reason::ChildFailed),
            WaitPolicy::Wake if failed && for_children => self.wake(id, now, Woken::ChildFailed),
            _ if met => self.wake(id, now, Woken::Met),
            _ => {}
        }
    }

    /// The wait is for a job that has ended or is not there.
    pub(super) fn is_over(&self, on: &WaitOn) -> bool {
        matches!(on, WaitOn::Job(other) if !self.is_alive(*other))
    }

    /// The job is there and has not ended.
    pub(super) fn is_alive(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|record| !record.job.state.is_ended())
    }

    /// Jobs that wait for the end of this one.
    pub(super) fn followers(&self, id: JobId) -> Vec<JobId> {
        self.jobs.values().filter(|record| record.followed() == Some(id)).map(|record| record.job.id).collect()
    }

    /// The step that ends a job wakes those that wait for it.
    pub(super) fn wake_followers(&mut self, id: JobId, now: Millis) {
        for follower in self.followers(id) {
            self.look(follower, now);
        }
    }

    pub(super) fn wake(&mut self, id: JobId, now: Millis, why: Woken) {
        self.tell(id, now, EventKind::Woken, None, None);
        let record = self.get(id);
        record.wait = None;
        record.woken = Some(why);
        self.make_ready(id, now);
    }

    fn die_waiting(&mut self, id: JobId, now: Millis, reason: Reason) {
        let error = cause::ended(reason, 0);
        self.tell(id, now, EventKind::Died, None, Some(error.clone()));
        self.end(id, now, State::Dead, Some(reason), Some(error));
    }

    /// Ends the waits whose time is over.
    pub(super) fn time_out(&mut self, now: Millis) -> u32 {
        let over = |r: &&super::Record| r.wait.is_some() && r.job.due_at.is_some_and(|due| due <= now);
        let over: Vec<_> = self.jobs.values().filter(over).map(|r| r.job.id).collect();
        for id in &over {
            match self.jobs[id].wait.as_ref().map(|w| w.on_timeout) {
                Some(WaitPolicy::Wake) => self.wake(*id, now, Woken::TimedOut),
                Some(WaitPolicy::Die) => self.die_waiting(*id, now, Reason::WaitTimedOut),
                Some(WaitPolicy::Ignore) | None => self.get(*id).job.due_at = None,
            }
        }
        u32::try_from(over.len()).unwrap_or(u32::MAX)
    }
}

impl super::Record {
    /// The job whose end it waits for.
    pub(super) fn followed(&self) -> Option<JobId> {
        match self.wait.as_ref()?.on {
            WaitOn::Job(other) => Some(other),
            _ => None,
        }
    }
}
