//! Dead letters: their groups, and what is done with them.

use super::{
    enqueue::fits,
    people::conflict,
    world::{Queue, Result, World},
};
use crate::{BrokerError, Enqueued, EventKind, GROUP_HOURS, Group, Hour, Job, JobId, Letter, NewJob, Reason, Replay, Scope, State, Undo};
use longshore_base::{Code, Millis, Name};
use std::collections::{BTreeMap, BTreeSet};

/// What letters of a group share: tenant, kind and fingerprint.
pub(super) type GroupKey = (Name, Name, String);

const HOUR_MS: Millis = 3_600_000;

impl World {
    /// Repeats a dead job as a new one.
    pub fn replay(&mut self, now: Millis, scope: &Scope, replay: Replay) -> Result<JobId> {
        let (queue, id) = self.seen(scope, replay.id)?;
        let old = queue.jobs[&id].job.clone();
        if old.replays.contains(&replay.new_id) {
            return Ok(replay.new_id);
        }
        if old.state != State::Dead || old.replayed || queue.jobs.contains_key(&replay.new_id) {
            return Err(conflict(Code::NotRetryable, &old));
        }
        if let Some(args) = &replay.args {
            fits(args)?;
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
            trace: old.trace,
            ..NewJob::new(replay.new_id, old.queue, old.kind, old.tenant, replay.args.unwrap_or(old.args))
        };
        if queue.taken(now, &new).is_some() {
            return Err(conflict(Code::UniqueTaken, &queue.jobs[&id].job));
        }
        queue.insert(now, new);
        let letter = &mut queue.get(id).job;
        letter.replays.push(replay.new_id);
        letter.replayed = true;
        queue.tell(id, now, EventKind::Replayed, None, None);
        queue.forget_groups();
        Ok(replay.new_id)
    }

    /// Takes a replay back that has not begun.
    pub fn undo(&mut self, now: Millis, scope: &Scope, undo: Undo) -> Result<()> {
        let (queue, id) = self.seen(scope, undo.id)?;
        let letter = &queue.jobs[&id].job;
        if !letter.replays.contains(&undo.replay) {
            return Err(BrokerError::NotFound);
        }
        let again = queue.jobs.get(&undo.replay).map(|record| &record.job);
        let stands = letter.replayed && letter.replays.last() == Some(&undo.replay);
        if !stands && again.is_none_or(|job| job.reason == Some(Reason::Undone)) {
            return Ok(());
        }
        let fresh = |job: &&Job| stands && job.counters.runs == 0 && !job.state.is_ended();
        let Some(again) = again.filter(fresh).map(|job| job.id) else {
            let how = again.map_or_else(|| "gone".to_owned(), |job| job.state.to_string());
            return Err(BrokerError::Conflict { code: Code::ReplayStarted, detail: format!("{} is {how}", undo.replay) });
        };
        queue.tell(again, now, EventKind::Cancelled, None, None);
        queue.end(again, now, State::Cancelled, Some(Reason::Undone), None);
        queue.get(id).job.replayed = false;
        queue.tell(id, now, EventKind::Undone, None, None);
        queue.stands(id, now);
        self.drain(now);
        Ok(())
    }

    /// Puts a letter as it was elsewhere.
    pub fn bury(&mut self, now: Millis, letter: Letter) -> Result<Enqueued> {
        let id = letter.job.id;
        if self.home(&letter.job.queue) != id.home() {
            return Err(BrokerError::Refused(format!("{id} was not made for the queue {}", letter.job.queue)));
        }
        if letter.job.parent.is_some() || letter.job.wait.is_some() {
            return Err(BrokerError::Refused(format!("{id} is a letter, and has a parent or waits")));
        }
        fits(&letter.job.args)?;
        let queue = self.queue(&letter.job.queue);
        if let Some(there) = queue.known(id) {
            return Ok(there);
        }
        let job = &mut queue.write(now, letter.job).job;
        (job.state, job.reason, job.counters) = (State::Dead, Some(letter.reason), letter.counters);
        (job.started_at, job.ended_at, job.due_at, job.run_at) = (letter.started_at, Some(letter.ended_at), None, None);
        job.history = letter.history;
        queue.tell(id, now, EventKind::Imported, None, None);
        queue.count_hour(id);
        queue.stands(id, now);
        Ok(Enqueued { id, state: State::Dead, duplicate: false })
    }

    /// Dead jobs with like errors.
    #[must_use]
    pub fn groups(&self, scope: &Scope, queue: Option<&Name>) -> Vec<Group> {
        let mut groups = BTreeMap::<_, Group>::new();
        for q in self.queues.values().filter(|q| queue.is_none_or(|name| *name == q.name)) {
            for job in q.jobs.values().map(|record| &record.job).filter(|job| scope.sees(&job.tenant)) {
                let (Some(key), Some(error), Some(at)) = (q.group_of(job.id), q.last_error(job.id), job.ended_at) else { continue };
                let hours = q.hours.get(&key).into_iter().flatten().map(|(at, count)| Hour { at: *at, count: *count });
                let group = groups.entry((q.name.clone(), key)).or_insert_with(|| Group {
                    hours: hours.collect(),
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

impl Queue {
    /// The group that counts this job, if it is a letter that was not repeated and has an error.
    fn group_of(&self, id: JobId) -> Option<GroupKey> {
        let job = &self.jobs[&id].job;
        let error = job.last_error().filter(|_| job.state == State::Dead && !job.replayed)?;
        Some((job.tenant.clone(), job.kind.clone(), error.fingerprint.clone()))
    }

    /// A letter has come to its group; the newest hours are kept.
    pub(super) fn count_hour(&mut self, id: JobId) {
        let (Some(key), Some(at)) = (self.group_of(id), self.jobs[&id].job.ended_at) else { return };
        let hours = self.hours.entry(key).or_default();
        *hours.entry(at - at.rem_euclid(HOUR_MS)).or_default() += 1;
        while hours.len() > GROUP_HOURS {
            hours.pop_first();
        }
    }

    /// A group without letters is gone with everything that it remembered.
    pub(super) fn forget_groups(&mut self) {
        let there: BTreeSet<_> = self.jobs.keys().filter_map(|id| self.group_of(*id)).collect();
        self.hours.retain(|key, _| there.contains(key));
    }
}
