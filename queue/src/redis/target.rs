//! Broker URLs: `redis://`, `rediss://`, `unix://`, `redis+cluster://h1,h2`, `redis+sentinel://h1,h2/master/db`, and the last two with
//! `rediss` for TLS. A user and a password before the hosts are those of the servers; Sentinels have theirs behind a question mark.

use super::RedisTls;
use crate::BrokerError;
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// Where a Sentinel listens when nothing is said.
const SENTINEL_PORT: u16 = 26_379;

/// Where the broker is.
#[derive(Debug)]
pub(super) enum Target {
    /// One server.
    Single(Box<ConnectionInfo>),
    /// Some masters of a cluster, to learn the others from.
    Cluster(Vec<ConnectionInfo>),
    /// Whoever the Sentinels say is the master.
    Sentinel(Box<Watched>),
}

/// A master that Sentinels watch.
#[derive(Debug)]
pub(super) struct Watched {
    /// As the Sentinels call it.
    pub(super) name: String,
    pub(super) sentinels: Vec<ConnectionInfo>,
    /// How to speak to whichever server is the master; its address is not one.
    pub(super) server: ConnectionInfo,
}

impl Target {
    /// # Errors
    /// [`BrokerError::Refused`] with what is allowed.
    pub(super) fn parse(url: &str, tls: &RedisTls) -> Result<Self, BrokerError> {
        let refused = |why: String| BrokerError::Refused(format!("broker URL: {why}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("it has no scheme".to_owned()))?;
        match scheme {
            "redis" | "rediss" | "unix" | "redis+unix" => info(url, tls).map(|info| Self::Single(Box::new(info))).map_err(refused),
            "redis+cluster" | "rediss+cluster" => {
                let scheme = scheme.trim_end_matches("+cluster");
                let (user, hosts) = user_and_rest(rest);
                let hosts = hosts.trim_end_matches('/');
                let one = |host: &str| info(&format!("{scheme}://{user}{host}/"), tls).map_err(refused);
                hosts.split(',').map(str::trim).map(one).collect::<Result<_, _>>().map(Self::Cluster)
            }
            "redis+sentinel" | "rediss+sentinel" => {
                let watched = watched(scheme.trim_end_matches("+sentinel"), rest, tls).map_err(refused)?;
                Ok(Self::Sentinel(Box::new(watched)))
            }
            other => Err(refused(format!("`{other}` is none of redis, rediss, unix, redis+cluster, redis+sentinel"))),
        }
    }
}

/// `user:password@h1:p,h2/name/db?sentinel_user=…&sentinel_password=…`.
fn watched(scheme: &str, rest: &str, tls: &RedisTls) -> Result<Watched, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, rest) = user_and_rest(rest);
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    let hosts = parts.next().unwrap_or_default();
    let name =
        parts.next().filter(|name| !name.is_empty()).ok_or("it names no master after the Sentinels: redis+sentinel://h1,h2/NAME/db")?;
    let server = info(&format!("{scheme}://{user}master.invalid/{}", parts.next().unwrap_or_default()), tls)?;
    let (mut own_user, mut own_password) = ("", "");
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("sentinel_user", value)) => own_user = value,
            Some(("sentinel_password", value)) => own_password = value,
            _ => return Err("behind the question mark only sentinel_user=… and sentinel_password=… may stand".to_owned()),
        }
    }
    let own = if own_password.is_empty() { String::new() } else { format!("{own_user}:{own_password}@") };
    let sentinels = hosts.split(',').map(str::trim).map(|host| {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
        info(&format!("{scheme}://{own}{host}{port}/"), tls)
    });
    Ok(Watched { name: name.to_owned(), sentinels: sentinels.collect::<Result<_, _>>()?, server })
}

/// `user:password@` or nothing, and what stands behind.
fn user_and_rest(rest: &str) -> (&str, &str) {
    rest.rfind('@').map_or(("", rest), |at| rest.split_at(at + 1))
}

fn info(url: &str, tls: &RedisTls) -> Result<ConnectionInfo, String> {
    // The message of the parser names the fault and not the password.
    let info = url.into_connection_info().map_err(|e| e.to_string())?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_lib_name("longshore", env!("CARGO_PKG_VERSION"));
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    encrypted(info.set_redis_settings(settings).set_tcp_settings(tcp), tls)
}

