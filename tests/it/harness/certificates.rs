//! A certificate authority of the test's own, and servers that speak TLS with what it signs.

use super::{folder, redis::Redis};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use std::path::{Path, PathBuf};

/// A CA, and files with what it signed.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// Files in PEM form.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// A new one, which nobody knows.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, format!("CA {}", super::free_port()));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
        let authority = Self { issuer, folder: folder("certificates") };
        std::fs::write(authority.file(), authority.issuer.pem()).expect("written");
        authority
    }

    /// Its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for these names and addresses.
    pub(crate) fn sign(&self, file: &str, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let cert = CertificateParams::new(names).expect("names").signed_by(&key, &self.issuer).expect("signed");
        let pair = Pair { cert: self.folder.join(format!("{file}.pem")), key: self.folder.join(format!("{file}.key")) };
        std::fs::write(&pair.cert, cert.pem()).expect("written");
        std::fs::write(&pair.key, key.serialize_pem()).expect("written");
        pair
    }
}

/// A server that also speaks TLS on a port of its own.
#[derive(Debug)]
pub(crate) struct Encrypted {
    pub(crate) redis: Redis,
    pub(crate) port: u16,
}

impl Encrypted {
    /// `clients`: `no`, `optional` or `yes`, whether it asks for their certificates.
    pub(crate) async fn start(own: &Pair, ca: &Path, clients: &str, more: &[&str]) -> Self {
        let port = super::free_port();
        let text = |path: &Path| path.display().to_string();
        let (tls_port, cert, key, ca) = (port.to_string(), text(&own.cert), text(&own.key), text(ca));
        let tls = [
            ["--tls-port", &tls_port],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", clients],
        ];
        Self { redis: Redis::start(&[tls.as_flattened(), more].concat()).await, port }
    }
}
