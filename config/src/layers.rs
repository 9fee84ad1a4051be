//! The four layers, each value with its origin: defaults < file < environment < flags. Merging is the `config` crate's work.

use crate::{Fault, environment::Environment};
use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use std::{collections::BTreeMap, path::Path};

/// Every key and its comment.
pub(crate) const DEFAULTS: &str = include_str!("../default.toml");

/// A setting from the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As typed, such as `--lease`; told when the value is at fault.
    pub flag: &'static str,
    /// The key that it sets.
    pub key: &'static str,
    /// The text after it; lists are separated by commas.
    pub value: String,
}

/// A value as it was given, and where.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) value: ValueKind,
    /// None: the defaults.
    pub(crate) origin: Option<String>,
    /// True when it is text from the environment or a flag, so that numbers and lists have to be read from it.
    pub(crate) typed: bool,
}

/// The merged layers by key, and what could not be read of them.
pub(crate) fn merge(file: Option<&Path>, environment: &Environment, flags: &[Flag]) -> (BTreeMap<String, Given>, Vec<Fault>) {
    let mut faults = Vec::new();
    let file_layer = file.and_then(|path| match read(path) {
        Ok(map) => Some(Layer(map)),
        Err(fault) => {
            faults.push(fault);
            None
        }
    });
    let origin = |text: &str| Some(format!("{TYPED}{text}"));
    let standard = environment.standard.iter();
    let standard = standard.map(|(key, (name, value))| ((*key).to_owned(), Value::new(origin(name).as_ref(), value.expose().as_str())));
    let variables = environment.settings.iter().map(|(name, value)| {
        let key = name.trim_start_matches("LONGSHORE_").to_ascii_lowercase().replace("__", ".");
        (key, Value::new(origin(name).as_ref(), value.as_str()))
    });
    let typed = flags.iter().map(|flag| (flag.key.to_owned(), Value::new(origin(flag.flag).as_ref(), flag.value.as_str())));
    let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(layer) = file_layer {
        builder = builder.add_source(layer);
    }
    let merged =
        builder.add_source(Layer(standard.collect())).add_source(Layer(variables.collect())).add_source(Layer(typed.collect())).build();
    let mut out = BTreeMap::new();
    match merged.and_then(|config| config.collect()) {
        Ok(map) => flatten("", map, &mut out),
        Err(error) => faults.push(whole("configuration", &error.to_string())),
    }
    (out, faults)
}

/// The defaults alone.
pub(crate) fn defaults() -> BTreeMap<String, Given> {
    merge(None, &Environment::default(), &[]).0
}

/// Marks the origin of values that were typed as text.
const TYPED: &str = "\u{1}";

#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }
    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, Fault> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| whole(&name, &format!("cannot be read: {error}")))?;
    let parsed = Config::builder().add_source(File::from_str(&text, FileFormat::Toml)).build();
    let map = parsed.and_then(|config| config.collect()).map_err(|error| whole(&name, error.to_string().trim_end()))?;
    Ok(map.into_iter().map(|(key, value)| (key, from(&name, value))).collect())
}

/// `value` with `name` as the origin of all it holds.
fn from(name: &String, value: Value) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => ValueKind::Table(table.into_iter().map(|(key, inner)| (key, from(name, inner))).collect()),
        other => other,
    };
    Value::new(Some(name), kind)
}

fn whole(from: &str, detail: &str) -> Fault {
    Fault { key: "file".into(), value: None, from: from.into(), detail: detail.into(), allowed: "a TOML file that can be read".into() }
}

fn flatten(prefix: &str, map: Map<String, Value>, out: &mut BTreeMap<String, Given>) {
    for (key, value) in map {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        let origin = value.origin().map(str::to_owned);
        match value.kind {
            ValueKind::Table(table) if !table.is_empty() => flatten(&path, table, out),
            kind => {
                let typed = origin.as_ref().is_some_and(|o| o.starts_with(TYPED));
                let origin = origin.map(|o| o.trim_start_matches(TYPED).to_owned());
                drop(out.insert(path, Given { value: kind, origin, typed }));
            }
        }
    }
}
