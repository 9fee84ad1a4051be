//! Jobs in: checked, sorted by queue, sent in batches that a script can take at once.

use super::{RedisBroker, Result, keys, mutable, queues::Queue, record, script::Script, value};
use crate::{BrokerError, Due, Durability, Enqueued, FOLLOWERS_MAX, KEY_MAX, NewJob, PAYLOAD_MAX, WaitOn};
use longshore_base::{Code, Name};
use redis::Value;
use std::collections::{HashMap, HashSet};

/// Jobs in a batch at most.
pub(super) const BATCH_JOBS: usize = 500;
/// Bytes in a batch at most, unless one job alone is larger.
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

/// One job, ready to be sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) at: usize,
    /// With the due time.
    pub(super) id: Vec<u8>,
    pub(super) lane: String,
    pub(super) blob: Vec<u8>,
    pub(super) unique: Option<String>,
    /// The job whose end it waits for.
    pub(super) follows: Option<keys::Short>,
}

impl RedisBroker {
    pub(super) async fn enqueue_jobs(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Enqueued>>> {
        self.refuse_above_high_water().await?;
        let mut answers: Vec<Option<Result<Enqueued>>> = jobs.iter().map(|_| None).collect();
        let mut by_queue: HashMap<Name, Vec<Sent>> = HashMap::new();
        for (at, job) in jobs.into_iter().enumerate() {
            match self.prepare(at, &job).await {
                Ok(sent) => by_queue.entry(job.queue).or_default().push(sent),
                Err(error) => answers[at] = Some(Err(error)),
            }
        }
        let runs = by_queue.into_iter().map(|(name, jobs)| async move {
            let places: Vec<usize> = jobs.iter().map(|job| job.at).collect();
            let done = match self.queue(&name).await {
                Ok(queue) => self.enqueue_soon(&queue, jobs).await,
                Err(error) => jobs.iter().map(|_| Err(error.clone())).collect(),
            };
            places.into_iter().zip(done).collect::<Vec<_>>()
        });
        for (at, answer) in futures::future::join_all(runs).await.into_iter().flatten() {
            answers[at] = Some(answer);
        }
        let answers: Vec<_> = answers.into_iter().map(|a| a.unwrap_or_else(|| Err(value::strange("enqueue")))).collect();
        // When nothing at all got through, the call as a whole has failed.
        match answers.first() {
            Some(Err(error)) if error.is_transient() && answers.iter().all(|a| a.as_ref().is_err_and(BrokerError::is_transient)) => {
                Err(error.clone())
            }
            _ => Ok(answers),
        }
    }

    /// Checked and encoded.
    pub(super) async fn prepare(&self, at: usize, job: &NewJob) -> Result<Sent> {
        let refused = |code: Code, detail: String| BrokerError::Conflict { code, detail };
        let size = job.args.get().len();
        if size > PAYLOAD_MAX {
            return Err(refused(Code::ArgsTooLarge, format!("the arguments are {size} bytes; allowed are {PAYLOAD_MAX}")));
        }
        let keys = [Some(&job.lane_key), job.unique.as_ref().map(|u| &u.key)];
        if let Some(key) = keys.into_iter().flatten().find(|key| key.len() > KEY_MAX) {
            return Err(refused(Code::RequestInvalid, format!("a key of {} bytes; allowed are {KEY_MAX}", key.len())));
        }
        if !job.policy.repeatable && self.durability_now() == Durability::Fast {
            return Err(BrokerError::NotDurable);
        }
        let home = self.queue(&job.queue).await?.home;
        if job.id.home() != home {
            return Err(refused(Code::RequestInvalid, format!("the id {} was not made for the queue {}", job.id, job.queue)));
        }
        if let Some(wait) = &job.wait {
            wait.check_start(job.id)?;
        }
        let mut id = keys::short(job.id).to_vec();
        id.extend(due(job.due));
        let lane = record::lane(job);
        let unique = job.unique.as_ref().map(|u| format!("{}/{}/{}", job.tenant, job.kind, u.key));
        let follows = job.wait.as_ref().and_then(|wait| match &wait.on {
            WaitOn::Job(other) => Some(keys::short(*other)),
            _ => None,
        });
        Ok(Sent { at, id, lane, blob: record::encode(job)?, unique, follows })
    }

    /// As many calls as they need, in the order of `jobs`.
    pub(super) async fn enqueue_batches(&self, queue: &Queue, jobs: Vec<Sent>) -> Vec<Result<Enqueued>> {
        let mut done = Vec::with_capacity(jobs.len());
        for batch in batches(jobs) {
            match self.enqueue_batch(queue, &batch).await {
                Ok(answers) => done.extend(answers),
                Err(error) => done.extend(batch.iter().map(|_| Err(error.clone()))),
            }
        }
        done
    }

    /// In one call; they fit.
    pub(super) async fn enqueue_batch(&self, queue: &Queue, batch: &[Sent]) -> Result<Vec<Result<Enqueued>>> {
        let mut command = self.command(Script::Enqueue, &queue.meta);
        for job in batch {
            command.arg(&job.id).arg(&job.lane).arg(&job.blob);
        }
        let answers = value::list(self.call(queue, Script::Enqueue, &command).await?, "enqueue")?;
        if answers.len() != batch.len() {
            return Err(value::strange("enqueue"));
        }
        let one = |(answer, job): (&Value, &Sent)| match answer {
            Value::Int(0) => {
                let detail = format!("{FOLLOWERS_MAX} jobs wait for the end of the one that this is to wait for already");
                Err(BrokerError::Conflict { code: Code::RequestInvalid, detail })
            }
            Value::Int(state) => {
                let id = keys::long(&job.id, queue.home).ok_or_else(|| value::strange("enqueue"))?;
                Ok(Enqueued { id, state: mutable::state(state % 100)?, duplicate: *state >= 100 })
            }
            other => {
                let (state, id) = value::bytes(other).and_then(<[u8]>::split_first).ok_or_else(|| value::strange("enqueue"))?;
                let id = keys::long(id, queue.home).ok_or_else(|| value::strange("enqueue"))?;
                Ok(Enqueued { id, state: mutable::state((*state).into())?, duplicate: true })
            }
        };
        let answers: Vec<_> = answers.iter().zip(batch).map(one).collect();
        self.told_enqueued(answers.iter().flatten().map(|enqueued| enqueued.id));
        Ok(answers)
    }
}

/// As the scripts read a due time; empty for now.
pub(super) fn due(due: Due) -> Vec<u8> {
    let (letter, ms) = match due {
        Due::Now => return Vec::new(),
        Due::In(after) => (b'i', record::millis(after)),
        Due::At(at) => (b'a', at.max(0).unsigned_abs()),
    };
    let mut out = vec![letter];
    out.extend(ms.to_be_bytes());
    out
}

/// Each small enough for a script.
fn batches(jobs: Vec<Sent>) -> Vec<Vec<Sent>> {
    let mut done = Vec::new();
    let mut batch = Batch::default();
    for job in jobs {
        if !batch.fits(std::slice::from_ref(&job)) && !batch.jobs.is_empty() {
            done.push(std::mem::take(&mut batch).jobs);
        }
        batch.push(job);
    }
    if !batch.jobs.is_empty() {
        done.push(batch.jobs);
    }
    done
}

/// What a script can take at once: bounded, no id and no unique key twice, and no job with the one that it follows, so that the script need
/// not look at its own plan.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Sent>,
    bytes: usize,
    ids: HashSet<keys::Short>,
    unique: HashSet<String>,
}

