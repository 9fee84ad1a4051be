//! What the queue itself names as a cause, where no handler told one: each has a code, which is its fingerprint too, so that every dead job
//! is in a group. The scripts of Redis name the same ones (`failure`).

use crate::{ErrorInfo, Reason};
use longshore_base::Code;

/// A gate's reason is cut to this many bytes.
const REASON_MAX: usize = 256;

fn named(code: &str, message: String) -> ErrorInfo {
    ErrorInfo { code: code.to_owned(), message, fingerprint: code.to_owned() }
}

/// The lease was lost.
pub(crate) fn lost(worker: Option<&str>, repeatable: bool) -> ErrorInfo {
    let worker = worker.unwrap_or_default();
    if repeatable {
        named(Code::AttemptCrashed.as_str(), format!("the worker {worker} was lost"))
    } else {
        let message = format!("the worker {worker} was lost, and it is not known whether the work was done");
        named(Code::OutcomeUnknownDead.as_str(), message)
    }
}

/// An attempt that must not be repeated was given back after its start.
pub(crate) fn stopped() -> ErrorInfo {
    named(Code::OutcomeUnknownDead.as_str(), "the worker stopped after the attempt had started".to_owned())
}

/// The handler closed the lane for a time.
pub(crate) fn gated(reason: &str) -> ErrorInfo {
    named("gated", reason[..reason.floor_char_boundary(REASON_MAX)].to_owned())
}

/// The queue ended a job that its handler would have gone on with, after so many runs.
pub(crate) fn ended(reason: Reason, runs: u32) -> ErrorInfo {
    match reason {
        Reason::RunsExhausted => named("attempt.runs_exhausted", format!("the job ran {runs} times")),
        Reason::AgeExhausted => named("attempt.age_exhausted", "the job is older than its kind allows".to_owned()),
        Reason::ChildFailed => named("attempt.child_failed", "a child that this job waited for ended badly".to_owned()),
        Reason::WaitTimedOut => named("attempt.wait_timed_out", "the wait timed out".to_owned()),
        other => named(Code::Handler.as_str(), other.as_str().to_owned()),
    }
}
