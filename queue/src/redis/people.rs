//! What people do to jobs: cancel, edit, retry, give up, purge.

use super::{
    RedisBroker, Result,
    enqueue::due,
    keys, mutable,
    queues::Queue,
    record::{self, PREFIX},
    script::Script,
    value,
};
use crate::{BrokerError, Due, Edit, Home, Job, JobId, Json, NewJob, PAYLOAD_MAX, Scope, State};
use longshore_base::{Code, rfc3339};
use std::collections::HashMap;

/// Jobs in one call at most.
const BATCH: usize = 500;
/// Times that an edit is made again because the job changed under it.
pub(super) const EDIT_TRIES: usize = 5;

pub(super) fn tenant_of(scope: &Scope) -> &str {
    match scope {
        Scope::All => "",
        Scope::Tenant(tenant) => tenant.as_str(),
    }
}

pub(super) fn conflict(code: Code, detail: String) -> BrokerError {
    BrokerError::Conflict { code, detail }
}

/// Args of an edit or a replay may be this large.
pub(super) fn fits(args: Option<&Json>) -> Result<()> {
    match args.map(|args| args.get().len()).filter(|size| *size > PAYLOAD_MAX) {
        Some(size) => Err(conflict(Code::ArgsTooLarge, format!("the arguments are {size} bytes; allowed are {PAYLOAD_MAX}"))),
        None => Ok(()),
    }
}

