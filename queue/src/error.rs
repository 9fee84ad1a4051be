//! How a broker call fails.

use longshore_base::Code;
use std::time::Duration;

/// A failed broker call, or a refused item of one. Nothing is half done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    /// Nothing was sent.
    #[error("the broker cannot be reached: {0}")]
    Unavailable(String),
    /// It was sent, and no answer came. Repeat with the same ids.
    #[error("the broker did not answer: {0}")]
    OutcomeUnknown(String),
    /// The slot is being moved; repeat.
    #[error("the queue is being moved between cluster nodes")]
    Moving,
    /// Memory above the high-water mark, while acks go on; or a full disk.
    #[error("the broker is nearly full: {detail}")]
    Full {
        /// What was measured.
        detail: String,
        /// When to come again.
        retry_after: Duration,
    },
    /// The set-up is one that we refuse to work with, or the broker answered with an error.
    #[error("{0}")]
    Refused(String),
    /// A page was asked for at a place that no page of this list gave.
    #[error("`{0}` is no cursor of this list")]
    Cursor(String),
    /// Another process owns the file.
    #[error("{0}")]
    Locked(String),
    /// No such job in this scope.
    #[error("no such job")]
    NotFound,
    /// The token is not the current one.
    #[error("the lease was lost")]
    LeaseLost,
    /// The state or the revision does not allow it.
    #[error("{detail}")]
    Conflict {
        /// Which rule.
        code: Code,
        /// The rule in words, with the values.
        detail: String,
    },
    /// Something beside the broker that the call needs, such as the files of large args, cannot be reached now.
    #[error("{detail}")]
    Dependency {
        /// Which.
        code: Code,
        /// What happened.
        detail: String,
    },
    /// The kind must not run twice and the broker is not durable.
    #[error("a kind that is not repeatable needs a durable broker; this one is `fast`")]
    NotDurable,
    /// Stored bytes that this version cannot read.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(String),
}

impl BrokerError {
    /// The code to branch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) => Code::Unavailable,
            Self::OutcomeUnknown(_) => Code::OutcomeUnknown,
            Self::Moving => Code::Moving,
            Self::Full { .. } => Code::QueueFull,
            Self::Refused(_) => Code::BrokerRefused,
            Self::Cursor(_) => Code::RequestInvalid,
            Self::Locked(_) => Code::QueueLocked,
            Self::NotFound => Code::JobNotFound,
            Self::LeaseLost => Code::LeaseLost,
            Self::Conflict { code, .. } | Self::Dependency { code, .. } => *code,
            Self::NotDurable => Code::NotDurable,
            Self::Corrupt(_) => Code::Internal,
        }
    }
    /// True when the same call may succeed later, and repeating it is safe.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::OutcomeUnknown(_) | Self::Moving | Self::Full { .. } | Self::Dependency { .. })
    }
}
