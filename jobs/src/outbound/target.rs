//! A URL that a tenant chose, read once, by one parser, and refused where its writing hides where it leads.

use super::CallError;
use std::net::IpAddr;
use url::{Host, Url};

const LENGTH_MAX: usize = 8 * 1024;

/// A URL that may be called if its addresses may be reached.
#[derive(Debug)]
pub(super) struct Target {
    url: Url,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, CallError> {
        let no = |why: &str| Err(CallError::Unusable(why.to_owned()));
        if text.len() > LENGTH_MAX {
            return no("it is longer than 8192 bytes");
        }
        // The URL standard drops tabs and line ends, and takes \ for /: forms that another reader would read otherwise.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return no("it has a space, a backslash or a control character");
        }
        let Some((scheme, rest)) = text.split_once("://") else { return no("it does not start with http:// or https://") };
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return no("only http:// and https:// are called");
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return no("it has a user name or a password; use a header");
        }
        let url = Url::parse(text).map_err(|e| CallError::Unusable(e.to_string()))?;
        if let Some(Host::Ipv4(ip)) = url.host() {
            let written = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            if written != ip.to_string() {
                return no("an IPv4 address has four decimal numbers without leading zeros");
            }
        }
        Ok(Self { url })
    }

    /// The address, where the host is one: no resolver will see it.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        }
    }

    pub(super) fn into_url(self) -> Url {
        self.url
    }
}
