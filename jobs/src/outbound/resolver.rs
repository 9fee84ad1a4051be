//! Names to addresses, inside the connector: each address is checked after the resolution, and the connection is made to
//! an address that passed. A name that answers differently the second time gains nothing.

use super::address::Rules;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Asks for the addresses of a host.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The machine's resolver.
pub(super) fn system() -> Lookup {
    Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) }))
}

/// Every address of the host is behind this rule.
#[derive(Debug, thiserror::Error)]
#[error("refused: {0}")]
pub(super) struct Refused(pub(super) &'static str);

pub(super) struct Resolver {
    rules: Arc<Rules>,
    /// Whether it is asked for calls of the ports that everybody may call.
    usual_port: bool,
    lookup: Lookup,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("rules", &self.rules).field("usual_port", &self.usual_port).finish_non_exhaustive()
    }
}

impl Resolver {
    pub(super) fn new(rules: Arc<Rules>, usual_port: bool, lookup: Lookup) -> Self {
        Self { rules, usual_port, lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, usual_port) = (Arc::clone(&self.rules), self.usual_port);
        // What no address could pass is not even asked for.
        if let Err(rule) = rules.check_port(usual_port) {
            return Box::pin(async move { Err::<Addrs, Box<dyn Error + Send + Sync>>(Refused(rule).into()) });
        }
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let mut refused = None;
            let mut passed = Vec::new();
            for ip in found.await? {
                match rules.check(ip, usual_port) {
                    // Port 0: the connector puts in the one that is called.
                    Ok(()) => passed.push(SocketAddr::new(ip, 0)),
                    Err(rule) => refused = Some(rule),
                }
            }
            match refused {
                Some(rule) if passed.is_empty() => Err(Refused(rule).into()),
                _ => Ok(Box::new(passed.into_iter()) as Addrs),
            }
        })
    }
}
