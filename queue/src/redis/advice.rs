//! What a server's error means for the call: repeat it, elsewhere or later, or give up with which error.

use super::node::Failure;
use crate::BrokerError;
use std::time::Duration;

/// What a server's error asks for.
pub(super) enum Advice {
    /// Load the script and repeat.
    Load,
    /// The slot is another node's now.
    Moved(String),
    /// This call goes to another node.
    Ask(String),
    /// Repeat a little later; `true`: because a slot moves.
    Later(bool),
    /// Give up.
    Stop,
}

/// What to do after this failure.
pub(super) fn advice(failure: &Failure) -> Advice {
    let Failure::Server { code, detail } = failure else { return Advice::Stop };
    let address = || detail.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
    match code.as_str() {
        "NOSCRIPT" => Advice::Load,
        "MOVED" => Advice::Moved(address()),
        "ASK" => Advice::Ask(address()),
        "TRYAGAIN" => Advice::Later(true),
        // READONLY: it was the master. NOREPLICAS: it may be cut off from the others, and another one be the master soon.
        "CLUSTERDOWN" | "MASTERDOWN" | "LOADING" | "BUSY" | "READONLY" | "NOREPLICAS" => Advice::Later(false),
        // A script touched a key that is on the other node; it has written nothing.
        _ if detail.contains("Script attempted to") || detail.contains("non local key") => Advice::Later(true),
        _ => Advice::Stop,
    }
}

/// The error of a call that is not repeated.
pub(super) fn plain(failure: Failure) -> BrokerError {
    match failure {
        Failure::NotSent(text) => BrokerError::Unavailable(text),
        Failure::Unknown(text) => BrokerError::OutcomeUnknown(text),
        // MISCONF: the server cannot write to its disk, and so takes no writes.
        Failure::Server { code, detail } if matches!(code.as_str(), "OOM" | "MISCONF") => {
            BrokerError::Full { detail, retry_after: Duration::from_secs(2) }
        }
        Failure::Server { code, detail } => BrokerError::Refused(format!("{code} {detail}")),
    }
}

/// The error of a call that was repeated until its time was over; the server did nothing each time.
pub(super) fn given_up(failure: Failure) -> BrokerError {
    match failure {
        Failure::Server { code, detail } => BrokerError::Unavailable(format!("{code} {detail}")),
        other => plain(other),
    }
}
