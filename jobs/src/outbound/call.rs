//! One call to the outside: what is sent, what is answered, and why there is no answer.

use super::{Method, StatusCode, header::HeaderMap};
use std::time::Duration;

/// One request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    /// A redirect to another host takes only those along that `redirect.rs` lists.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// More of the answer's body, decompressed, is not read.
    pub(crate) bytes_max: usize,
    /// Statuses that are answers even where they lead elsewhere.
    pub(crate) stay_at: &'a [u16],
    /// From the start to the last byte, redirects included.
    pub(crate) time_max: Duration,
}

/// Its answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// There was more than `bytes_max`.
    pub(crate) truncated: bool,
}

/// Why there is none. The texts are safe to show to whoever chose the address: none says what is behind it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The URL is none, or is written in a way that hides where it leads.
    #[error("the URL cannot be used: {0}")]
    Unusable(String),
    /// The rule that forbids the address; never the address itself.
    #[error("the address is refused: {0}; --allow-outbound opens networks")]
    Refused(&'static str),
    /// An answer leads to where nothing is called.
    #[error("the redirect is not followed: {0}")]
    Redirect(String),
    /// The connection could not be made, broke, or took too long.
    #[error("{0}")]
    Failed(String),
}

impl CallError {
    /// The same, of an address that an answer led to.
    pub(super) fn of_redirect(self) -> Self {
        match self {
            Self::Unusable(_) | Self::Refused(_) => Self::Redirect(self.to_string()),
            Self::Redirect(_) | Self::Failed(_) => self,
        }
    }
}
