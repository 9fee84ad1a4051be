//! Broker URLs: `redis://`, `rediss://`, `unix://`, `redis+cluster://h1,h2`.

use crate::BrokerError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// Where the broker is.
#[derive(Debug)]
pub(super) enum Target {
    /// One server.
    Single(Box<ConnectionInfo>),
    /// Some masters of a cluster, to learn the others from.
    Cluster(Vec<ConnectionInfo>),
}

impl Target {
    /// # Errors
    /// [`BrokerError::Refused`] with what is allowed.
    pub(super) fn parse(url: &str) -> Result<Self, BrokerError> {
        let refused = |why: String| BrokerError::Refused(format!("broker URL: {why}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("it has no scheme".to_owned()))?;
        match scheme {
            "redis" | "rediss" | "unix" | "redis+unix" => info(url).map(|info| Self::Single(Box::new(info))).map_err(refused),
            "redis+cluster" | "rediss+cluster" => {
                let scheme = scheme.trim_end_matches("+cluster");
                let (user, hosts) = rest.rsplit_once('@').map_or(("", rest), |(user, hosts)| (user, hosts));
                let at = if user.is_empty() { "" } else { "@" };
                let hosts = hosts.trim_end_matches('/');
                let one = |host: &str| info(&format!("{scheme}://{user}{at}{host}/")).map_err(refused);
                hosts.split(',').map(str::trim).map(one).collect::<Result<_, _>>().map(Self::Cluster)
            }
            "redis+sentinel" | "rediss+sentinel" => {
                Err(refused("Sentinel is not supported by this version; name the master with redis:// or use redis+cluster://".to_owned()))
            }
            other => Err(refused(format!("`{other}` is none of redis, rediss, unix, redis+cluster"))),
        }
    }
}

fn info(url: &str) -> Result<ConnectionInfo, String> {
    // The message of the parser names the fault and not the password.
    let info = url.into_connection_info().map_err(|e| e.to_string())?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_lib_name("longshore", env!("CARGO_PKG_VERSION"));
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

/// The same way of connecting to another address.
pub(super) fn moved_to(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let addr = match info.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    };
    info.clone().set_addr(addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_refused_with_a_reason() {
        assert!(matches!(Target::parse("redis://:pass@h:1/3"), Ok(Target::Single(_))));
        assert!(matches!(Target::parse("unix:///tmp/redis.sock?db=1"), Ok(Target::Single(_))));
        let Ok(Target::Cluster(nodes)) = Target::parse("redis+cluster://user:p@h1:7001,h2:7002") else { panic!("a cluster") };
        assert_eq!(nodes.iter().map(|n| n.addr().to_string()).collect::<Vec<_>>(), ["h1:7001", "h2:7002"]);
        assert!(Target::parse("redis+sentinel://h/master/0").unwrap_err().to_string().contains("Sentinel"));
        assert!(Target::parse("http://h").is_err());
    }
}
