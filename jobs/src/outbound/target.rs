//! A URL that a tenant chose, read once, by one parser, and refused where its writing hides where it leads.

use super::CallError;
use std::net::IpAddr;
use url::{Host, Position, Url};

const LENGTH_MAX: usize = 8 * 1024;

/// A URL that may be called if its addresses may be reached.
#[derive(Debug, Clone)]
pub(super) struct Target {
    url: Url,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, CallError> {
        legible(text)?;
        let Some((scheme, rest)) = text.split_once("://") else { return no("it does not start with http:// or https://") };
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return no("only http:// and https:// are called");
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return no("it has no host");
        }
        if authority.contains('@') {
            return no("it has a user name or a password; use a header");
        }
        if authority.contains('%') {
            return no("its host is written with percent signs");
        }
        let mut url = Url::parse(text).map_err(|e| CallError::Unusable(e.to_string()))?;
        match url.host() {
            // 127.1, 0x7f.1, 0177.0.0.1, 2130706433, 127.0.0.1. and digits of other scripts are all the same address to a parser.
            Some(Host::Ipv4(ip)) if host_of(authority) != ip.to_string() => {
                return no("an IPv4 address has four decimal numbers without leading zeros");
            }
            // Letters that look like others, or like nothing, and become them.
            Some(Host::Domain(host)) if !authority.is_ascii() && !host.split('.').any(|label| label.starts_with("xn--")) => {
                return no("its host is written in letters that stand for others");
            }
            Some(_) => {}
            None => return no("it has no host"),
        }
        url.set_fragment(None);
        Ok(Self { url })
    }

    /// The target that an answer of this one names: a URL of its own, or a path here.
    pub(super) fn led_to(&self, location: &str) -> Result<Self, CallError> {
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.url.scheme()));
        }
        let before_path = location.split(['/', '?', '#']).next().unwrap_or_default();
        if before_path.contains(':') {
            return Self::parse(location);
        }
        legible(location)?;
        let mut url = self.url.join(location).map_err(|e| CallError::Unusable(e.to_string()))?;
        if url[..Position::BeforePath] != self.url[..Position::BeforePath] {
            return no("it is no path, and no URL either");
        }
        url.set_fragment(None);
        Ok(Self { url })
    }

    /// Whether what was meant for this target may go to the other one: the same host and port, or the same host's port for HTTPS.
    pub(super) fn is_party(&self, other: &Self) -> bool {
        let upgrade = (self.url.scheme(), self.port(), other.url.scheme(), other.port()) == ("http", 80, "https", 443);
        self.url.host() == other.url.host() && (upgrade || (self.url.scheme() == other.url.scheme() && self.port() == other.port()))
    }

    /// The address, where the host is one: no resolver will see it.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        }
    }

    /// The port that is called, written or not.
    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }
}

/// The URL standard drops tabs and line ends, and takes \ for /: forms that another reader would read otherwise.
fn legible(text: &str) -> Result<(), CallError> {
    if text.len() > LENGTH_MAX {
        return no("it is longer than 8192 bytes");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return no("it has a space, a backslash or a control character");
    }
    Ok(())
}

/// The part before the port.
fn host_of(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn no<T>(why: &str) -> Result<T, CallError> {
    Err(CallError::Unusable(why.to_owned()))
}
