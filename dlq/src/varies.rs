//! Which parts of the args vary between the letters of a group: the first hint at what is wrong with them.

use crate::{DeadLetters, Search, patch::escape};
use longshore_queue::{BrokerError, Claim, Job};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Letters that are looked at.
pub const SAMPLE: usize = 200;
/// Places that are told at most.
const PLACES_MAX: usize = 50;
/// Values of a place that are told at most.
const VALUES_MAX: usize = 5;
/// A value of more bytes is told by its beginning, as text.
const VALUE_MAX: usize = 200;

/// What a sample of letters has in common, and what not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Varies {
    /// So many letters were looked at.
    pub sampled: usize,
    /// The places that differ, those with the fewest values first: they part the letters best.
    pub fields: Vec<Varying>,
}

/// A place that is not the same in every letter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Varying {
    /// Where (RFC 6901).
    pub pointer: String,
    /// So many different values.
    pub distinct: usize,
    /// So many letters have nothing there.
    pub absent: usize,
    /// The most frequent ones.
    pub values: Vec<Seen>,
}

/// One value of a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// The value; a long one is cut, and text then.
    pub value: Value,
    /// So many letters have it.
    pub count: usize,
}

/// Compares args. Objects are looked into; an array is one value.
#[must_use]
pub fn varies(all: &[Value]) -> Varies {
    let mut places: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for args in all {
        collect("", args, &mut places);
    }
    let mut fields: Vec<_> = places.into_iter().filter_map(|(pointer, values)| varying(pointer, values, all.len())).collect();
    fields.sort_by(|a, b| (a.distinct, &a.pointer).cmp(&(b.distinct, &b.pointer)));
    fields.truncate(PLACES_MAX);
    Varies { sampled: all.len(), fields }
}

/// The leaves of `value`, each as text under its pointer.
fn collect(at: &str, value: &Value, places: &mut BTreeMap<String, BTreeMap<String, usize>>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                collect(&format!("{at}/{}", escape(name)), member, places);
            }
        }
        leaf => *places.entry(at.to_owned()).or_default().entry(leaf.to_string()).or_default() += 1,
    }
}

fn varying(pointer: String, values: BTreeMap<String, usize>, letters: usize) -> Option<Varying> {
    let distinct = values.len();
    let absent = letters - values.values().sum::<usize>();
    if distinct == 1 && absent == 0 {
        return None;
    }
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let values = values.into_iter().take(VALUES_MAX).map(|(text, count)| Seen { value: shown(&text), count }).collect();
    Some(Varying { pointer, distinct, absent, values })
}

fn shown(text: &str) -> Value {
    if text.len() > VALUE_MAX {
        return Value::String(format!("{}…", &text[..text.floor_char_boundary(VALUE_MAX)]));
    }
    serde_json::from_str(text).unwrap_or_default()
}

impl DeadLetters {
    /// What varies in the args of a sample of at most [`SAMPLE`] jobs of `search`.
    ///
    /// # Errors
    /// The broker's.
    pub async fn varies(&self, search: &Search) -> Result<Varies, BrokerError> {
        let mut sample = Vec::new();
        let mut take = |job: &Job| {
            // Args that lie in a file are not worth reading for a hint.
            if !Claim::is(&job.args) {
                sample.push(serde_json::from_str(job.args.get()).unwrap_or_default());
            }
        };
        let _more = search.walk(&*self.broker, &self.scope, SAMPLE, &mut take).await?;
        Ok(varies(&sample))
    }
}

#[cfg(test)]
mod tests;
