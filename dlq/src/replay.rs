//! Repeating letters: each becomes a new job whose id the letter and the operation give, so that a repeated step makes no second one.

use crate::{DeadLetters, Verdict, letters::CALL, patch::merge};
use async_trait::async_trait;
use longshore_base::Name;
use longshore_queue::{BrokerError, Job, JobId, Json, Replay, State};
use serde_json::Value;

/// Bytes of patched args in one call of the broker; one letter may have more.
const BYTES_MOST: usize = 1 << 20;

/// Checks patched args by the kind's record.
#[async_trait]
pub trait CheckArgs: Send + Sync {
    /// The args as they are stored, or why the kind refuses them.
    async fn check(&self, kind: &Name, args: &Value) -> Result<Json, ArgsFault>;
}

/// Why args were not accepted.
#[derive(Debug)]
pub enum ArgsFault {
    /// The kind refuses them, for good; the faults with their pointers, in one line.
    Refused(String),
    /// The record could not be read.
    Broker(BrokerError),
}

/// What is to be done about one letter.
enum Step {
    Settled(Verdict),
    Call(Replay),
}

impl DeadLetters {
    /// Repeats these letters for `operation`, with `patch` (a JSON merge patch, RFC 7396) in their args. May be repeated: a letter that this
    /// operation repeated before is done, and one that anybody else repeated is skipped. In the order of `letters`.
    ///
    /// # Errors
    /// The broker's; some of the letters may be repeated then.
    pub async fn replay(
        &self,
        letters: &[JobId],
        operation: JobId,
        patch: Option<&Value>,
        checker: &dyn CheckArgs,
    ) -> Result<Vec<Verdict>, BrokerError> {
        let mut verdicts = Vec::with_capacity(letters.len());
        for part in letters.chunks(CALL) {
            let jobs = self.broker.get(&self.scope, part).await?;
            let mut steps = Vec::with_capacity(part.len());
            for job in jobs {
                steps.push(match job {
                    None => Step::Settled(Verdict::Skipped),
                    Some(job) => step(&job, operation, patch, checker).await?,
                });
            }
            self.carry_out(steps, &mut verdicts).await?;
        }
        Ok(verdicts)
    }

    /// Calls the broker for those steps that need it, and adds the verdicts in their order.
    async fn carry_out(&self, steps: Vec<Step>, verdicts: &mut Vec<Verdict>) -> Result<(), BrokerError> {
        let (mut calls, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut settled = Vec::with_capacity(steps.len());
        for step in steps {
            let call = match step {
                Step::Settled(verdict) => {
                    settled.push(Some(verdict));
                    continue;
                }
                Step::Call(call) => call,
            };
            settled.push(None);
            let more = call.args.as_ref().map_or(0, |args| args.get().len());
            if bytes + more > BYTES_MOST && !calls.is_empty() {
                answers.extend(self.broker.replay(&self.scope, std::mem::take(&mut calls)).await?);
                bytes = 0;
            }
            bytes += more;
            calls.push(call);
        }
        if !calls.is_empty() {
            answers.extend(self.broker.replay(&self.scope, calls).await?);
        }
        let mut answers = answers.into_iter();
        for verdict in settled {
            verdicts.push(match verdict {
                Some(verdict) => verdict,
                None => {
                    let answer = answers.next().unwrap_or_else(|| Err(BrokerError::OutcomeUnknown("one answer is missing".to_owned())));
                    answer.map_or_else(Verdict::of, |id| Ok(Verdict::Done(id)))?
                }
            });
        }
        Ok(())
    }
}

async fn step(letter: &Job, operation: JobId, patch: Option<&Value>, checker: &dyn CheckArgs) -> Result<Step, BrokerError> {
    let new_id = Replay::id_of(letter.id, operation);
    if letter.replays.contains(&new_id) {
        return Ok(Step::Settled(Verdict::Done(new_id)));
    }
    if letter.state != State::Dead || letter.replayed {
        return Ok(Step::Settled(Verdict::Skipped));
    }
    let args = match patch {
        None => None,
        Some(patch) => {
            let mut args: Value = serde_json::from_str(letter.args.get()).unwrap_or_default();
            merge(&mut args, patch);
            match checker.check(&letter.kind, &args).await {
                Ok(args) => Some(args),
                Err(ArgsFault::Refused(detail)) => return Ok(Step::Settled(Verdict::Refused(detail))),
                Err(ArgsFault::Broker(error)) => return Err(error),
            }
        }
    };
    Ok(Step::Call(Replay { id: letter.id, new_id, args }))
}

#[cfg(test)]
pub(crate) mod tests;