/// With our own CA and certificate, where TLS is spoken and they were given.
fn encrypted(info: ConnectionInfo, tls: &RedisTls) -> Result<ConnectionInfo, String> {
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) || (tls.ca.is_none() && tls.client.is_none()) {
        return Ok(info);
    }
    if let Some(ca) = &tls.ca {
        let certificates = CertificateDer::pem_slice_iter(ca).filter(Result::is_ok).count();
        if certificates == 0 {
            return Err("the file of CAs (redis.ca_file) holds no certificate in PEM form".to_owned());
        }
    }
    let client_tls = tls.client.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let certificates = TlsCertificates { client_tls, root_cert: tls.ca.clone() };
    let client = Client::build_with_tls(info, certificates).map_err(|e| e.to_string())?;
    Ok(client.get_connection_info().clone())
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

    fn parse(url: &str) -> Result<Target, BrokerError> {
        Target::parse(url, &RedisTls::default())
    }

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn urls_are_read_and_refused_with_a_reason() {
        assert!(matches!(parse("redis://:pass@h:1/3"), Ok(Target::Single(_))));
        assert!(matches!(parse("unix:///tmp/redis.sock?db=1"), Ok(Target::Single(_))));
        let Ok(Target::Cluster(nodes)) = parse("redis+cluster://user:p@h1:7001,h2:7002") else { panic!("a cluster") };
        assert_eq!(addresses(&nodes), ["h1:7001", "h2:7002"]);
        assert!(parse("http://h").is_err());
    }

    #[test]
    fn sentinels_and_servers_have_their_own_passwords() {
        let url = "redis+sentinel://jobs:p%40ss@h1,h2:5,[::1]/main/3?sentinel_user=watch&sentinel_password=s%2Fx";
        let Ok(Target::Sentinel(watched)) = parse(url) else { panic!("Sentinels") };
        assert_eq!(watched.name, "main");
        assert_eq!(addresses(&watched.sentinels), ["h1:26379", "h2:5", "::1:26379"]);
        let server = watched.server.redis_settings();
        assert_eq!((server.username(), server.password(), server.db()), (Some("jobs"), Some("p@ss"), 3));
        for sentinel in &watched.sentinels {
            let own = sentinel.redis_settings();
            assert_eq!((own.username(), own.password(), own.db()), (Some("watch"), Some("s/x"), 0));
        }
    }

    #[test]
    fn with_rediss_everybody_speaks_tls() {
        let Ok(Target::Sentinel(watched)) = parse("rediss+sentinel://h1/main") else { panic!("Sentinels") };
        let Ok(Target::Cluster(nodes)) = parse("rediss+cluster://h1,h2:7") else { panic!("a cluster") };
        let all = watched.sentinels.iter().chain([&watched.server]).chain(&nodes);
        assert!(all.clone().count() == 4 && all.clone().all(|info| matches!(info.addr(), ConnectionAddr::TcpTls { insecure: false, .. })));
        assert!(matches!(moved_to(&watched.server, "h9", 1).addr(), ConnectionAddr::TcpTls { host, .. } if host == "h9"));
    }

    #[test]
    fn what_a_sentinel_url_lacks_is_told() {
        for (url, said) in [
            ("redis+sentinel://h1,h2", "names no master"),
            ("redis+sentinel://h1//0", "names no master"),
            ("redis+sentinel://h1/main/x", "database"),
            ("redis+sentinel://h1/main?password=hidden", "sentinel_password"),
        ] {
            let told = parse(url).expect_err(url).to_string();
            assert!(told.contains(said) && !told.contains("hidden"), "{url}: {told}");
        }
    }

    #[test]
    fn a_file_of_cas_without_any_is_refused() {
        let tls = RedisTls { ca: Some(b"no certificate".to_vec()), client: None };
        let told = Target::parse("rediss://h", &tls).expect_err("no CA").to_string();
        assert!(told.contains("redis.ca_file"), "{told}");
    }
}
