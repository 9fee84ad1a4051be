//! Jobs that go on in another queue: the old one ends, and the same step leaves the new one in the outbox of its slot.

use super::{
    RedisBroker, Result,
    bytes::{Reader, Writer},
    enqueue::due,
    keys,
    letters::whole,
    mutable,
    people::{EDIT_TRIES, as_new, conflict, tenant_of},
    queues::Queue,
    record,
    script::Script,
    value,
};
use crate::{BrokerError, Due, Job, JobId, Reason, Relocation, Scope, State};
use longshore_base::{Code, Millis};
use std::collections::HashSet;

impl RedisBroker {
    pub(super) async fn relocate_jobs(&self, scope: &Scope, moves: Vec<Relocation>) -> Result<Vec<Result<JobId>>> {
        let mut answers = Vec::with_capacity(moves.len());
        let mut left = HashSet::new();
        for one in &moves {
            let answer = self.relocate_one(scope, one).await;
            if answer.is_ok() {
                left.insert(one.id.home());
            }
            answers.push(answer);
        }
        for home in left {
            self.drain_from(home).await;
        }
        whole(answers)
    }

    async fn relocate_one(&self, scope: &Scope, one: &Relocation) -> Result<JobId> {
        let queue = self.queue_of(one.id).await?;
        let target = self.queue(&one.queue).await?;
        if one.new_id.home() != target.home {
            return Err(conflict(Code::RequestInvalid, format!("the id {} was not made for the queue {}", one.new_id, target.name)));
        }
        for _ in 0..EDIT_TRIES {
            let Some((job, stored)) = self.with_record(&queue, one.id).await?.filter(|(job, _)| scope.sees(&job.tenant)) else {
                return Err(BrokerError::NotFound);
            };
            if job.reason == Some(Reason::Moved) && job.moved_to == Some(one.new_id) {
                return Ok(one.new_id);
            }
            if target.home == queue.home {
                return Err(conflict(Code::NotMovable, format!("the job is in the queue {} already", queue.name)));
            }
            if !matches!(job.state, State::Scheduled | State::Ready | State::Retrying) {
                return Err(conflict(Code::NotMovable, format!("the job is {}", job.state)));
            }
            let mut command = self.command(Script::Relocate, &queue.meta);
            command.arg(tenant_of(scope)).arg(&keys::short(one.id)).arg(&stored).arg(one.new_id.as_bytes()).arg(sent(&job, one, &target)?);
            match value::int(&self.call(&queue, Script::Relocate, &command).await?, "relocate")? {
                1 | 2 => return Ok(one.new_id),
                0 => return Err(BrokerError::NotFound),
                // It changed between the look and the move: look again.
                -1 => {}
                -2 => {
                    let detail = "the job has a parent, children, signals or jobs that follow it".to_owned();
                    return Err(conflict(Code::NotMovable, detail));
                }
                n => return Err(conflict(Code::NotMovable, format!("the job is {}", mutable::state(-100 - n)?))),
            }
        }
        Err(conflict(Code::NotMovable, "the job changed while it was moved".to_owned()))
    }

    /// The new job of a move comes into its queue, if it is not there already.
    pub(super) async fn arrive(&self, entry: &mut Reader<'_>) -> Result<()> {
        let corrupt = || BrokerError::Corrupt("a job in the outbox".to_owned());
        let read = |r: &mut Reader<'_>| {
            let (id, at): (JobId, Millis) = (r.id()?, r.millis()?);
            let n = r.u8()?;
            let queue = r.name(n.into())?;
            let n = r.u16()?;
            Some((id, at, queue, r.text(n.into())?))
        };
        let (id, at, name, lane) = read(entry).ok_or_else(corrupt)?;
        let queue = self.queue(&name).await?;
        let mut place = keys::short(id).to_vec();
        if at > 0 {
            place.extend(due(Due::At(at)));
        }
        let mut command = self.command(Script::Enqueue, &queue.meta);
        command.arg(place).arg(lane).arg(entry.rest());
        self.call(&queue, Script::Enqueue, &command).await.map(drop)
    }
}

/// What the outbox keeps of the new job beside its id and due time: its queue, its lane, its record.
fn sent(job: &Job, one: &Relocation, target: &Queue) -> Result<Vec<u8>> {
    let mut new = as_new(job, one.new_id);
    new.queue = target.name.clone();
    // One that was leased has met it.
    new.expires_at = job.expires_at.filter(|_| job.counters.runs == 0);
    new.moved_from = Some(job.id);
    new.replay_of = None;
    let (name, lane, blob) = (target.name.as_str(), record::lane(&new), record::encode(&new)?);
    let mut out = Writer::with_capacity(3 + name.len() + lane.len() + blob.len());
    out.u8(u8::try_from(name.len()).unwrap_or(u8::MAX)).raw(name);
    out.u16(u16::try_from(lane.len()).unwrap_or(u16::MAX)).raw(&lane).raw(blob);
    Ok(out.done())
}