impl RedisBroker {
    pub(super) async fn cancel_jobs(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<Result<State>>> {
        let mut answers: HashMap<JobId, Result<State>> = HashMap::with_capacity(ids.len());
        let mut by_home: HashMap<Home, Vec<JobId>> = HashMap::new();
        for id in ids {
            by_home.entry(id.home()).or_default().push(*id);
        }
        let queues = by_home.len();
        for (home, ids) in by_home {
            for some in ids.chunks(BATCH) {
                match self.cancel_in(scope, home, some).await {
                    Ok((states, told)) => {
                        if told {
                            self.drain_from(home).await;
                        }
                        answers.extend(some.iter().copied().zip(states));
                    }
                    Err(error) if queues == 1 && some.len() == ids.len() => return Err(error),
                    Err(error) => answers.extend(some.iter().map(|id| (*id, Err(error.clone())))),
                }
            }
        }
        Ok(ids.iter().map(|id| answers.get(id).cloned().unwrap_or(Err(BrokerError::NotFound))).collect())
    }

    /// In one queue, and whether its outbox got entries by it.
    pub(super) async fn cancel_in(&self, scope: &Scope, home: Home, ids: &[JobId]) -> Result<(Vec<Result<State>>, bool)> {
        let Some(queue) = self.at_home(home).await? else {
            return Ok((ids.iter().map(|_| Err(BrokerError::NotFound)).collect(), false));
        };
        let mut command = self.command(Script::Cancel, &queue.meta);
        command.arg(tenant_of(scope));
        for id in ids {
            command.arg(&keys::short(*id));
        }
        let mut numbers = value::ints(self.call(&queue, Script::Cancel, &command).await?, "cancel")?;
        let told = numbers.pop() == Some(1);
        let one = |number: i64| match number {
            0 => Err(BrokerError::NotFound),
            n if n >= 100 => Err(conflict(Code::NotCancellable, format!("the job is {}", mutable::state(n - 100)?))),
            n => mutable::state(n),
        };
        Ok((numbers.into_iter().map(one).collect(), told))
    }

    pub(super) async fn edit_job(&self, scope: &Scope, id: JobId, revision: u32, edit: &Edit) -> Result<u32> {
        let queue = self.queue_of(id).await?;
        fits(edit.args.as_ref())?;
        for _ in 0..EDIT_TRIES {
            let Some((job, stored)) = self.with_record(&queue, id).await?.filter(|(job, _)| scope.sees(&job.tenant)) else {
                return Err(BrokerError::NotFound);
            };
            let letter = job.state == State::Dead && !job.replayed;
            if !letter && !matches!(job.state, State::Scheduled | State::Ready | State::Retrying) {
                return Err(conflict(Code::NotEditable, format!("the job is {}", job.state)));
            }
            if letter && (edit.priority.is_some() || edit.due.is_some()) {
                return Err(conflict(Code::NotEditable, "of a dead letter only args and tags can be changed".to_owned()));
            }
            if job.revision != revision {
                return Err(conflict(Code::RevisionMismatch, format!("the job's revision is {}, not {revision}", job.revision)));
            }
            let mut command = self.command(Script::Edit, &queue.meta);
            let (changed, due_at) = edited(&stored, &job, edit)?;
            let was = before(&job, edit);
            let (by, was) = mutable::edited(edit.by.as_deref(), &was);
            command.arg(&keys::short(id)).arg(&stored).arg(changed).arg(due_at).arg(by).arg(was);
            match value::int(&self.call(&queue, Script::Edit, &command).await?, "edit")? {
                // It changed between the look and the edit: look again.
                -1 => {}
                n if n <= -100 => return Err(conflict(Code::NotEditable, format!("the job is {}", mutable::state(-100 - n)?))),
                n => return u32::try_from(n).map_err(|_| value::strange("edit")),
            }
        }
        Err(conflict(Code::RevisionMismatch, "the job changed while it was edited".to_owned()))
    }

    pub(super) async fn retry_job(&self, scope: &Scope, id: JobId) -> Result<State> {
        let queue = self.queue_of(id).await?;
        let mut command = self.command(Script::RetryNow, &queue.meta);
        command.arg(tenant_of(scope)).arg(&keys::short(id));
        not_from(value::int(&self.call(&queue, Script::RetryNow, &command).await?, "retry_now")?)
    }

    pub(super) async fn give_up_job(&self, scope: &Scope, id: JobId) -> Result<State> {
        let queue = self.queue_of(id).await?;
        let mut command = self.command(Script::GiveUp, &queue.meta);
        command.arg(tenant_of(scope)).arg(&keys::short(id));
        let answer = value::ints(self.call(&queue, Script::GiveUp, &command).await?, "give_up")?;
        if answer.get(1) == Some(&1) {
            self.drain_from(queue.home).await;
        }
        not_from(answer.first().copied().ok_or_else(|| value::strange("give_up"))?)
    }

    pub(super) async fn purge_jobs(&self, scope: &Scope, ids: &[JobId]) -> Result<Vec<bool>> {
        let mut gone: HashMap<JobId, bool> = HashMap::with_capacity(ids.len());
        let mut by_home: HashMap<Home, Vec<JobId>> = HashMap::new();
        let jobs = self.get_jobs(&Scope::All, ids).await?;
        for (id, job) in ids.iter().zip(jobs) {
            match job {
                None => _ = gone.insert(*id, true),
                Some(job) if !scope.sees(&job.tenant) || self.awaited(&job).await? => _ = gone.insert(*id, false),
                Some(_) => by_home.entry(id.home()).or_default().push(*id),
            }
        }
        for (home, ids) in by_home {
            let Some(queue) = self.at_home(home).await? else { continue };
            for some in ids.chunks(BATCH) {
                let mut command = self.command(Script::Purge, &queue.meta);
                command.arg(tenant_of(scope));
                for id in some {
                    command.arg(&keys::short(*id));
                }
                let numbers = value::ints(self.call(&queue, Script::Purge, &command).await?, "purge")?;
                gone.extend(some.iter().copied().zip(numbers.into_iter().map(|n| n == 1)));
            }
        }
        Ok(ids.iter().map(|id| gone.get(id).copied().unwrap_or(true)).collect())
    }

    /// Whether a parent that is still alive may ask for this child.
    pub(super) async fn awaited(&self, job: &Job) -> Result<bool> {
        let Some(parent) = &job.parent else { return Ok(false) };
        let found = self.get_jobs(&Scope::All, &[parent.id]).await?;
        Ok(found.into_iter().flatten().any(|parent| !parent.state.is_ended()))
    }

    /// The ended jobs whose retention is over, without children that somebody may still ask for.
    pub(super) async fn retired(&self, queue: &Queue, ids: &[JobId]) -> Result<Vec<Job>> {
        let mut jobs = Vec::with_capacity(ids.len());
        for some in ids.chunks(100) {
            for job in self.stored(queue, some).await?.into_iter().flatten() {
                if job.state.is_ended() && !self.awaited(&job).await? {
                    jobs.push(job);
                }
            }
        }
        jobs.sort_by_key(|job| (job.ended_at, job.id));
        Ok(jobs)
    }
}

fn not_from(number: i64) -> Result<State> {
    match number {
        0 => Err(BrokerError::NotFound),
        n if n >= 100 => Err(conflict(Code::NotRetryable, format!("the job is {}", mutable::state(n - 100)?))),
        n => mutable::state(n),
    }
}

/// The job as it would be enqueued again.
pub(super) fn as_new(job: &Job, id: JobId) -> NewJob {
    NewJob {
        id,
        queue: job.queue.clone(),
        kind: job.kind.clone(),
        kind_version: job.kind_version,
        tenant: job.tenant.clone(),
        client: job.client.clone(),
        cost: job.cost,
        resources: job.resources.clone(),
        lane_key: job.lane_key.clone(),
        priority: job.priority,
        args: job.args.clone(),
        due: Due::Now,
        unique: job.unique.clone(),
        policy: job.policy.clone(),
        expires_at: job.expires_at,
        tags: job.tags.clone(),
        parent: job.parent.clone(),
        wait: None,
        replay_of: job.replay_of,
        moved_from: job.moved_from,
        tick: job.tick.clone(),
        trace: job.trace.clone(),
    }
}

/// What was there before: a line for each thing that is changed.
fn before(job: &Job, edit: &Edit) -> String {
    let mut lines = Vec::new();
    if edit.priority.is_some() {
        lines.push(format!("priority {}", job.priority.get()));
    }
    if edit.due.is_some() {
        lines.push(format!("due {}", job.due_at.map_or_else(|| "none".to_owned(), rfc3339)));
    }
    if edit.tags.is_some() {
        lines.push(format!("tags {}", job.tags.iter().map(longshore_base::Name::as_str).collect::<Vec<_>>().join(",")));
    }
    if edit.args.is_some() {
        lines.push(format!("args {} bytes", job.args.get().len()));
    }
    lines.join("\n")
}

/// The changed record without its prefix, and the due time as the script reads it.
fn edited(stored: &[u8], job: &Job, edit: &Edit) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut new = as_new(job, job.id);
    new.wait = record::decode(stored)?.wait;
    if let Some(args) = &edit.args {
        new.args = args.clone();
    }
    if let Some(priority) = edit.priority {
        new.priority = priority;
    }
    if let Some(tags) = &edit.tags {
        new.tags.clone_from(tags);
    }
    let due_at = match edit.due {
        None => Vec::new(),
        Some(Due::Now) => due(Due::In(std::time::Duration::ZERO)),
        Some(other) => due(other),
    };
    debug_assert!(stored.len() >= PREFIX);
    Ok((record::encode(&new)?, due_at))
}
