//! Raw values in, checked ones out. Each read notes its fault and answers with the default, so that one run finds every fault.

use crate::{
    Fault, Shown,
    layers::{Given, defaults},
    place::redacted,
};
use config::ValueKind;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// What was given, what was asked for so far, and what is wrong.
#[derive(Debug)]
pub(crate) struct Reader {
    given: BTreeMap<String, Given>,
    defaults: BTreeMap<String, Given>,
    asked: BTreeSet<&'static str>,
    broken: BTreeSet<&'static str>,
    /// Their values are told nowhere.
    secret: BTreeSet<&'static str>,
    shown: BTreeMap<&'static str, String>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(crate) fn new(given: BTreeMap<String, Given>, faults: Vec<Fault>) -> Self {
        Self {
            given,
            defaults: defaults(),
            asked: BTreeSet::new(),
            broken: BTreeSet::new(),
            secret: BTreeSet::new(),
            shown: BTreeMap::new(),
            faults,
        }
    }

    /// A whole number.
    pub(crate) fn int(&mut self, key: &'static str, range: RangeInclusive<u64>, unit: &str) -> u64 {
        let allowed = format!("{}..={}{}{unit}", range.start(), range.end(), if unit.is_empty() { "" } else { " " });
        self.read(key, &allowed, |given| {
            let number = match &given.value {
                ValueKind::I64(n) => Some(i128::from(*n)),
                ValueKind::U64(n) => Some(i128::from(*n)),
                ValueKind::I128(n) => Some(*n),
                ValueKind::U128(n) => i128::try_from(*n).ok(),
                ValueKind::String(text) if given.typed => text.trim().parse().ok(),
                _ => None,
            };
            let number = number.ok_or_else(|| "is not a whole number".to_owned())?;
            u64::try_from(number).ok().filter(|n| range.contains(n)).ok_or_else(|| "is out of range".to_owned())
        })
    }

    /// Text that `parse` understands.
    pub(crate) fn parsed<T>(&mut self, key: &'static str, allowed: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.read(key, allowed, |given| match &given.value {
            ValueKind::String(text) => parse(text.trim()),
            _ => Err("is not text".to_owned()),
        })
    }

    /// The same of a text that nobody is shown.
    pub(crate) fn secret<T>(&mut self, key: &'static str, allowed: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.secret.insert(key);
        self.parsed(key, allowed, parse)
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        self.read(key, "true · false", |given| match &given.value {
            ValueKind::Boolean(yes) => Ok(*yes),
            ValueKind::String(text) if given.typed => text.trim().parse().map_err(|_| "is neither true nor false".to_owned()),
            _ => Err("is neither true nor false".to_owned()),
        })
    }

    /// A list of texts that `parse` understands; typed ones are separated by commas.
    pub(crate) fn list<T>(&mut self, key: &'static str, allowed: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.read(key, allowed, |given| match &given.value {
            ValueKind::Array(items) => items
                .iter()
                .map(|item| match &item.kind {
                    ValueKind::String(text) => parse(text.trim()),
                    other => Err(format!("holds {other}, which is not text")),
                })
                .collect(),
            ValueKind::String(text) if given.typed => text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(&parse).collect(),
            _ => Err("is not a list".to_owned()),
        })
    }

    /// What `config show` tells for a key whose value follows from others.
    pub(crate) fn show(&mut self, key: &'static str, value: String) {
        drop(self.shown.insert(key, value));
    }

    /// Notes a fault of a value that was readable by itself; not if one of `keys` (the first is blamed) was at fault already.
    pub(crate) fn relation(&mut self, holds: bool, keys: &[&'static str], detail: String, allowed: &str) {
        if holds || keys.iter().any(|key| self.broken.contains(key)) {
            return;
        }
        let given = self.given.get(keys[0]).unwrap_or(&self.defaults[keys[0]]);
        let fault = fault(keys[0], Some(given), detail, allowed);
        self.faults.push(fault);
    }

    /// Notes faults of what is no key.
    pub(crate) fn blame(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
    }

    /// Whether every value was sound; unknown keys are found here. On success, what `config show` tells.
    pub(crate) fn finish(mut self) -> Result<Vec<Shown>, Vec<Fault>> {
        for (key, given) in &self.given {
            if !self.asked.contains(key.as_str()) {
                self.faults.push(unknown(key, given, &self.defaults));
            }
        }
        if !self.faults.is_empty() {
            self.faults.sort_by(|a, b| a.key.cmp(&b.key));
            return Err(self.faults);
        }
        let row = |(key, given): (String, Given)| {
            if self.secret.contains(key.as_str()) {
                let value = if matches!(&given.value, ValueKind::String(text) if text.is_empty()) { "\"\"" } else { "***" };
                return Shown { key, value: value.into(), from: given.origin.unwrap_or_else(|| "default".into()) };
            }
            let value = self.shown.get(key.as_str()).map_or_else(|| text(&given.value), |shown| redacted(shown));
            Shown { key, value, from: given.origin.unwrap_or_else(|| "default".into()) }
        };
        Ok(self.given.into_iter().map(row).collect())
    }

    fn read<T>(&mut self, key: &'static str, allowed: &str, parse: impl Fn(&Given) -> Result<T, String>) -> T {
        self.asked.insert(key);
        let default = &self.defaults[key];
        let given = self.given.get(key).unwrap_or(default);
        match parse(given) {
            Ok(value) => value,
            Err(detail) => {
                let mut fault = fault(key, Some(given), detail, allowed);
                if self.secret.contains(key) {
                    fault.value = Some("***".into());
                }
                self.faults.push(fault);
                self.broken.insert(key);
                parse(default).unwrap_or_else(|detail| unreachable!("default.toml: {key} {detail}"))
            }
        }
    }
}

fn fault(key: &str, given: Option<&Given>, detail: String, allowed: &str) -> Fault {
    let from = given.and_then(|g| g.origin.clone()).unwrap_or_else(|| "the defaults".into());
    Fault { key: key.into(), value: given.map(|g| text(&g.value)), from, detail, allowed: allowed.into() }
}

fn unknown(key: &str, given: &Given, known: &BTreeMap<String, Given>) -> Fault {
    if known.keys().any(|name| name.starts_with(&format!("{key}."))) {
        return fault(key, Some(given), "is a value where a table belongs".into(), &format!("[{key}] and keys below it"));
    }
    let likeness = |name: &String| strsim::jaro_winkler(name, key);
    let nearest = known.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let allowed = nearest.map_or_else(String::new, |name| format!("the nearest key is {name}; config/default.toml lists all"));
    let mut fault = fault(key, Some(given), "is not a key".into(), &allowed);
    // What stands under a wrong name may be a secret under a name of the operator's own.
    if ["secret", "password", "token", "key"].iter().any(|word| key.contains(word)) {
        fault.value = Some("***".into());
    }
    fault
}

/// A value as TOML would write it, with passwords replaced.
fn text(value: &ValueKind) -> String {
    match value {
        ValueKind::String(s) => format!("{:?}", redacted(s)),
        ValueKind::Array(items) => format!("[{}]", items.iter().map(|item| text(&item.kind)).collect::<Vec<_>>().join(", ")),
        ValueKind::Table(_) => "{}".into(),
        other => other.to_string(),
    }
}
