//! Where a database is, as libpq's variables: nothing of it stands in a command line, where every user of the machine could read it.

use crate::source::decoded;
use std::fmt;
use tokio::process::Command;
use url::Url;

/// (parameter of the address, libpq's variable). See PostgreSQL's documentation, "Parameter Key Words" and "Environment Variables".
const PARAMETERS: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcrl", "PGSSLCRL"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("options", "PGOPTIONS"),
    ("gssencmode", "PGGSSENCMODE"),
    ("krbsrvname", "PGKRBSRVNAME"),
];

/// One database of a server.
#[derive(Clone)]
pub struct Place {
    variables: Vec<(&'static str, String)>,
}

impl Place {
    /// Reads `postgres://…`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("the address cannot be read: {error}"))?;
        let mut place = Self { variables: vec![("PGAPPNAME", "longshore".into()), ("PGCONNECT_TIMEOUT", "10".into())] };
        let given = [
            ("PGHOST", url.host_str().map(|host| host.trim_matches(['[', ']']))),
            ("PGUSER", Some(url.username()).filter(|user| !user.is_empty())),
            ("PGPASSWORD", url.password()),
            ("PGDATABASE", Some(url.path().trim_matches('/')).filter(|name| !name.is_empty())),
        ];
        for (variable, value) in given {
            if let Some(value) = value {
                place.set(variable, decoded(value)?);
            }
        }
        if let Some(port) = url.port() {
            place.set("PGPORT", port.to_string());
        }
        for (name, value) in url.query_pairs() {
            let known = PARAMETERS.iter().find(|(parameter, _)| *parameter == name);
            let (_, variable) = known.ok_or_else(|| format!("the parameter `{name}` is not known"))?;
            place.set(variable, value.into_owned());
        }
        if !place.variables.iter().any(|(variable, _)| *variable == "PGDATABASE") {
            return Err("the address names no database".into());
        }
        Ok(place)
    }

    /// A server of our own, by the folder of its socket.
    pub(super) fn local(folder: &str, port: u16, user: &str, database: &str) -> Self {
        let port = port.to_string();
        let variables = [("PGHOST", folder), ("PGPORT", &port), ("PGUSER", user), ("PGDATABASE", database)];
        Self { variables: variables.map(|(name, value)| (name, value.to_owned())).into() }
    }

    /// The database's name.
    pub(crate) fn database(&self) -> &str {
        self.variables.iter().find(|(name, _)| *name == "PGDATABASE").map_or("", |(_, value)| value)
    }

    pub(crate) fn has_password(&self) -> bool {
        self.variables.iter().any(|(name, _)| *name == "PGPASSWORD")
    }

    /// Gives a tool what it needs to find the database.
    pub(super) fn tell(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    fn set(&mut self, variable: &'static str, value: String) {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value));
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("database", &self.database()).finish_non_exhaustive()
    }
}
