//! The one place that reads the environment.

use crate::Secret;
use std::collections::BTreeMap;

/// What Longshore takes from the environment.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `LONGSHORE_…` variables that are configuration keys, by their full name.
    pub settings: BTreeMap<String, String>,
    /// `LONGSHORE_SECRET_NAME`: secrets for all tenants, by `NAME`.
    pub secrets: BTreeMap<String, Secret<String>>,
    /// `LONGSHORE_API`: the address that operator commands speak to.
    pub api: Option<String>,
    /// `LONGSHORE_KEY`: the key that operator commands present.
    pub key: Option<Secret<String>>,
    /// `VISUAL`, else `EDITOR`: the program that people edit texts with.
    pub editor: Option<String>,
    /// `NO_COLOR` is set: print no colours.
    pub plain: bool,
}

impl Environment {
    /// Reads this process's environment. Variables that are not UTF-8 are read with their odd bytes replaced,
    /// so that the check names them instead of passing over them.
    #[must_use]
    pub fn read() -> Self {
        let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
        Self::of(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    /// The same from given variables.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            match name.as_str() {
                "NO_COLOR" => environment.plain = !value.is_empty(),
                "VISUAL" if !value.is_empty() => environment.editor = Some(value.clone()),
                "EDITOR" if !value.is_empty() => environment.editor = environment.editor.or(Some(value.clone())),
                _ => {}
            }
            let Some(rest) = name.strip_prefix("LONGSHORE_") else { continue };
            match rest {
                "API" => environment.api = Some(value),
                "KEY" => environment.key = Some(Secret::new(value)),
                _ => match rest.strip_prefix("SECRET_") {
                    Some(secret) => drop(environment.secrets.insert(secret.to_owned(), Secret::new(value))),
                    None => drop(environment.settings.insert(name, value)),
                },
            }
        }
        environment
    }
}
