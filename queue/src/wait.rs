//! Waiting: children, signals, and the deliveries that wake a job. A wait cannot lose a wake-up: the Wait ack looks
//! at the children and the mailbox in the same step that would put the job to sleep.

use crate::{BrokerError, ErrorInfo, JobId, Json, State, Token};
use longshore_base::{Code, Millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a job waits for, without a worker slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The condition.
    pub on: WaitOn,
    /// How long at most; None: for ever.
    pub timeout: Option<Duration>,
    /// What a timeout does.
    pub on_timeout: WaitPolicy,
    /// What a child that ends Dead or Cancelled does.
    pub on_child_failed: WaitPolicy,
}

/// The condition of a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitOn {
    /// No child is open.
    AllChildren,
    /// At least one child has ended.
    AnyChild,
    /// A signal of this name is in the mailbox.
    Signal(String),
    /// That job of the same queue has ended, well or not, or is not there any more: depends-on, or a held tick. Only for a job that is
    /// enqueued with it; one whose condition is met already is enqueued as if it had no wait. It is woken by the step that ends the other
    /// job. At most [`crate::FOLLOWERS_MAX`] jobs wait for the same one; a held tick may be one more.
    Job(JobId),
}

impl Wait {
    /// Whether the new job `id` may start with this wait: it follows a job of its own queue and not itself.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`]: it may not.
    pub fn check_start(&self, id: JobId) -> Result<(), BrokerError> {
        let WaitOn::Job(other) = &self.on else { return Ok(()) };
        if *other == id {
            return Err(invalid(format!("{id} would wait for its own end")));
        }
        if other.home() != id.home() {
            return Err(invalid(format!("{id} would wait for {other}, a job of another queue")));
        }
        Ok(())
    }

    /// Whether an attempt may end with this wait: not on another job's end.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`]: it may not.
    pub fn check_ack(&self) -> Result<(), BrokerError> {
        match &self.on {
            WaitOn::Job(other) => Err(invalid(format!("an attempt cannot end with a wait for {other}; only a new job may follow another"))),
            WaitOn::AllChildren | WaitOn::AnyChild | WaitOn::Signal(_) => Ok(()),
        }
    }
}

fn invalid(detail: String) -> BrokerError {
    BrokerError::Conflict { code: Code::RequestInvalid, detail }
}

/// What to do when a wait does not end as hoped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitPolicy {
    /// The job goes on and is told by [`Woken`].
    Wake,
    /// The job is Dead.
    Die,
    /// Nothing; the wait goes on (a failed child counts as ended).
    Ignore,
}

/// Why a waiting job runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Woken {
    /// The condition is met.
    Met,
    /// The timeout passed.
    TimedOut,
    /// A child failed.
    ChildFailed,
}

/// Something that is told to a job.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The running parent is about to enqueue a child. Fenced by the token.
    ChildOpened {
        /// Who opens.
        parent: JobId,
        /// Its current lease.
        token: Token,
        /// The child's name there.
        key: String,
        /// The child's id.
        child: JobId,
    },
    /// A child has ended. Repeats are harmless.
    ChildEnded {
        /// Who is told.
        parent: JobId,
        /// The child's name there.
        key: String,
        /// Which child; a replayed one takes the key over.
        child: JobId,
        /// How it ended.
        outcome: ChildOutcome,
    },
    /// A signal for the mailbox of a live job. Repeats with the same `once` are harmless.
    Signal {
        /// Who is told.
        job: JobId,
        /// Chosen by the sender; at most 128 bytes.
        once: String,
        /// What the job may wait for; at most 128 bytes.
        name: String,
        /// At most 8 KiB.
        payload: Json,
    },
}

impl Delivery {
    /// The job that is told.
    #[must_use]
    pub const fn target(&self) -> JobId {
        match self {
            Self::ChildOpened { parent, .. } | Self::ChildEnded { parent, .. } => *parent,
            Self::Signal { job, .. } => *job,
        }
    }
}

/// How a child ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChildOutcome {
    /// Completed, Cancelled or Dead.
    pub state: State,
    /// What it returned.
    pub output: Option<Json>,
    /// Its last error.
    pub error: Option<ErrorInfo>,
}
impl PartialEq for ChildOutcome {
    fn eq(&self, other: &Self) -> bool {
        self.state == other.state
            && self.error == other.error
            && self.output.as_ref().map(|o| o.get()) == other.output.as_ref().map(|o| o.get())
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is kept for the job, which may have been woken by it.
    Kept,
    /// It was there already.
    Repeated,
    /// The job has ended or is not there any more; nobody needs it.
    Gone,
}

/// A job's children and mailbox, as its handler sees them.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    /// In the order of their keys.
    pub children: Vec<Child>,
    /// In the order of arrival.
    pub signals: Vec<Signal>,
}

/// One child.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its name at the parent.
    pub key: String,
    /// Its id.
    pub id: JobId,
    /// None while it is open.
    pub outcome: Option<ChildOutcome>,
}

/// One signal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signal {
    /// The sender's id for it.
    pub once: String,
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Json,
    /// Server time of its arrival.
    pub at: Millis,
}
