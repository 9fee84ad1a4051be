//! Whole numbers that are written with a fraction of zero: JSON Schema takes 5.0 for an integer, what decodes into Rust's types does not.

use crate::{FieldFault, checker::escape};
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

/// Below this, a float stands for one integer alone (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Decodes a value that a schema found right. Numbers of free values stay as they were written where that is possible.
///
/// # Errors
/// serde's, for the value as it was written; where a whole number is larger than any integer of ours, the place of that.
pub fn decode<T: DeserializeOwned>(value: Value) -> Result<T, FieldFault> {
    let whole = |error: serde_json::Error| FieldFault::new("", error.to_string(), "");
    if !any(&value) {
        return serde_json::from_value(value).map_err(whole);
    }
    let as_written = match T::deserialize(&value) {
        Ok(decoded) => return Ok(decoded),
        Err(error) => too_large(&value).unwrap_or_else(|| whole(error)),
    };
    serde_json::from_value(integers(value)).map_err(|_| as_written)
}

fn too_large(value: &Value) -> Option<FieldFault> {
    let below = |name: &str, inner| too_large(inner).map(|fault| FieldFault { pointer: format!("/{name}{}", fault.pointer), ..fault });
    match value {
        Value::Number(number) => {
            whole(number).filter(|float| float.abs() >= EXACT)?;
            Some(FieldFault::new("", format!("{number} is too large"), format!("an integer below {EXACT}")))
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| below(&n.to_string(), item)),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| below(&escape(name), field)),
        _ => None,
    }
}

fn any(value: &Value) -> bool {
    match value {
        Value::Number(number) => whole(number).is_some(),
        Value::Array(items) => items.iter().any(any),
        Value::Object(fields) => fields.values().any(any),
        _ => false,
    }
}

fn integers(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(integer(&number).unwrap_or(number)),
        Value::Array(items) => items.into_iter().map(integers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, integers(field))).collect(),
        other => other,
    }
}

fn integer(number: &Number) -> Option<Number> {
    let float = whole(number).filter(|float| float.abs() < EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and exact as an integer")]
    Some((float as i64).into())
}

/// A number that is written as a float and is none.
fn whole(number: &Number) -> Option<f64> {
    number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Typed {
        n: u8,
        free: Value,
    }

    #[test]
    fn a_fraction_of_zero_is_an_integer_where_one_is_asked_for() {
        let decoded: Value = decode(json!({ "n": 5.0 })).expect("anything");
        assert!(decoded["n"].is_f64());
        assert_eq!(decode::<Typed>(json!({ "n": 5.0, "free": [1.5] })).expect("typed"), Typed { n: 5, free: json!([1.5]) });
        assert!(decode::<Typed>(json!({ "n": 5, "free": 2.0 })).expect("typed").free.is_f64());
        assert!(decode::<Typed>(json!({ "n": 5.5, "free": 2.0 })).is_err_and(|fault| fault.detail.contains("5.5")));
    }

    #[test]
    fn what_no_integer_can_hold_is_found() {
        let value = json!({ "a": [1, 2.5, { "b/c": 1e23 }] });
        assert_eq!(too_large(&value).map(|fault| fault.pointer).as_deref(), Some("/a/2/b~1c"));
        assert!(too_large(&json!([1e15, u64::MAX, 0.1])).is_none());
    }
}
