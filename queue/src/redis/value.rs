//! Answers of scripts, taken apart.

use super::Result;
use crate::BrokerError;
use redis::Value;
use std::collections::HashMap;

/// An answer that this version does not understand.
pub(super) fn strange(what: &str) -> BrokerError {
    BrokerError::Corrupt(format!("the answer of {what}"))
}

pub(super) fn list(value: Value, what: &str) -> Result<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        _ => Err(strange(what)),
    }
}

pub(super) fn int(value: &Value, what: &str) -> Result<i64> {
    let number = match value {
        Value::Int(number) => Some(*number),
        other => text(other).and_then(|t| t.parse().ok()),
    };
    number.ok_or_else(|| strange(what))
}

pub(super) fn ints(value: Value, what: &str) -> Result<Vec<i64>> {
    list(value, what)?.iter().map(|v| int(v, what)).collect()
}

/// A string's bytes; None for nil and for anything else.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

/// A list of strings.
pub(super) fn texts(value: Value, what: &str) -> Result<Vec<String>> {
    list(value, what)?.iter().map(|v| text(v).map(str::to_owned).ok_or_else(|| strange(what))).collect()
}

/// `number, string, number, string, …`.
pub(super) fn pairs(value: &Value) -> HashMap<usize, &[u8]> {
    let Value::Array(flat) = value else { return HashMap::new() };
    let pair = |two: &'_ [Value]| usize::try_from(int(&two[0], "a pair").ok()?).ok();
    flat.chunks_exact(2).filter_map(|two| Some((pair(two)?, bytes(&two[1])?))).collect()
}

/// A sorted set's score in whole milliseconds; None for nil and for `inf`.
pub(super) fn score(value: &Value) -> Option<i64> {
    let score = match value {
        Value::Double(score) => *score,
        other => text(other)?.parse().ok()?,
    };
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds are whole and far below 2^53")]
    score.is_finite().then_some(score as i64)
}
