//! Ends of attempts.

use super::{
    RedisBroker, Result, bytes, keys, mutable,
    queues::Queue,
    record::{encode_wait, millis},
    script::Script,
    value,
};
use crate::{Ack, Acked, BrokerError, ErrorInfo, Outcome, PAYLOAD_MAX, Reason, cause};
use longshore_base::{Code, Name};
use redis::Cmd;
use std::collections::HashSet;

/// Acks in a batch at most.
const BATCH_ACKS: usize = 500;
/// Bytes in a batch at most, unless one ack alone is larger.
const BATCH_BYTES: usize = 1024 * 1024;

impl RedisBroker {
    pub(super) async fn ack_attempts(&self, queue: &Name, worker: &str, acks: Vec<Ack>) -> Result<Vec<Result<Acked>>> {
        let queue = self.queue(queue).await?;
        let (acks, refused) = acceptable(acks);
        let mut answers: Vec<Result<Acked>> = Vec::with_capacity(acks.len() + refused.len());
        let mut from = 0;
        while from < acks.len() {
            let to = batch_end(&acks, from);
            match self.ack_batch(&queue, worker, &acks[from..to]).await {
                Ok(some) => answers.extend(some),
                Err(error) if from == 0 && to == acks.len() => return Err(error),
                Err(error) => answers.extend((from..to).map(|_| Err(error.clone()))),
            }
            from = to;
        }
        for (at, error) in refused {
            answers.insert(at, Err(error));
        }
        Ok(answers)
    }

    async fn ack_batch(&self, queue: &Queue, worker: &str, acks: &[Ack]) -> Result<Vec<Result<Acked>>> {
        let mut command = self.command(Script::Ack, &queue.meta);
        command.arg(worker);
        for ack in acks {
            add(&mut command, ack);
        }
        let mut numbers = value::ints(self.call(queue, Script::Ack, &command).await?, "ack")?;
        let told = numbers.pop() == Some(1);
        if numbers.len() != acks.len() {
            return Err(value::strange("ack"));
        }
        if told {
            self.drain_from(queue.home).await;
        }
        let one = |number: i64| match number {
            0 => Err(BrokerError::LeaseLost),
            n => Ok(Acked { state: mutable::state(n % 100)?, repeated: n >= 100 }),
        };
        let answers: Vec<Result<Acked>> = numbers.into_iter().map(one).collect();
        let over = |(ack, answer): (&Ack, &Result<Acked>)| answer.as_ref().is_ok_and(|acked| acked.state.is_ended()).then_some(ack.id);
        self.told_ended(acks.iter().zip(&answers).filter_map(over));
        Ok(answers)
    }
}

/// Those that may be sent, and why others may not, each with its place.
fn acceptable(acks: Vec<Ack>) -> (Vec<Ack>, Vec<(usize, BrokerError)>) {
    let refused: Vec<_> = acks
        .iter()
        .enumerate()
        .filter_map(|(at, ack)| match &ack.outcome {
            Outcome::Wait(wait) => Some((at, wait.check_ack().err()?)),
            _ => None,
        })
        .collect();
    if refused.is_empty() {
        return (acks, refused);
    }
    let kept = acks.into_iter().enumerate().filter(|(at, _)| refused.iter().all(|(no, _)| no != at)).map(|(_, ack)| ack).collect();
    (kept, refused)
}

/// The end of the batch that starts at `from`: bounded, and no job twice in one.
fn batch_end(acks: &[Ack], from: usize) -> usize {
    let (mut bytes, mut ids) = (0, HashSet::new());
    for (at, ack) in acks.iter().enumerate().skip(from) {
        bytes += match &ack.outcome {
            Outcome::Complete { output: Some(output) } => output.get().len(),
            _ => 64,
        };
        if at > from && (at - from == BATCH_ACKS || bytes > BATCH_BYTES || ids.contains(&ack.id)) {
            return at;
        }
        ids.insert(ack.id);
    }
    acks.len()
}

fn add(command: &mut Cmd, ack: &Ack) {
    let mut head = bytes::Writer::with_capacity(24);
    head.u64(ack.token.0).u64(u64::try_from(ack.ran.as_micros()).unwrap_or(u64::MAX).min(1 << 52));
    if let Some(used) = ack.used {
        head.u64(used.min(1 << 52));
    }
    command.arg(&keys::short(ack.id)).arg(head.done());
    match &ack.outcome {
        // Too much to keep is a fault of the handler: the same each time.
        Outcome::Complete { output: Some(output) } if output.get().len() > PAYLOAD_MAX => {
            let message = format!("the output is {} bytes; allowed are {PAYLOAD_MAX}", output.get().len());
            let code = Code::OutputTooLarge.as_str().to_owned();
            let error = ErrorInfo { fingerprint: code.clone(), code, message };
            command.arg("D").arg(mutable::reason_number(Reason::OutputTooLarge)).arg(bytes::encode_error(&error));
        }
        Outcome::Complete { output } => {
            command.arg("C").arg(output.as_ref().map_or("", |o| o.get()));
        }
        Outcome::Retry { after, error } => {
            let unknown = error.code == Code::AttemptTimeout.as_str() || error.code == Code::AttemptPanicked.as_str();
            command.arg(if unknown { "U" } else { "R" }).arg(millis(*after)).arg(bytes::encode_error(error));
        }
        Outcome::Dead { reason, error } => {
            command.arg("D").arg(mutable::reason_number(*reason)).arg(bytes::encode_error(error));
        }
        Outcome::Snooze { after } => {
            command.arg("S").arg(millis(*after));
        }
        Outcome::Gate { after, reason } => {
            command.arg("G").arg(millis(*after)).arg(bytes::encode_error(&cause::gated(reason)));
        }
        Outcome::Release { started } => {
            command.arg(if *started { "X" } else { "Y" });
        }
        Outcome::Wait(wait) => {
            command.arg("W").arg(encode_wait(wait));
        }
        Outcome::Cancel => {
            command.arg("K");
        }
    }
}
