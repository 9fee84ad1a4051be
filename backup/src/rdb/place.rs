//! Where a Redis server is. The password stands in redis-cli's environment, never in a command line.

use crate::source::decoded;
use std::fmt;
use tokio::process::Command;
use url::Url;

/// One server.
#[derive(Clone)]
pub struct Place {
    args: Vec<String>,
    password: Option<String>,
}

impl Place {
    /// Reads `redis://`, `rediss://` (with `?cacert=FILE` for a private authority), `unix://`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("the address cannot be read: {error}"))?;
        let mut args = Vec::new();
        let mut put = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
        let (mut user, mut password) = (decoded(url.username())?, url.password().map(decoded).transpose()?);
        let tls = url.scheme() == "rediss";
        if matches!(url.scheme(), "unix" | "redis+unix") {
            put("-s", &decoded(url.path())?);
        } else {
            put("-h", url.host_str().ok_or("the address names no host")?.trim_matches(['[', ']']));
            put("-p", &url.port().unwrap_or(6379).to_string());
        }
        for (name, value) in url.query_pairs() {
            match &*name {
                // An RDB file has every database.
                "db" => {}
                "user" => user = value.into_owned(),
                "pass" | "password" => password = Some(value.into_owned()),
                "cacert" if tls => put("--cacert", &value),
                other => return Err(format!("the parameter `{other}` is not known")),
            }
        }
        if !user.is_empty() {
            put("--user", &user);
        }
        if tls {
            args.push("--tls".into());
        }
        Ok(Self { args, password })
    }

    /// A server of our own, by its socket.
    pub(super) fn local(socket: &str) -> Self {
        Self { args: vec!["-s".into(), socket.to_owned()], password: None }
    }

    pub(crate) const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Gives redis-cli what it needs to find the server.
    pub(super) fn tell(&self, command: &mut Command) {
        command.args(&self.args);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("args", &self.args).finish_non_exhaustive()
    }
}
