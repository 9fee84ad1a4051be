//! The one way out: every call to an address that a tenant chose goes through here.

use ipnet::IpNet;
use std::sync::Arc;

/// The outbound HTTP client. One per process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {
    allow: Arc<[IpNet]>,
}

impl Outbound {
    /// A client that may also reach the networks in `allow` although they are private (`--allow-outbound`).
    #[must_use]
    pub fn new(allow: impl Into<Arc<[IpNet]>>) -> Self {
        Self { allow: allow.into() }
    }
}
