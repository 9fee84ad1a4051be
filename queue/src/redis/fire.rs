//! Schedulers' decisions, sent in batches that a script can take at once.

use super::{
    RedisBroker, Result,
    bytes::Writer,
    enqueue::{BATCH_BYTES, BATCH_JOBS},
    queues::Queue,
    scheduled,
    script::Script,
    value,
};
use crate::{BrokerError, Fire, FireTick, Fired, MissedTicks, NewJob, Turn};
use longshore_base::{Code, Millis, Name};
use redis::Value;
use std::collections::HashSet;

/// A decision, or a part of one whose jobs are too many bytes for one call: a part moves the cursor as far as its own ticks go.
struct Part {
    /// Which decision.
    of: usize,
    key: String,
    incarnation: [u8; 16],
    turn: Turn,
    missed: Option<MissedTicks>,
    ticks: Vec<Ready>,
}

/// One tick, ready to be sent.
struct Ready {
    at: Millis,
    due_at: Millis,
    /// As enqueue takes it; empty where there is no job.
    id: Vec<u8>,
    /// The record, or why there is none.
    blob: Vec<u8>,
}

impl RedisBroker {
    pub(super) async fn fire_all(&self, name: &Name, fires: Vec<Fire>) -> Result<Vec<Result<Fired>>> {
        if fires.iter().any(|fire| !fire.ticks.is_empty()) {
            self.refuse_above_high_water().await?;
        }
        let queue = self.queue(name).await?;
        let mut answers: Vec<Option<Result<Fired>>> = fires.iter().map(|_| None).collect();
        let mut parts = Vec::with_capacity(fires.len());
        for (of, fire) in fires.into_iter().enumerate() {
            match self.prepare_fire(&queue, of, fire).await {
                Ok(some) => parts.extend(some),
                Err(error) => answers[of] = Some(Err(error)),
            }
        }
        for batch in batches(parts) {
            let told = self.fire_batch(&queue, &batch).await;
            for (at, part) in batch.iter().enumerate() {
                let came = match &told {
                    Ok(told) => told.get(at).cloned().unwrap_or_else(|| Err(value::strange("fire"))),
                    Err(error) => Err(error.clone()),
                };
                merge(&mut answers[part.of], came);
            }
        }
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(value::strange("fire")))).collect();
        match answers.first() {
            Some(Err(error)) if error.is_transient() && answers.iter().all(|a| a.as_ref().is_err_and(BrokerError::is_transient)) => {
                Err(error.clone())
            }
            _ => Ok(answers),
        }
    }

    async fn prepare_fire(&self, queue: &Queue, of: usize, fire: Fire) -> Result<Vec<Part>> {
        let mut ticks = Vec::with_capacity(fire.ticks.len());
        for tick in fire.ticks {
            ticks.push(self.prepare_tick(queue, tick).await?);
        }
        let key = format!("{}/{}", fire.tenant, fire.name);
        let whole = Part { of, key, incarnation: fire.incarnation.0.to_be_bytes(), turn: fire.turn, missed: fire.missed, ticks };
        Ok(split(whole))
    }

    async fn prepare_tick(&self, queue: &Queue, tick: FireTick) -> Result<Ready> {
        let FireTick { at, due_at, job } = tick;
        let ready = match job {
            Err(why) => Err(why),
            Ok(job) => self.prepare_job(queue, &job).await?,
        };
        Ok(match ready {
            Ok((id, blob)) => Ready { at, due_at, id, blob },
            Err(why) => Ready { at, due_at, id: Vec::new(), blob: why.into_bytes() },
        })
    }

    /// What an enqueue would refuse for good is told in the history.
    async fn prepare_job(&self, queue: &Queue, job: &NewJob) -> Result<std::result::Result<(Vec<u8>, Vec<u8>), String>> {
        if job.queue != queue.name {
            return Ok(Err(format!("{} is not of the queue {}", job.id, queue.name)));
        }
        match self.prepare(0, job).await {
            Ok(sent) => Ok(Ok((sent.id, sent.blob))),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    async fn fire_batch(&self, queue: &Queue, batch: &[Part]) -> Result<Vec<Result<Fired>>> {
        let mut command = self.command(Script::Fire, &queue.meta);
        command.arg(&queue.home.0.to_be_bytes());
        for part in batch {
            command.arg(&part.key).arg(&part.incarnation).arg(turn(part.turn)).arg(missed(part.missed)).arg(part.ticks.len());
            for tick in &part.ticks {
                command.arg(times(&[tick.at, tick.due_at])).arg(&tick.id).arg(&tick.blob);
            }
        }
        let mut answers = value::list(self.call(queue, Script::Fire, &command).await?, "fire")?;
        if matches!(answers.pop(), Some(Value::Int(1))) {
            self.drain_from(queue.home).await;
        }
        Ok(answers.into_iter().zip(batch).map(|(answer, part)| told(answer, part)).collect())
    }
}

fn told(answer: Value, part: &Part) -> Result<Fired> {
    if let Value::Int(_) = answer {
        let detail = format!("the schedule {} is not as it was when this was decided", part.key);
        return Err(BrokerError::Conflict { code: Code::ScheduleMoved, detail });
    }
    let read = |entry: &Value| value::bytes(entry).and_then(scheduled::tick).ok_or_else(|| value::strange("fire"));
    value::list(answer, "fire")?.iter().map(read).collect()
}

/// A later part of a decision adds to the earlier ones; one that finds the schedule moved leaves them as they are, the rest is another's.
fn merge(answer: &mut Option<Result<Fired>>, came: Result<Fired>) {
    *answer = Some(match (answer.take(), came) {
        (Some(Ok(mut before)), Ok(entries)) => {
            before.extend(entries);
            Ok(before)
        }
        (Some(Ok(before)), Err(BrokerError::Conflict { code: Code::ScheduleMoved, .. })) => Ok(before),
        (Some(Err(error)), _) => Err(error),
        (_, came) => came,
    });
}

/// One part unless its jobs are too many bytes.
fn split(whole: Part) -> Vec<Part> {
    let Part { of, key, incarnation, turn, mut missed, ticks } = whole;
    let mut chunks: Vec<Vec<Ready>> = vec![Vec::new()];
    let mut bytes = 0;
    for tick in ticks {
        let chunk = chunks.last_mut().expect("there is always one");
        if !chunk.is_empty() && (bytes + tick.blob.len() > BATCH_BYTES || chunk.len() == BATCH_JOBS) {
            bytes = 0;
            chunks.push(Vec::new());
        }
        bytes += tick.blob.len();
        chunks.last_mut().expect("there is always one").push(tick);
    }
    let mut parts = Vec::with_capacity(chunks.len());
    let mut turn = turn;
    let mut chunks = chunks.into_iter().peekable();
    while let Some(ticks) = chunks.next() {
        let next_due = chunks.peek().and_then(|next| next.first()).map(|tick| tick.due_at);
        let own = match (turn, next_due, ticks.last()) {
            (Turn::Advance { revision, from, to, next_at }, Some(due_at), Some(last)) => {
                let reached = from.max(last.at);
                turn = Turn::Advance { revision, from: reached, to, next_at };
                Turn::Advance { revision, from, to: reached, next_at: Some(due_at) }
            }
            (turn, ..) => turn,
        };
        parts.push(Part { of, key: key.clone(), incarnation, turn: own, missed: missed.take(), ticks });
    }
    parts
}

/// In order, bounded, and no id twice in one, so that a script need not look at its own plan.
fn batches(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut done = Vec::new();
    let (mut batch, mut jobs, mut bytes, mut ids) = (Vec::new(), 0, 0, HashSet::new());
    for part in parts {
        let size: usize = part.ticks.iter().map(|tick| tick.blob.len()).sum();
        let own = || part.ticks.iter().filter(|tick| !tick.id.is_empty()).map(|tick| tick.id[..14].to_vec());
        let full = jobs + part.ticks.len().max(1) > BATCH_JOBS || bytes + size > BATCH_BYTES || own().any(|id| ids.contains(&id));
        if full && !batch.is_empty() {
            done.push(std::mem::take(&mut batch));
            (jobs, bytes) = (0, 0);
            ids.clear();
        }
        ids.extend(own());
        jobs += part.ticks.len().max(1);
        bytes += size;
        batch.push(part);
    }
    if !batch.is_empty() {
        done.push(batch);
    }
    done
}

fn times(some: &[Millis]) -> Vec<u8> {
    let mut out = Writer::with_capacity(8 * some.len());
    for at in some {
        out.u64((*at).max(0).unsigned_abs());
    }
    out.done()
}

fn turn(turn: Turn) -> Vec<u8> {
    match turn {
        Turn::ByHand => Vec::new(),
        Turn::Advance { revision, from, to, next_at } => {
            [revision.to_be_bytes().to_vec(), times(&[from, to, next_at.map_or(0, |at| at.max(1))])].concat()
        }
    }
}

fn missed(missed: Option<MissedTicks>) -> Vec<u8> {
    missed.map_or_else(Vec::new, |m| [times(&[m.first, m.due_at]), m.count.max(1).to_be_bytes().to_vec()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(ticks: impl IntoIterator<Item = (Millis, usize)>, turn: Turn) -> Part {
        let ready = |(at, bytes): (Millis, usize)| {
            let id = [at.to_be_bytes().as_slice(), &[0; 6]].concat();
            Ready { at, due_at: at + 7, id, blob: vec![b'x'; bytes] }
        };
        let missed = Some(MissedTicks { first: 1, due_at: 1, count: 3 });
        Part { of: 0, key: "t/s".to_owned(), incarnation: [0; 16], turn, missed, ticks: ticks.into_iter().map(ready).collect() }
    }

    #[test]
    fn a_decision_of_too_many_bytes_goes_in_parts_that_move_the_cursor_as_far_as_they_go() {
        let turn = Turn::Advance { revision: 4, from: 10, to: 99, next_at: Some(120) };
        let large = BATCH_BYTES / 2;
        let parts = split(part([(20, large), (30, large), (40, large), (50, 1)], turn));
        let turns: Vec<_> = parts.iter().map(|part| part.turn).collect();
        let first = Turn::Advance { revision: 4, from: 10, to: 30, next_at: Some(47) };
        assert_eq!(turns, [first, Turn::Advance { revision: 4, from: 30, to: 99, next_at: Some(120) }]);
        assert_eq!(parts.iter().map(|part| (part.ticks.len(), part.missed.is_some())).collect::<Vec<_>>(), [(2, true), (2, false)]);

        let whole = split(part([(20, 1), (30, 1)], turn));
        assert_eq!((whole.len(), whole[0].turn), (1, turn));
        assert_eq!(split(part([], turn)).len(), 1);
    }

    #[test]
    fn batches_are_bounded_and_hold_no_id_twice() {
        let one = |at: Millis| part([(at, 1)], Turn::ByHand);
        let sizes = |parts: Vec<Part>| batches(parts).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..600).map(one).collect()), [500, 100]);
        assert_eq!(sizes(vec![one(1), one(2), one(1), one(3)]), [2, 2]);
        assert_eq!(sizes(vec![part([(1, BATCH_BYTES)], Turn::ByHand), one(2), one(3)]), [1, 2]);
    }

    #[test]
    fn a_later_part_that_finds_the_schedule_moved_leaves_what_was_told() {
        let moved = || Err(BrokerError::Conflict { code: Code::ScheduleMoved, detail: String::new() });
        let mut answer = None;
        merge(&mut answer, Ok(Vec::new()));
        merge(&mut answer, moved());
        assert!(matches!(answer, Some(Ok(_))));
        merge(&mut answer, Err(BrokerError::Moving));
        merge(&mut answer, Ok(Vec::new()));
        assert!(matches!(answer, Some(Err(BrokerError::Moving))));
    }
}
