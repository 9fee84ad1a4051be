//! Enqueue: the id first, then the unique key, then the job.

use super::world::{Queue, Record, Result, World, ms};
use crate::{BrokerError, Counters, Due, Enqueued, FOLLOWERS_MAX, Job, JobId, Json, NewJob, PAYLOAD_MAX, State, UniqueMode, WaitOn};
use longshore_base::{Code, Millis};
use std::{collections::BTreeMap, time::Duration};

/// How far *replace* pushes a due time unless the caller says otherwise.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// How many merged ids are remembered.
const MERGED_MAX: usize = 1_000;

impl World {
    /// Puts one job into its queue.
    pub fn enqueue(&mut self, now: Millis, new: NewJob) -> Result<Enqueued> {
        if self.home(&new.queue) != new.id.home() {
            return Err(BrokerError::Refused(format!("{} was not made for the queue {}", new.id, new.queue)));
        }
        fits(&new.args)?;
        if let Some(wait) = &new.wait {
            wait.check_start(new.id)?;
        }
        let queue = self.queue(&new.queue);
        if let Some(there) = queue.known(new.id) {
            return Ok(there);
        }
        if let Some(holder) = queue.taken(now, &new) {
            return Ok(queue.meet(now, holder, new));
        }
        if let Some(WaitOn::Job(other)) = new.wait.as_ref().map(|wait| &wait.on)
            && queue.followers(*other).len() >= FOLLOWERS_MAX
        {
            let detail = format!("{FOLLOWERS_MAX} jobs wait for the end of {other} already");
            return Err(BrokerError::Conflict { code: Code::RequestInvalid, detail });
        }
        Ok(queue.insert(now, new))
    }
}

impl Queue {
    /// The job that this id led to before.
    pub(super) fn known(&self, id: JobId) -> Option<Enqueued> {
        let id = self.merged.iter().rev().find(|(merged, _)| *merged == id).map_or(id, |(_, into)| *into);
        self.jobs.get(&id).map(|r| Enqueued { id, state: r.job.state, duplicate: true })
    }

    /// Who holds the unique key of `new` now.
    pub(super) fn taken(&self, now: Millis, new: &NewJob) -> Option<JobId> {
        let key = (new.tenant.clone(), new.kind.clone(), new.unique.as_ref()?.key.clone());
        let (holder, until) = self.uniques.get(&key)?;
        (self.jobs.contains_key(holder) && until.is_none_or(|until| until > now)).then_some(*holder)
    }

    pub(super) fn meet(&mut self, now: Millis, holder: JobId, new: NewJob) -> Enqueued {
        let record = self.get(holder);
        let replaces = match &new.unique {
            Some(unique) => match unique.mode {
                UniqueMode::Replace { wait_max } => Some(wait_max.unwrap_or(WAIT_MAX)),
                _ => None,
            },
            None => None,
        };
        let Some(wait_max) = replaces else { return Enqueued { id: holder, state: record.job.state, duplicate: true } };
        if record.started || !matches!(record.job.state, State::Scheduled | State::Ready) {
            return self.insert(now, new);
        }
        let due = due_at(now, new.due).min(record.job.created_at + ms(wait_max));
        record.job.args = new.args;
        record.job.due_at = (due > now).then_some(due);
        record.job.run_at = record.job.due_at;
        let (before, state) = (record.job.state, if due > now { State::Scheduled } else { State::Ready });
        record.job.state = state;
        if before != state {
            self.stands(holder, now);
        }
        self.merged.push_back((new.id, holder));
        if self.merged.len() > MERGED_MAX {
            self.merged.pop_front();
        }
        Enqueued { id: holder, state, duplicate: true }
    }

    pub(super) fn insert(&mut self, now: Millis, new: NewJob) -> Enqueued {
        let id = new.id;
        if let Some(unique) = &new.unique {
            let until = match unique.mode {
                UniqueMode::Throttle { window } => Some(now + ms(window)),
                _ => None,
            };
            self.uniques.insert((new.tenant.clone(), new.kind.clone(), unique.key.clone()), (id, until));
        }
        let wait = new.wait.clone();
        self.write(now, new);
        match wait.filter(|wait| !self.is_over(&wait.on)) {
            Some(wait) => self.fall_asleep(id, now, wait),
            None => self.stands(id, now),
        }
        Enqueued { id, state: self.jobs[&id].job.state, duplicate: false }
    }

    /// Writes a job's record as a new one, whatever it waits for and whichever key it wants.
    pub(super) fn write(&mut self, now: Millis, new: NewJob) -> &mut Record {
        self.seq += 1;
        let (id, due) = (new.id, due_at(now, new.due));
        let job = Job {
            id,
            queue: new.queue,
            kind: new.kind,
            kind_version: new.kind_version,
            tenant: new.tenant,
            client: new.client,
            cost: new.cost,
            resources: new.resources,
            lane_key: new.lane_key,
            priority: new.priority,
            state: if due > now { State::Scheduled } else { State::Ready },
            args: new.args,
            policy: new.policy,
            counters: Counters::default(),
            created_at: now,
            due_at: (due > now).then_some(due),
            run_at: (due > now).then_some(due),
            started_at: None,
            ended_at: None,
            expires_at: new.expires_at,
            revision: 0,
            unique: new.unique,
            tags: new.tags,
            parent: new.parent,
            replay_of: new.replay_of,
            moved_from: new.moved_from,
            moved_to: None,
            replayed: false,
            tick: new.tick,
            trace: new.trace,
            replays: Vec::new(),
            output: None,
            reason: None,
            history: Vec::new(),
            progress: None,
            cancel_requested: false,
            worker: None,
        };
        let record = Record {
            job,
            seq: self.seq,
            token: None,
            lease_ends: 0,
            call: 0,
            past: None,
            started: false,
            charged: 0.0,
            weight: 1.0,
            reserved: None,
            noted: None,
            wait: None,
            woken: None,
            children: BTreeMap::new(),
            mailbox: Vec::new(),
            saves: crate::Saves::default(),
            logs: std::collections::VecDeque::new(),
            dropped: 0,
        };
        self.jobs.insert(id, record);
        self.get(id)
    }
}

/// Args may be this large.
pub(super) fn fits(args: &Json) -> Result<()> {
    let size = args.get().len();
    if size <= PAYLOAD_MAX {
        return Ok(());
    }
    Err(BrokerError::Conflict { code: Code::ArgsTooLarge, detail: format!("the arguments are {size} bytes; {PAYLOAD_MAX} are allowed") })
}

/// When a job with this wish is due.
pub(super) fn due_at(now: Millis, due: Due) -> Millis {
    match due {
        Due::Now => now,
        Due::In(wait) => now + ms(wait),
        Due::At(time) => time,
    }
}
