//! Names to addresses, inside the connector: each address is checked after the resolution, and the connection is made to
//! an address that passed. A name that answers differently the second time gains nothing.

use super::address::Rules;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{fmt, io, net::SocketAddr, sync::Arc};

/// Asks for the addresses of a host.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The machine's resolver.
pub(super) fn system() -> Lookup {
    Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }))
}

/// Every address of the host is behind this rule.
#[derive(Debug, thiserror::Error)]
#[error("refused: {0}")]
pub(super) struct Refused(pub(super) &'static str);

pub(super) struct Resolver {
    rules: Arc<Rules>,
    lookup: Lookup,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Resolver {
    pub(super) fn new(rules: Arc<Rules>, lookup: Lookup) -> Self {
        Self { rules, lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, found) = (Arc::clone(&self.rules), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let mut refused = None;
            let mut passed = Vec::new();
            for address in found.await? {
                match rules.check(address.ip()) {
                    Ok(()) => passed.push(address),
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
