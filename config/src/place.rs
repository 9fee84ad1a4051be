//! Where jobs, records and files live: the addresses that an operator may name, parsed once, here.

use crate::Secret;
use std::path::{Path, PathBuf};
use url::Url;

/// What may stand in `broker`.
pub(crate) const BROKER: &str = "sqlite:PATH · redis://[user:password@]host[:port][/db] · rediss://… · unix:///path.sock[?db=N] · redis+cluster://host[:port],host[:port]";
/// What may stand in `store`.
pub(crate) const STORE: &str = "sqlite:PATH · postgres://[user:password@]host[:port]/database";
/// What may stand in `files`.
pub(crate) const FILES: &str = "file:///folder · s3://bucket[/prefix]";

/// Where jobs live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerPlace {
    /// One file, owned by one process.
    Sqlite(PathBuf),
    /// One server (`redis://`, `rediss://`, `unix://`) or a cluster (`redis+cluster://` with the nodes to begin with).
    Redis(Secret<String>),
}

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// One file; several processes of one machine may share it.
    Sqlite(PathBuf),
    /// A `postgres://` address.
    Postgres(Secret<String>),
}

/// Where files live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesPlace {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket and a prefix without slashes at its ends.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// Empty: the whole bucket.
        prefix: String,
    },
}

impl BrokerPlace {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that follows the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = sqlite(text)? {
            return Ok(Self::Sqlite(path));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| "has no scheme that is known".to_owned())?;
        match scheme {
            "redis" | "rediss" => {
                server(text)?;
                Ok(Self::Redis(Secret::new(text.to_owned())))
            }
            "unix" if rest.starts_with('/') => Ok(Self::Redis(Secret::new(text.to_owned()))),
            "unix" => Err("names no absolute path of a socket".into()),
            "redis+cluster" => {
                cluster(rest)?;
                Ok(Self::Redis(Secret::new(text.to_owned())))
            }
            "redis+sentinel" => {
                Err("asks for Sentinel, which is not supported yet; name the master itself, or use redis+cluster://".into())
            }
            _ => Err("has no scheme that is known".into()),
        }
    }

    /// True for the broker that one process owns.
    #[must_use]
    pub const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

impl StorePlace {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that follows the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = sqlite(text)? {
            return Ok(Self::Sqlite(path));
        }
        let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err("has no scheme that is known".into());
        }
        if url.path().trim_matches('/').is_empty() {
            return Err("names no database".into());
        }
        Ok(Self::Postgres(Secret::new(text.to_owned())))
    }

    /// The address as the store opens it, password included.
    #[must_use]
    pub fn address(&self) -> Secret<String> {
        match self {
            Self::Sqlite(path) => Secret::new(format!("sqlite:{}", path.display())),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl FilesPlace {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that follows the value.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("file://") {
            let absolute = path.starts_with('/');
            return if absolute { Ok(Self::Folder(path.into())) } else { Err("names no absolute folder after file://".into()) };
        }
        let rest = text.strip_prefix("s3://").ok_or_else(|| "has no scheme that is known".to_owned())?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("names no bucket".into());
        }
        Ok(Self::S3 { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
    }
}

impl std::fmt::Display for BrokerPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Redis(url) => f.write_str(&redacted(url.expose())),
        }
    }
}
impl std::fmt::Display for StorePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&redacted(url.expose())),
        }
    }
}
impl std::fmt::Display for FilesPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// `text` with what may be a password replaced: between the user's name and the last `@`, and in `password=`.
/// Works on addresses that are not well-formed too, since those are the ones that get reported.
#[must_use]
pub fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or((String::new(), text), |(scheme, rest)| (format!("{scheme}://"), rest));
    let is_path = text.starts_with("sqlite:") || text.starts_with("file:");
    let user = rest.rsplit_once('@').filter(|_| !is_path).and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
    let mut out = user.map_or_else(|| text.to_owned(), |(name, host)| format!("{scheme}{name}:***@{host}"));
    for name in ["password=", "pass=", "secret="] {
        if let Some(at) = out.to_ascii_lowercase().find(name) {
            let start = at + name.len();
            let end = out[start..].find('&').map_or(out.len(), |n| start + n);
            out.replace_range(start..end, "***");
        }
    }
    out
}

fn sqlite(text: &str) -> Result<Option<PathBuf>, String> {
    let Some(path) = text.strip_prefix("sqlite:") else { return Ok(None) };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err("names no file after sqlite:".into());
    }
    Ok(Some(Path::new(path).to_owned()))
}

fn server(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no host".into());
    }
    let db = url.path().trim_matches('/');
    if !db.is_empty() && db.parse::<u32>().is_err() {
        return Err(format!("names the database {db:?}, which is not a number"));
    }
    Ok(())
}

fn cluster(rest: &str) -> Result<(), String> {
    let (user, hosts) = rest.rsplit_once('@').map_or((String::new(), rest), |(user, hosts)| (format!("{user}@"), hosts));
    let hosts = hosts.trim_end_matches('/');
    if hosts.contains('/') {
        return Err("names a database, and a cluster has only one".into());
    }
    hosts
        .split(',')
        .try_for_each(|host| server(&format!("redis://{user}{}", host.trim())).map_err(|detail| format!("{detail} in {host:?}")))
}
