//! The one way out: every call to an address that a tenant chose goes through here. Read `address.rs` for what may be
//! reached, `target.rs` for how a URL is read, `resolver.rs` for why a name cannot lead elsewhere after the check.
//!
//! No proxy from the environment, no redirects, no repeats: one call here is at most one request out there.

mod address;
mod resolver;
mod target;

use address::Rules;
use ipnet::IpNet;
use reqwest::header::HeaderMap;
use resolver::Resolver;
use std::{
    error::Error,
    sync::{Arc, Once, OnceLock},
    time::Duration,
};
use target::Target;

pub(crate) use reqwest::{Method, StatusCode, header};

/// How long making a connection may take, name resolution included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Connections kept open per host, and how long.
const IDLE_MAX: usize = 64;
const IDLE_FOR: Duration = Duration::from_secs(30);

/// The outbound HTTP client. One per process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rules: Arc<Rules>,
    resolver: Arc<Resolver>,
    /// Made on first use: reading the machine's certificates takes a moment that most processes need not spend.
    client: OnceLock<Result<reqwest::Client, String>>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// More of the answer's body, decompressed, is not read.
    pub(crate) bytes_max: usize,
    /// From the start to the last byte.
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

/// Why there is none. The texts are safe to show to whoever chose the address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The URL is none, or is written in a way that hides where it leads.
    #[error("the URL cannot be used: {0}")]
    Unusable(String),
    /// The rule that forbids the address; never the address itself.
    #[error("the address is refused: {0}; --allow-outbound opens networks")]
    Refused(&'static str),
    /// The connection could not be made, broke, or took too long.
    #[error("{0}")]
    Failed(String),
}

/// Makes ring the process's source of cryptography for TLS. Called where the first TLS client is made; may be called again.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    // An error says that somebody chose one before; theirs is as good.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

impl Outbound {
    /// A client that may also reach the networks in `allow` although they are private (`--allow-outbound`).
    #[must_use]
    pub fn new(allow: impl Into<Arc<[IpNet]>>) -> Self {
        Self::resolving(allow, resolver::system())
    }

    fn resolving(allow: impl Into<Arc<[IpNet]>>, lookup: resolver::Lookup) -> Self {
        let rules = Arc::new(Rules::new(allow.into()));
        let resolver = Arc::new(Resolver::new(Arc::clone(&rules), lookup));
        Self { inner: Arc::new(Inner { rules, resolver, client: OnceLock::new() }) }
    }

    /// Sends one request, at most once.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let target = Target::parse(call.url)?;
        if let Some(ip) = target.ip() {
            self.inner.rules.check(ip).map_err(CallError::Refused)?;
        }
        let client = self.client()?;
        let mut request = client.request(call.method, target.into_url()).headers(call.headers);
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let time_max = call.time_max;
        tokio::time::timeout(time_max, receive(request, call.bytes_max))
            .await
            .unwrap_or_else(|_| Err(CallError::Failed(format!("no complete answer within {} ms", time_max.as_millis()))))
    }

    fn client(&self) -> Result<&reqwest::Client, CallError> {
        let made = self.inner.client.get_or_init(|| {
            install_tls();
            let builder = || {
                reqwest::Client::builder()
                    .no_proxy()
                    .redirect(reqwest::redirect::Policy::none())
                    .retry(reqwest::retry::never())
                    .referer(false)
                    .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
                    .connect_timeout(CONNECT_MAX)
                    .pool_max_idle_per_host(IDLE_MAX)
                    .pool_idle_timeout(IDLE_FOR)
                    .dns_resolver(Arc::clone(&self.inner.resolver))
            };
            builder().build().or_else(|error| {
                // A machine without certificates can still call plain HTTP; over HTTPS it trusts nobody.
                tracing::warn!("the machine's TLS certificates cannot be read, so no https:// target is trusted: {}", root(&error));
                builder().tls_certs_only([]).build().map_err(|e| root(&e))
            })
        });
        made.as_ref().map_err(|e| CallError::Failed(format!("the HTTP client cannot be made: {e}")))
    }
}

async fn receive(request: reqwest::RequestBuilder, bytes_max: usize) -> Result<Reply, CallError> {
    let mut response = request.send().await.map_err(|e| told(&e))?;
    let (mut body, mut truncated) = (Vec::new(), false);
    while let Some(chunk) = response.chunk().await.map_err(|e| told(&e))? {
        let room = bytes_max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Reply { status: response.status(), headers: std::mem::take(response.headers_mut()), body, truncated })
}

/// What may be told of a client's error: a refused address by its rule, everything else by the kind of fault and its root.
fn told(error: &reqwest::Error) -> CallError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(resolver::Refused(rule)) = inner.downcast_ref() {
            return CallError::Refused(rule);
        }
        source = inner.source();
    }
    let what = match () {
        () if error.is_builder() => "the request could not be built",
        () if error.is_timeout() => "the connection took too long",
        () if error.is_connect() => "the connection could not be made",
        () if error.is_body() || error.is_decode() => "the answer broke off",
        () => "the connection broke",
    };
    CallError::Failed(format!("{what}: {}", root(error)))
}

fn root(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

#[cfg(test)]
pub(crate) mod tests;
