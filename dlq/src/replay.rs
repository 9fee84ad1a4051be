//! Repeating letters: each becomes a new job whose id the letter and the operation give, so that a repeated step makes no second one.

use crate::{DeadLetters, Verdict, letters::CALL, patch::merge};
use async_trait::async_trait;
use longshore_queue::{BrokerError, Job, JobId, Json, Replay, State};
use serde_json::Value;

/// Bytes of patched args in one call of the broker; one letter may have more.
const BYTES_MOST: usize = 1 << 20;

/// Knows the args of letters, wherever they lie, and checks patched ones by the kind's record.
#[async_trait]
pub trait CheckArgs: Send + Sync {
    /// The args of the job `new`, which repeats `letter`, as they are stored, or why the kind refuses them.
    async fn check(&self, letter: &Job, new: JobId, args: &Value) -> Result<Json, ArgsFault>;
    /// The args of a letter as they are.
    async fn args(&self, letter: &Job) -> Result<Value, ArgsFault>;
    /// Sees to it that the job `new`, which repeats `letter` with the same args, finds them.
    async fn share(&self, letter: &Job, new: JobId) -> Result<(), ArgsFault>;
}

/// Why args were not accepted.
#[derive(Debug)]
pub enum ArgsFault {
    /// The kind refuses them, for good; the faults with their pointers, in one line.
    Refused(String),
    /// The record, or the args, could not be read; later they may.
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
    match args(letter, new_id, patch, checker).await {
        Ok(args) => Ok(Step::Call(Replay { id: letter.id, new_id, args })),
        Err(ArgsFault::Refused(detail)) => Ok(Step::Settled(Verdict::Refused(detail))),
        Err(ArgsFault::Broker(error)) => Err(error),
    }
}

/// The args of the new job where they are others than the letter's.
async fn args(letter: &Job, new: JobId, patch: Option<&Value>, checker: &dyn CheckArgs) -> Result<Option<Json>, ArgsFault> {
    let Some(patch) = patch else { return checker.share(letter, new).await.map(|()| None) };
    let mut args = checker.args(letter).await?;
    merge(&mut args, patch);
    checker.check(letter, new, &args).await.map(Some)
}

#[cfg(test)]
pub(crate) mod tests;
