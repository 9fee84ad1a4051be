//! Where jobs, records and files live: the addresses that an operator may name, parsed once, here.

use crate::Secret;
use std::path::{Path, PathBuf};
use url::Url;

/// What may stand in `broker`.
pub(crate) const BROKER: &str = "sqlite:PATH · redis://[user:password@]host[:port][/db] · rediss://… · unix:///path.sock[?db=N] · redis+cluster://host[:port],host[:port] · redis+sentinel://host[:port],host[:port]/master[/db]";
/// What may stand in `store`.
pub(crate) const STORE: &str = "sqlite:PATH · postgres://[user:password@]host[:port]/database";
/// What may stand in `files`.
pub(crate) const FILES: &str = "file:///folder · s3://bucket[/prefix]";

/// Where jobs live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerPlace {
    /// One file, owned by one process.
    Sqlite(PathBuf),
    /// One server (`redis://`, `rediss://`, `unix://`), a cluster (`redis+cluster://` with the nodes to begin with), or a master that
    /// Sentinels name (`redis+sentinel://`).
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
            "redis+cluster" | "rediss+cluster" => {
                cluster(rest)?;
                Ok(Self::Redis(Secret::new(text.to_owned())))
            }
            "redis+sentinel" | "rediss+sentinel" => {
                sentinel(rest)?;
                Ok(Self::Redis(Secret::new(text.to_owned())))
            }
            _ => Err("has no scheme that is known".into()),
        }
    }

    /// True where the address asks for TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Redis(url) if url.expose().starts_with("rediss"))
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
    /// The address as files are opened: that of a folder is absolute.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Folder(path) => format!("file://{}", std::path::absolute(path).unwrap_or_else(|_| path.clone()).display()),
            Self::S3 { .. } => self.to_string(),
        }
    }

    /// True for a folder, which other machines see only if it is shared.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

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
    // What is behind a question mark first: it may hold an `@` too.
    let mut out = text.to_owned();
    for name in ["password=", "pass=", "secret="] {
        if let Some(at) = out.to_ascii_lowercase().find(name) {
            let start = at + name.len();
            let end = out[start..].find('&').map_or(out.len(), |n| start + n);
            out.replace_range(start..end, "***");
        }
    }
    let (scheme, rest) = out.split_once("://").map_or((String::new(), out.as_str()), |(scheme, rest)| (format!("{scheme}://"), rest));
    let is_path = text.starts_with("sqlite:") || text.starts_with("file:");
    let user = rest.rsplit_once('@').filter(|_| !is_path).and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
    user.map_or_else(|| out.clone(), |(name, host)| format!("{scheme}{name}:***@{host}"))
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
    let (user, list) = rest.rsplit_once('@').map_or((String::new(), rest), |(user, hosts)| (format!("{user}@"), hosts));
    let list = list.trim_end_matches('/');
    if list.contains('/') {
        return Err("names a database, and a cluster has only one".into());
    }
    hosts(&user, list)
}

/// `user:password@h1,h2/master/db?sentinel_user=…&sentinel_password=…`.
fn sentinel(rest: &str) -> Result<(), String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let known = |part: &str| part.split_once('=').is_some_and(|(name, _)| matches!(name, "sentinel_user" | "sentinel_password"));
    if query.split('&').any(|part| !part.is_empty() && !known(part)) {
        return Err("has something behind the question mark that is neither sentinel_user=… nor sentinel_password=…".into());
    }
    let (user, rest) = rest.rsplit_once('@').map_or((String::new(), rest), |(user, rest)| (format!("{user}@"), rest));
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    hosts(&user, parts.next().unwrap_or_default())?;
    if parts.next().is_none_or(str::is_empty) {
        return Err("names no master behind the Sentinels".into());
    }
    match parts.next() {
        Some(db) if db.parse::<u32>().is_err() => Err(format!("names the database {db:?}, which is not a number")),
        _ => Ok(()),
    }
}

fn hosts(user: &str, list: &str) -> Result<(), String> {
    list.split(',').try_for_each(|host| server(&format!("redis://{user}{}", host.trim())).map_err(|detail| format!("{detail} in {host:?}")))
}
