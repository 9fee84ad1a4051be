//! What happens to a job: its history, its errors, and the reason for its end.

use longshore_base::Millis;
use serde::{Deserialize, Serialize};

/// One line of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Server time.
    pub at: Millis,
    /// What happened.
    pub what: EventKind,
    /// The attempt's number, counted from 1 over every lease that started.
    pub run: u32,
    /// Who ran it.
    pub worker: Option<String>,
    /// When that attempt started.
    pub started_at: Option<Millis>,
    /// What went wrong.
    pub error: Option<ErrorInfo>,
    /// What was there before, for [`EventKind::Edited`]: a line for each thing that changed, such as `priority 5`; args by their size only.
    #[serde(default)]
    pub before: Option<String>,
}

/// What a history line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Ended well.
    Completed,
    /// Failed, will be tried again.
    Retried,
    /// Failed for good.
    Died,
    /// Asked to be run later.
    Snoozed,
    /// Closed its lane for a time.
    Gated,
    /// Given back by a stopping worker.
    Released,
    /// Its worker was lost.
    Crashed,
    /// Waits for children or a signal.
    Waited,
    /// What it waited for is there, or the wait ran out.
    Woken,
    /// Cancelled.
    Cancelled,
    /// Never started in time.
    Expired,
    /// Brought forward by somebody.
    RetriedNow,
    /// Repeated by a new job.
    Replayed,
    /// Its replay was taken back.
    Undone,
    /// Args, priority, due time or tags were changed; `worker` says by whom.
    Edited,
    /// Goes on in another queue.
    Moved,
    /// Brought from elsewhere.
    Imported,
}

/// What went wrong in an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// A [`longshore_base::Code`], or the code that the handler chose.
    pub code: String,
    /// For people; cut to [`crate::ERROR_MAX`] bytes.
    pub message: String,
    /// Groups like errors; made in Rust from the message with its numbers, ids, addresses and times removed.
    pub fingerprint: String,
}

/// Why a job ended as Cancelled or Dead, or why it went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody cancelled it.
    Cancelled,
    /// It had not started by `expires_at`.
    Expired,
    /// Its last attempt failed.
    Exhausted,
    /// The failure was final.
    Fatal,
    /// Its worker was lost `crashes_max` times in a row.
    Crashed,
    /// It must not run twice, and nobody knows whether it did.
    OutcomeUnknown,
    /// Somebody gave it up while it waited for its next attempt.
    GivenUp,
    /// It ran `runs_max` times.
    RunsExhausted,
    /// It grew older than `age_max_ms`.
    AgeExhausted,
    /// A child failed and the wait's policy says that this is final.
    ChildFailed,
    /// The wait timed out and its policy says that this is final.
    WaitTimedOut,
    /// Its output was larger than allowed.
    OutputTooLarge,
    /// It goes on in another queue.
    Moved,
    /// It repeated a letter, and somebody took that back before it began.
    Undone,
}

impl Reason {
    /// The word in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Fatal => "fatal",
            Self::Crashed => "crashed",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::GivenUp => "given_up",
            Self::RunsExhausted => "runs_exhausted",
            Self::AgeExhausted => "age_exhausted",
            Self::ChildFailed => "child_failed",
            Self::WaitTimedOut => "wait_timed_out",
            Self::OutputTooLarge => "output_too_large",
            Self::Moved => "moved",
            Self::Undone => "undone",
        }
    }
}