impl Batch {
    /// Whether these can go with those that are there.
    pub(super) fn fits(&self, jobs: &[Sent]) -> bool {
        let bytes: usize = jobs.iter().map(|job| job.blob.len()).sum();
        let meets = |job: &Sent| {
            job.short().is_some_and(|id| self.ids.contains(&id))
                || job.unique.as_ref().is_some_and(|key| self.unique.contains(key))
                || job.follows.is_some_and(|other| self.ids.contains(&other))
        };
        self.jobs.len() + jobs.len() <= BATCH_JOBS
            && self.bytes + bytes <= BATCH_BYTES
            && jobs.iter().enumerate().all(|(n, job)| !meets(job) && !jobs[..n].iter().any(|earlier| earlier.meets(job)))
    }
    /// Adds a job that fits, or the first one.
    pub(super) fn push(&mut self, job: Sent) {
        self.bytes += job.blob.len();
        self.ids.extend(job.short());
        self.unique.extend(job.unique.clone());
        self.jobs.push(job);
    }
}

impl Sent {
    pub(super) fn short(&self) -> Option<keys::Short> {
        self.id.first_chunk().copied()
    }
    /// Whether a later one cannot go in the same call.
    fn meets(&self, later: &Self) -> bool {
        self.short() == later.short()
            || (self.unique.is_some() && self.unique == later.unique)
            || (later.follows.is_some() && later.follows == self.short())
    }
}
