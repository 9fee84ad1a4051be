//! A reference to a secret stands only where the kind's schema takes one: anywhere else it would travel as a text that looks like one.

use super::{FAULTS_MAX, args::escape};
use crate::{
    FieldFault,
    secrets::{KEY, MARKER},
};
use jsonschema::OutputUnit;
use serde_json::Value;
use std::collections::BTreeSet;

/// Adds a fault for each object with the field `$secret` that no schema with the marker has accepted.
pub(super) fn misplaced(at: &str, validator: &jsonschema::Validator, value: &Value, faults: &mut Vec<FieldFault>) {
    let mut found = Vec::new();
    references(&mut String::new(), value, &mut found);
    if found.is_empty() {
        return;
    }
    // With names that fit: a reference in its place whose name does not is a fault of the name, which the schema tells by itself.
    let value = with_sound_names(value);
    let evaluation = validator.evaluate(&value);
    let mut taken = BTreeSet::new();
    accepted(evaluation.root(), !evaluation.is_valid(), &mut taken);
    for pointer in found.into_iter().filter(|pointer| !taken.contains(pointer.as_str())) {
        let pointer = format!("{at}{pointer}");
        let inside = format!("{pointer}/{KEY}");
        // What the schema says about the same place tells less.
        faults.retain(|fault| fault.pointer != pointer && fault.pointer != inside);
        faults.push(FieldFault::new(pointer, "no secret is taken here", "a value; the kind's schema marks the fields that take secrets"));
    }
    faults.truncate(FAULTS_MAX);
}

/// The same value, but every reference has a name as names are, and nothing else.
fn with_sound_names(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(with_sound_names).collect(),
        Value::Object(fields) if fields.contains_key(KEY) => serde_json::json!({ KEY: "name" }),
        Value::Object(fields) => fields.iter().map(|(name, inner)| (name.clone(), with_sound_names(inner))).collect(),
        other => other.clone(),
    }
}

/// Where a schema with the marker has accepted a value. With faults elsewhere (`all`), parts of what was refused count too, so that a
/// reference in its place is not blamed for them.
fn accepted<'a>(unit: OutputUnit<'a>, all: bool, taken: &mut BTreeSet<&'a str>) {
    if unit.valid() && unit.annotations().is_some_and(|told| told.value().get(MARKER) == Some(&Value::Bool(true))) {
        taken.insert(unit.instance_location().as_str());
    }
    if all || unit.valid() {
        unit.children().for_each(|child| accepted(child, all, taken));
    }
}

/// The JSON pointers of all objects with that field, but for what stands inside of one.
fn references(at: &mut String, value: &Value, found: &mut Vec<String>) {
    let length = at.len();
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push_str(&format!("/{index}"));
                references(at, item, found);
                at.truncate(length);
            }
        }
        Value::Object(fields) => {
            if fields.contains_key(KEY) {
                return found.push(at.clone());
            }
            for (name, inner) in fields {
                at.push('/');
                at.push_str(&escape(name));
                references(at, inner, found);
                at.truncate(length);
            }
        }
        _ => {}
    }
}
