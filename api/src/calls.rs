//! Calls to the broker until the request's deadline. Every timeout is "unknown": the call is repeated with the same ids, which is
//! safe by contract, and what cannot be settled in time is told as it is.

use crate::state::Api;
use longshore_jobs::RequestError;
use longshore_queue::BrokerError;
use std::time::Duration;

/// When a request stops trying, on the clock's `elapsed`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Duration);

/// Which calls may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Changes nothing.
    Read,
    /// Gives the same answer when it is repeated.
    Write,
    /// Would answer its own repeat with a refusal (an edit with a revision): repeated only while nothing was sent.
    Once,
}

/// A failure that may come from the broker.
pub(crate) trait Fails: From<BrokerError> {
    fn broker(&self) -> Option<&BrokerError>;
}
impl Fails for BrokerError {
    fn broker(&self) -> Option<&BrokerError> {
        Some(self)
    }
}
impl Fails for RequestError {
    fn broker(&self) -> Option<&BrokerError> {
        match self {
            Self::Broker(error) => Some(error),
            Self::Faults { .. } | Self::Blob(_) => None,
        }
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

impl Api {
    /// The deadline of a request whose body has arrived; before the request's own end, so that 503 with the ids is told and not 408.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline(self.clock.elapsed() + self.limits.deadline.min(self.limits.request_time.mul_f64(0.8)))
    }

    /// How long is left.
    pub(crate) fn left(&self, deadline: Deadline) -> Duration {
        deadline.0.saturating_sub(self.clock.elapsed())
    }

    /// Waits before the next try. False: the deadline would pass.
    pub(crate) async fn pause(&self, round: u32, deadline: Deadline) -> bool {
        let bound = PAUSE_MAX.min(PAUSE_MIN * 2_u32.saturating_pow(round.min(10)));
        let wait = bound.mul_f64(0.5 + self.random.unit() / 2.0);
        if wait >= self.left(deadline) {
            return false;
        }
        self.clock.sleep(wait).await;
        true
    }

    /// Repeats `call` while that may help.
    pub(crate) async fn call<T, E: Fails, F>(&self, deadline: Deadline, repeat: Repeat, mut call: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut sent = false;
        for round in 0.. {
            let error = match tokio::time::timeout(self.left(deadline), call()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_) => BrokerError::OutcomeUnknown("no answer before the deadline".into()).into(),
            };
            let again = match error.broker() {
                Some(BrokerError::Unavailable(_) | BrokerError::Moving) => true,
                Some(BrokerError::OutcomeUnknown(_)) => {
                    sent = true;
                    repeat != Repeat::Once
                }
                _ => return Err(error),
            };
            if !again || !self.pause(round, deadline).await {
                return Err(settle(error, sent, repeat));
            }
        }
        unreachable!("the loop ends by returning")
    }
}

/// What is told at the deadline: a write that was sent once is unknown, whatever its last try said; a read never is.
fn settle<E: Fails>(error: E, sent: bool, repeat: Repeat) -> E {
    let text = error.broker().map(ToString::to_string).unwrap_or_default();
    match (repeat, sent) {
        (Repeat::Read, _) => BrokerError::Unavailable(text).into(),
        (_, true) => BrokerError::OutcomeUnknown(text).into(),
        (_, false) => error,
    }
}
