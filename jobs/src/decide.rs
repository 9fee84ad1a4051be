//! From a job and what its attempt came to, to how the queue should go on. Pure: chance is the argument `jitter`.

use crate::{BLOB_MAX, Cause, Failure, backoff};
use longshore_base::Code;
use longshore_queue::{ERROR_MAX, ErrorInfo, Job, Json, Outcome, PAYLOAD_MAX, Reason};
use std::time::Duration;

/// What an attempt came to.
#[derive(Debug)]
pub enum Attempted {
    /// The handler returned.
    Returned(Result<Json, Failure>),
    /// The handler panicked with this message.
    Panicked(String),
    /// It ran longer than the job's timeout.
    TimedOut,
    /// It was stopped because a cancel was requested.
    Cancelled,
    /// The worker stops; true if the handler had started.
    Released(bool),
    /// This worker does not carry the kind.
    KindUnknown,
}

/// A provider's Retry-After beyond this is a mistake or an attack; the job is tried again after this long.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Nobody means to sleep longer; also keeps due times inside what every store can hold.
const REST_MAX: Duration = Duration::from_hours(24 * 366);
/// So many bytes of a gate's reason are kept.
const REASON_MAX: usize = 256;
/// So many bytes of a code that a handler chose are kept.
const CODE_MAX: usize = 128;

/// How the queue should go on. `jitter` is in 0.0..1.0.
#[must_use]
pub fn decide(job: &Job, attempted: Attempted, jitter: f64) -> Outcome {
    let (failure, unknown) = match attempted {
        Attempted::Returned(Ok(output)) => return complete(job, output),
        Attempted::Returned(Err(failure)) => (failure, false),
        Attempted::Panicked(message) => (Failure::Retry(Cause::new(Code::AttemptPanicked, message)), true),
        Attempted::TimedOut => (Failure::Retry(timeout(job)), true),
        Attempted::Cancelled => (Failure::Cancelled, true),
        Attempted::Released(started) if started && !job.policy.repeatable => {
            return outcome_unknown(job, "the worker stopped while it ran");
        }
        Attempted::Released(started) => return Outcome::Release { started },
        Attempted::KindUnknown => return Outcome::Release { started: false },
    };
    if unknown && !job.policy.repeatable {
        return match failure {
            Failure::Retry(cause) => outcome_unknown(job, &cause.message),
            _ => outcome_unknown(job, "it was stopped by a cancel request while it ran"),
        };
    }
    match failure {
        Failure::Retry(cause) => again(job, backoff(job.policy.backoff, job.counters.attempts, jitter), &cause),
        Failure::RetryAfter(after, cause) => again(job, after.min(RETRY_AFTER_MAX), &cause),
        Failure::Gate { wait, reason } => Outcome::Gate { after: wait.min(REST_MAX), reason: cut(&reason, REASON_MAX).to_owned() },
        Failure::Fatal(cause) => Outcome::Dead { reason: Reason::Fatal, error: error(job, &cause) },
        Failure::Snooze(after) => Outcome::Snooze { after: after.min(REST_MAX) },
        Failure::Wait(wait) => Outcome::Wait(wait),
        Failure::Cancelled => Outcome::Cancel,
    }
}

fn complete(job: &Job, output: Json) -> Outcome {
    let bytes = output.get().len();
    if bytes > PAYLOAD_MAX {
        // A large one that is allowed lies in a file already, where there are files, and this is the claim on it.
        let allowed = if bytes > BLOB_MAX { BLOB_MAX } else { PAYLOAD_MAX };
        let cause = Cause::new(Code::OutputTooLarge, format!("the output has {bytes} bytes; allowed are {allowed}"));
        return Outcome::Dead { reason: Reason::OutputTooLarge, error: error(job, &cause) };
    }
    Outcome::Complete { output: (output.get() != "null").then_some(output) }
}

/// The ack adds this attempt to those that were spent before.
fn again(job: &Job, after: Duration, cause: &Cause) -> Outcome {
    let error = error(job, cause);
    if job.counters.attempts.saturating_add(1) >= job.policy.attempts_max {
        return Outcome::Dead { reason: Reason::Exhausted, error };
    }
    Outcome::Retry { after, error }
}

fn timeout(job: &Job) -> Cause {
    Cause::new(Code::AttemptTimeout, format!("the attempt did not end within {} ms", job.policy.timeout_ms))
}

fn outcome_unknown(job: &Job, how: &str) -> Outcome {
    let cause = Cause::new(Code::OutcomeUnknownDead, format!("{how}; the kind must not run twice"));
    Outcome::Dead { reason: Reason::OutcomeUnknown, error: error(job, &cause) }
}

fn error(job: &Job, cause: &Cause) -> ErrorInfo {
    let (code, message) = (cut(&cause.code, CODE_MAX), cut(&cause.message, ERROR_MAX));
    ErrorInfo {
        code: code.to_owned(),
        message: message.to_owned(),
        fingerprint: longshore_dlq::fingerprint(job.kind.as_str(), code, message),
    }
}

/// At most `bytes` of `text`, cut between two characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests;
