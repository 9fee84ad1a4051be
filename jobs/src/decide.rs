//! From a job and what its attempt came to, to how the queue should go on. Pure: chance is the argument `jitter`.

use crate::Failure;
use longshore_queue::{Job, Json, Outcome};

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

/// How the queue should go on. `jitter` is in 0.0..1.0.
#[must_use]
pub fn decide(_job: &Job, _attempted: Attempted, _jitter: f64) -> Outcome {
    todo!()
}
