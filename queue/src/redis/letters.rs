//! Dead letters: repeated, taken back, brought from elsewhere.

use super::{
    RedisBroker, Result,
    enqueue::{BATCH_BYTES, BATCH_JOBS, Sent},
    keys, mutable,
    people::{EDIT_TRIES, as_new, conflict, fits, tenant_of},
    queues::Queue,
    record::{self, PREFIX},
    script::Script,
    value,
};
use crate::{BrokerError, Enqueued, Job, JobId, Letter, NewJob, Replay, Scope, Undo};
use longshore_base::{Code, Name};
use std::collections::{BTreeMap, HashSet};

/// A letter, ready to be sent.
struct Buried {
    sent: Sent,
    became: Vec<u8>,
}

impl RedisBroker {
    pub(super) async fn replay_jobs(&self, scope: &Scope, replays: Vec<Replay>) -> Result<Vec<Result<JobId>>> {
        let mut answers = Vec::with_capacity(replays.len());
        for replay in &replays {
            answers.push(self.replay_one(scope, replay).await);
        }
        whole(answers)
    }

    async fn replay_one(&self, scope: &Scope, replay: &Replay) -> Result<JobId> {
        let queue = self.queue_of(replay.id).await?;
        if replay.new_id.home() != queue.home {
            return Err(conflict(Code::RequestInvalid, format!("the id {} was not made for the queue {}", replay.new_id, queue.name)));
        }
        fits(replay.args.as_ref())?;
        for _ in 0..EDIT_TRIES {
            let Some((job, stored)) = self.with_record(&queue, replay.id).await?.filter(|(job, _)| scope.sees(&job.tenant)) else {
                return Err(BrokerError::NotFound);
            };
            let new = again(&job, replay);
            let mut command = self.command(Script::Replay, &queue.meta);
            command.arg(tenant_of(scope)).arg(&keys::short(replay.id)).arg(&keys::short(replay.new_id));
            command.arg(replay.new_id.as_bytes()).arg(record::encode(&new)?).arg(stored.get(..PREFIX).unwrap_or_default());
            match value::int(&self.call(&queue, Script::Replay, &command).await?, "replay")? {
                1 | 2 => return Ok(replay.new_id),
                0 => return Err(BrokerError::NotFound),
                -1 => return Err(conflict(Code::NotRetryable, format!("the job is {}", job.state))),
                -2 => return Err(conflict(Code::NotRetryable, "the job has been replayed before".to_owned())),
                -3 => return Err(conflict(Code::UniqueTaken, "another live job holds its unique key".to_owned())),
                // It was edited between the look and the replay: look again.
                _ => {}
            }
        }
        Err(conflict(Code::NotRetryable, "the letter changed while it was replayed".to_owned()))
    }

    pub(super) async fn undo_replays(&self, scope: &Scope, undos: Vec<Undo>) -> Result<Vec<Result<()>>> {
        let mut answers = Vec::with_capacity(undos.len());
        let mut told = HashSet::new();
        for undo in &undos {
            answers.push(match self.undo_one(scope, undo).await {
                Ok(true) => {
                    told.insert(undo.id.home());
                    Ok(())
                }
                other => other.map(drop),
            });
        }
        for home in told {
            self.drain_from(home).await;
        }
        whole(answers)
    }

    /// Whether the outbox got entries by it.
    async fn undo_one(&self, scope: &Scope, undo: &Undo) -> Result<bool> {
        let queue = self.queue_of(undo.id).await?;
        let mut command = self.command(Script::Undo, &queue.meta);
        command.arg(tenant_of(scope)).arg(&keys::short(undo.id)).arg(&keys::short(undo.replay)).arg(undo.replay.as_bytes());
        let answer = value::ints(self.call(&queue, Script::Undo, &command).await?, "undo")?;
        match answer.first().copied().ok_or_else(|| value::strange("undo"))? {
            1 | 2 => Ok(answer.get(1) == Some(&1)),
            0 => Err(BrokerError::NotFound),
            n if n >= 100 => Err(conflict(Code::ReplayStarted, format!("the job {} is {}", undo.replay, mutable::state(n - 100)?))),
            _ => Err(conflict(Code::ReplayStarted, format!("the job {} has ended and is gone", undo.replay))),
        }
    }

