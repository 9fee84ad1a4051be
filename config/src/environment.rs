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
    /// `AWS_…` variables by their full name: how a bucket of files is reached, as other programs read them.
    pub aws: BTreeMap<String, Secret<String>>,
    /// `VISUAL`, else `EDITOR`: the program that people edit texts with.
    pub editor: Option<String>,
    /// `PATH`: where tools such as pg_dump are looked for.
    pub path: std::ffi::OsString,
    /// `NO_COLOR` is set: print no colours.
    pub plain: bool,
    /// `CLICOLOR_FORCE` is set: print colours also where no terminal is.
    pub colours: bool,
    /// Variables of other programs' conventions that are configuration keys: key → (variable, value). Ours win over them.
    pub standard: BTreeMap<&'static str, (&'static str, Secret<String>)>,
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
        let variables: Vec<_> = variables.into_iter().collect();
        environment.standard = standard(&variables);
        for (name, value) in variables {
            match name.as_str() {
                "PATH" => environment.path = value.clone().into(),
                "NO_COLOR" => environment.plain = !value.is_empty(),
                "CLICOLOR_FORCE" => environment.colours = !value.is_empty() && value != "0",
                "VISUAL" if !value.is_empty() => environment.editor = Some(value.clone()),
                "EDITOR" if !value.is_empty() => environment.editor = environment.editor.or(Some(value.clone())),
                _ if name.starts_with("AWS_") => drop(environment.aws.insert(name.clone(), Secret::new(value.clone()))),
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

/// What the OpenTelemetry and Sentry conventions say, as far as we have keys for it. The more special variable wins.
const STANDARD: [(&str, &str); 10] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces.endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "traces.headers"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "traces.headers"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "traces.timeout_ms"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "traces.timeout_ms"),
    ("OTEL_SERVICE_NAME", "traces.service"),
    ("SENTRY_DSN", "sentry.dsn"),
    ("SENTRY_ENVIRONMENT", "sentry.environment"),
    ("OTEL_SDK_DISABLED", "traces.endpoint"),
];

fn standard(variables: &[(String, String)]) -> BTreeMap<&'static str, (&'static str, Secret<String>)> {
    let mut keys = BTreeMap::new();
    for (variable, key) in STANDARD {
        let Some((_, value)) = variables.iter().find(|(name, value)| name == variable && !value.is_empty()) else { continue };
        let value = match variable {
            // The endpoint of all signals is a base.
            "OTEL_EXPORTER_OTLP_ENDPOINT" => format!("{}/v1/traces", value.trim_end_matches('/')),
            "OTEL_SDK_DISABLED" if value.eq_ignore_ascii_case("true") => String::new(),
            "OTEL_SDK_DISABLED" => continue,
            _ => value.clone(),
        };
        keys.insert(key, (variable, Secret::new(value)));
    }
    keys
}
