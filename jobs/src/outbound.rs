//! The one way out: every call to an address that a tenant chose goes through here. Read `address.rs` for what may be reached, `target.rs`
//! for how a URL is read, `resolver.rs` for why a name cannot lead elsewhere after the check, `redirect.rs` for where an answer may lead.
//!
//! No proxy from the environment, no cookies, no repeats: one call here is at most one request at each address that redirects lead to.

mod address;
mod call;
mod redirect;
mod resolver;
mod target;
mod traced;

pub(crate) use call::{Call, CallError, Reply};
pub(crate) use reqwest::{Method, StatusCode, header};
pub(crate) use traced::name as name_trace;

use address::Rules;
use ipnet::IpNet;
use redirect::Hop;
use resolver::Resolver;
use std::{
    error::Error,
    sync::{Arc, Once, OnceLock},
    time::Duration,
};

/// How long making a connection may take, name resolution included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Connections kept open per host, and how long.
const IDLE_MAX: usize = 64;
const IDLE_FOR: Duration = Duration::from_secs(30);
/// So many redirects are followed; one more ends the call.
const REDIRECTS_MAX: usize = 3;

/// The outbound HTTP client. One per process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rules: Arc<Rules>,
    /// For the ports that everybody may call.
    usual: Client,
    /// For the other ones: it resolves to nothing but what the operator opened.
    opened: Client,
}

/// A client made on first use: reading the machine's certificates takes a moment that most processes need not spend.
#[derive(Debug)]
struct Client {
    resolver: Arc<Resolver>,
    made: OnceLock<Result<reqwest::Client, String>>,
}

/// Makes ring the process's source of cryptography for TLS. Called where the first TLS client is made; may be called again.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    // An error says that somebody chose one before; theirs is as good.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

impl Outbound {
    /// A client that may also reach the networks in `allow`, on every port, although they are private (`--allow-outbound`).
    #[must_use]
    pub fn new(allow: impl Into<Arc<[IpNet]>>) -> Self {
        Self::with(Rules::new(allow.into()), resolver::system())
    }

    fn with(rules: Rules, lookup: resolver::Lookup) -> Self {
        let rules = Arc::new(rules);
        let client = |usual_port| Client {
            resolver: Arc::new(Resolver::new(Arc::clone(&rules), usual_port, Arc::clone(&lookup))),
            made: OnceLock::new(),
        };
        Self { inner: Arc::new(Inner { usual: client(true), opened: client(false), rules }) }
    }

    /// Sends one request, and goes where its answer redirects to.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let time_max = call.time_max;
        tokio::time::timeout(time_max, self.follow(call))
            .await
            .unwrap_or_else(|_| Err(CallError::Failed(format!("no complete answer within {} ms", time_max.as_millis()))))
    }

    async fn follow(&self, call: Call<'_>) -> Result<Reply, CallError> {
        let (bytes_max, stay_at) = (call.bytes_max, call.stay_at);
        let mut hop = Hop::first(call)?;
        let mut response = self.exchange(&hop).await?;
        for _ in 0..REDIRECTS_MAX {
            let Some(next) = hop.next(&response, stay_at)? else { return receive(response, bytes_max).await };
            hop = next;
            response = self.exchange(&hop).await.map_err(CallError::of_redirect)?;
        }
        match hop.next(&response, stay_at)? {
            None => receive(response, bytes_max).await,
            Some(_) => Err(CallError::Redirect(format!("there are more than {REDIRECTS_MAX} in a row"))),
        }
    }

    async fn exchange(&self, hop: &Hop) -> Result<reqwest::Response, CallError> {
        let rules = &self.inner.rules;
        let usual_port = rules.is_usual(hop.target.port());
        if let Some(ip) = hop.target.ip() {
            rules.check(ip, usual_port).map_err(CallError::Refused)?;
        }
        let client = if usual_port { &self.inner.usual } else { &self.inner.opened };
        let (client, url, mut headers) = (client.get()?, hop.target.url(), hop.headers.clone());
        let span = traced::begin(&hop.method, url, &mut headers);
        let mut request = client.request(hop.method.clone(), url.clone()).headers(headers);
        if let Some(body) = &hop.body {
            request = request.body(body.clone());
        }
        let answer = request.send().await.map_err(|e| told(&e));
        traced::end(&span, &answer);
        answer
    }
}

impl Client {
    fn get(&self) -> Result<&reqwest::Client, CallError> {
        let made = self.made.get_or_init(|| {
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
                    .dns_resolver(Arc::clone(&self.resolver))
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

/// Reads the body as it comes out of its content encoding, so that a small answer cannot become a large one here.
async fn receive(mut response: reqwest::Response, bytes_max: usize) -> Result<Reply, CallError> {
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

/// What may be told of a client's error: a refused address by its rule, a URL that is none to the client, everything else by the kind of
/// fault and its root.
fn told(error: &reqwest::Error) -> CallError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(resolver::Refused(rule)) = inner.downcast_ref() {
            return CallError::Refused(rule);
        }
        source = inner.source();
    }
    if error.is_builder() {
        return CallError::Unusable(root(error));
    }
    let what = match () {
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