    pub(super) async fn bury_letters(&self, letters: Vec<Letter>) -> Result<Vec<Result<Enqueued>>> {
        self.refuse_above_high_water().await?;
        let mut answers: Vec<Option<Result<Enqueued>>> = letters.iter().map(|_| None).collect();
        let mut by_queue: BTreeMap<Name, Vec<Buried>> = BTreeMap::new();
        for (at, letter) in letters.into_iter().enumerate() {
            match self.prepare_letter(at, &letter).await {
                Ok(buried) => by_queue.entry(letter.job.queue).or_default().push(buried),
                Err(error) => answers[at] = Some(Err(error)),
            }
        }
        for (name, letters) in by_queue {
            let queue = self.queue(&name).await?;
            for batch in batches(letters) {
                let answer = self.bury_batch(&queue, &batch).await;
                for (k, one) in batch.iter().enumerate() {
                    answers[one.sent.at] = Some(match &answer {
                        Ok(answers) => answers.get(k).copied().ok_or_else(|| value::strange("bury")),
                        Err(error) => Err(error.clone()),
                    });
                }
            }
        }
        whole(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(value::strange("bury")))).collect())
    }

    async fn prepare_letter(&self, at: usize, letter: &Letter) -> Result<Buried> {
        if letter.job.parent.is_some() || letter.job.wait.is_some() {
            return Err(BrokerError::Refused("a letter from elsewhere has no parent and waits for nothing".to_owned()));
        }
        Ok(Buried { sent: self.prepare(at, &letter.job).await?, became: mutable::letter(letter) })
    }

    async fn bury_batch(&self, queue: &Queue, batch: &[Buried]) -> Result<Vec<Enqueued>> {
        let mut command = self.command(Script::Bury, &queue.meta);
        for one in batch {
            command.arg(one.short()).arg(&one.sent.blob).arg(&one.became);
        }
        let numbers = value::ints(self.call(queue, Script::Bury, &command).await?, "bury")?;
        let one = |(number, one): (i64, &Buried)| -> Result<Enqueued> {
            let id = keys::long(one.short(), queue.home).ok_or_else(|| value::strange("bury"))?;
            Ok(Enqueued { id, state: mutable::state(number % 100)?, duplicate: number >= 100 })
        };
        numbers.into_iter().zip(batch).map(one).collect()
    }
}

impl Buried {
    /// The id without the due time that an enqueue puts behind it.
    fn short(&self) -> &[u8] {
        &self.sent.id[..size_of::<keys::Short>()]
    }
}

/// Bounded, and no id twice in one.
fn batches(letters: Vec<Buried>) -> Vec<Vec<Buried>> {
    let mut done: Vec<Vec<Buried>> = Vec::new();
    let (mut bytes, mut ids) = (0, HashSet::new());
    for letter in letters {
        let size = letter.sent.blob.len() + letter.became.len();
        let id = letter.short().to_vec();
        match done.last_mut() {
            Some(batch) if batch.len() < BATCH_JOBS && bytes + size <= BATCH_BYTES && !ids.contains(&id) => {
                bytes += size;
                batch.push(letter);
            }
            _ => {
                ids.clear();
                bytes = size;
                done.push(vec![letter]);
            }
        }
        ids.insert(id);
    }
    done
}

/// When nothing at all got through, the call as a whole has failed.
pub(super) fn whole<T>(answers: Vec<Result<T>>) -> Result<Vec<Result<T>>> {
    match answers.first() {
        Some(Err(error)) if answers.iter().all(|answer| answer.as_ref().is_err_and(BrokerError::is_transient)) => Err(error.clone()),
        _ => Ok(answers),
    }
}

/// A dead job's successor: counters at zero, no expiry that has passed, the same parent.
fn again(job: &Job, replay: &Replay) -> NewJob {
    let mut new = as_new(job, replay.new_id);
    new.expires_at = None;
    new.replay_of = Some(job.id);
    new.moved_from = None;
    if let Some(args) = &replay.args {
        new.args = args.clone();
    }
    new
}
