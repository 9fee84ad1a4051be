//! The operator's secrets: a file that only its owner may read, and variables of the environment. Read once, checked as a whole.

use crate::{Environment, Fault, Secret};
use longshore_base::Name;
use std::{collections::BTreeMap, fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};

/// Shorter values would be found everywhere: nobody could keep them out of logs.
pub(crate) const BYTES_MIN: usize = 4;
/// What the table of all tenants is called.
const EVERYONE: &str = "*";
const PREFIX: &str = "LONGSHORE_SECRET_";

type Table = BTreeMap<String, Secret<String>>;

/// Secrets by tenant and name. Prints names, never values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    tenants: BTreeMap<Name, Table>,
    everyone: Table,
    /// By what follows `LONGSHORE_SECRET_`; for all tenants.
    environment: Table,
}

impl Secrets {
    /// The tenant's own, else the environment's, else that of all tenants. The variable of `ads.token` is `LONGSHORE_SECRET_ADS_TOKEN`.
    #[must_use]
    pub fn find(&self, tenant: &Name, name: &str) -> Option<&Secret<String>> {
        let own = self.tenants.get(tenant).and_then(|table| table.get(name));
        own.or_else(|| self.environment.get(&variable(name))).or_else(|| self.everyone.get(name))
    }

    /// Every one, to be hidden in logs before anybody asks for it.
    pub fn all(&self) -> impl Iterator<Item = &Secret<String>> {
        self.tenants.values().chain([&self.everyone, &self.environment]).flat_map(BTreeMap::values)
    }

    /// Reads the file of `--secrets`: mode, shape and names.
    ///
    /// # Errors
    /// A sentence that follows the file's name; it never holds a value of the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let mut file = File::open(path).map_err(unreadable)?;
        // Of the file that is open, so that nobody can put another one in its place between the look and the read.
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("has mode {mode:04o}, so that others may read it; run `chmod 600` on it"));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        let tables: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            format!("is not TOML near line {line}")
        })?;
        let mut secrets = Self::default();
        for (tenant, names) in tables {
            let table = table(&tenant, names)?;
            if tenant == EVERYONE {
                secrets.everyone = table;
                continue;
            }
            let name = Name::new(&tenant).map_err(|_| format!("has a table [{tenant:?}], which is neither a tenant's name nor \"*\""))?;
            secrets.tenants.insert(name, table);
        }
        Ok(secrets)
    }

    /// Takes the variables in, and tells those that cannot be used.
    pub(crate) fn take_in(&mut self, environment: &Environment) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, value) in &environment.secrets {
            let fault = |detail: &str, allowed: String| Fault {
                key: format!("{PREFIX}{name}"),
                value: None,
                from: "the environment".into(),
                detail: detail.into(),
                allowed,
            };
            if name.is_empty() || variable(name) != *name {
                let allowed = format!("{PREFIX} and a name of A-Z, 0-9 and _");
                faults.push(fault("is a variable that no secret's name leads to", allowed));
            } else if value.expose().len() < BYTES_MIN {
                faults.push(fault("is too short to be kept out of logs", format!("at least {BYTES_MIN} bytes")));
            } else {
                self.environment.insert(name.clone(), value.clone());
            }
        }
        faults
    }
}

fn table(tenant: &str, names: toml::Value) -> Result<Table, String> {
    let toml::Value::Table(names) = names else { return Err(format!("has {tenant:?} outside a table")) };
    let mut table = Table::new();
    for (name, value) in names {
        let toml::Value::String(value) = value else {
            return Err(format!("has a value that is not text: {name:?} of [{tenant:?}]"));
        };
        if Name::new(&name).is_err() {
            return Err(format!("has {name:?} in [{tenant:?}], which is no name: [A-Za-z0-9][A-Za-z0-9._:-]{{0,127}}"));
        }
        if value.len() < BYTES_MIN {
            return Err(format!(
                "has a value that is too short to be kept out of logs: {name:?} of [{tenant:?}]; {BYTES_MIN} bytes at least"
            ));
        }
        table.insert(name, Secret::new(value));
    }
    Ok(table)
}

/// A secret's name as the end of a variable's.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
