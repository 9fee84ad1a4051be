//! The file of secrets is checked at start: readable by its owner only, and a table of names per tenant.

use longshore_base::Name;
use std::{os::unix::fs::PermissionsExt, path::Path};

/// Checks mode and shape. The message never holds a value of the file.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let about = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("has mode {mode:04o}, so that others may read it; run `chmod 600` on it"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        format!("is not TOML near line {line}")
    })?;
    for (tenant, names) in &table {
        if tenant != "*" && Name::new(tenant).is_err() {
            return Err(format!("has a table [{tenant:?}], which is neither a tenant's name nor \"*\""));
        }
        let names = names.as_table().ok_or_else(|| format!("has {tenant:?} outside a table"))?;
        if let Some((name, _)) = names.iter().find(|(_, value)| !value.is_str()) {
            return Err(format!("has a value that is not text: {name:?} of [{tenant:?}]"));
        }
    }
    Ok(())
}
