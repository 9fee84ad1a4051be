//! Telling failures elsewhere: what is told, to whom, is the business of whoever runs the worker.

use futures::future::BoxFuture;
use longshore_jobs::Failure;
use longshore_queue::{ErrorInfo, Job, Json, Reason};
use std::fmt::Debug;

/// What a handler came to; None: its kind is not carried here.
pub type Returned = Option<Result<Json, Failure>>;

/// Hears of failures. Called for every attempt, so it must be quick, and must never wait.
pub trait Reporter: Debug + Send + Sync {
    /// Puts around the handler what a panic, or a report of the handler's own, should find there.
    fn around<'a>(&self, job: &Job, handler: BoxFuture<'a, Returned>) -> BoxFuture<'a, Returned>;

    /// An attempt failed; `dead`: for good, and why. A panic was heard of already, by whoever is told of panics; its code is
    /// [`longshore_base::Code::AttemptPanicked`].
    fn failed(&self, job: &Job, error: &ErrorInfo, dead: Option<Reason>);
}
