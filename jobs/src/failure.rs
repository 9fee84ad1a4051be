//! How a handler says what should happen next. A closed set; the value decides, not the type of some error.

use std::{fmt, time::Duration};

/// The end of an attempt that is not a success.
#[derive(Debug)]
pub enum Failure {
    /// Try again by the kind's backoff; spends an attempt.
    Retry(Cause),
    /// Try again after this long (a provider said so); spends an attempt.
    RetryAfter(Duration, Cause),
    /// The whole (tenant, key) should rest this long, for this reason; spends no attempt.
    Gate {
        /// How long.
        wait: Duration,
        /// Told to whoever asks why nothing runs.
        reason: String,
    },
    /// Never try again: the job is Dead.
    Fatal(Cause),
    /// Run me again after this long; spends no attempt.
    Snooze(Duration),
    /// Sleep until children or a signal wake me, without a slot; spends no attempt. See [`crate::Context::wait`].
    Wait(longshore_queue::Wait),
    /// The attempt saw its cancellation and stopped.
    Cancelled,
}

/// What went wrong: a code to branch on and a chain to read.
#[derive(Debug)]
pub struct Cause {
    /// `handler.failed` unless the kind chose one.
    pub code: String,
    /// The message, with the chain of sources after it.
    pub message: String,
}

impl Cause {
    /// A cause with a code of its own.
    #[must_use]
    pub fn new(code: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { code: code.to_string(), message: message.to_string() }
    }
}

impl Failure {
    /// Try again by the kind's backoff.
    #[must_use]
    pub fn retry(message: impl fmt::Display) -> Self {
        Self::Retry(Cause::new(longshore_base::Code::Handler, message))
    }
    /// Never try again.
    #[must_use]
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self::Fatal(Cause::new(longshore_base::Code::Handler, message))
    }
}

/// `?` on any error means: try again. The chain of its sources is kept.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            message = format!("{message}: {inner}");
            source = inner.source();
        }
        Self::retry(message)
    }
}
