//! Nothing that an attempt tells holds the value of a secret that it resolved. What is told is covered; what steers other runs (checkpoints,
//! args of other jobs) is refused instead, because `***` in it would only fail later.

use crate::{Attempted, Cause, Context, Failure};
use longshore_base::Code;
use longshore_config::Veil;
use longshore_queue::{Json, json};
use serde_json::{Map, Value};

impl Context {
    /// What the attempt came to, as it may leave the worker.
    #[must_use]
    pub fn covered(&self, attempted: Attempted) -> Attempted {
        let veil = &self.inner.veil;
        if veil.is_empty() {
            return attempted;
        }
        match attempted {
            Attempted::Returned(Ok(output)) => Attempted::Returned(Ok(cover_json(veil, output))),
            Attempted::Returned(Err(failure)) => Attempted::Returned(Err(cover_failure(veil, failure))),
            Attempted::Panicked(message) => Attempted::Panicked(veil.cover(&message).into_owned()),
            other @ (Attempted::TimedOut | Attempted::Cancelled | Attempted::Released(_) | Attempted::KindUnknown) => other,
        }
    }

    /// Refuses what would be kept for other runs with a secret in it.
    pub(crate) fn may_keep(&self, what: &str, text: &str) -> Result<(), Failure> {
        if self.inner.veil.is_in(text) {
            let message = format!("{what} would hold the value of a secret; keep its name, and ask for it at each run");
            return Err(Failure::Fatal(Cause::new(Code::SecretExposed, message)));
        }
        Ok(())
    }

    /// As [`Context::may_keep`], for each text of a value.
    pub(crate) fn may_keep_json(&self, what: &str, value: &Value) -> Result<(), Failure> {
        if self.inner.veil.is_empty() {
            return Ok(());
        }
        texts(value).iter().try_for_each(|text| self.may_keep(what, text))
    }
}

/// The same JSON with every text covered.
pub(crate) fn cover_json(veil: &Veil, value: Json) -> Json {
    if veil.is_empty() {
        return value;
    }
    match serde_json::from_str(value.get()) {
        Ok(parsed) => json(&cover_value(veil, parsed)),
        // Raw JSON that only this parser refuses (nested too deep): nobody can say what is in it.
        Err(_) => json(&Value::String(veil.cover(value.get()).into_owned())),
    }
}

fn cover_value(veil: &Veil, value: Value) -> Value {
    match value {
        Value::String(text) if veil.is_in(&text) => Value::String(veil.cover(&text).into_owned()),
        Value::Number(number) if veil.is_in(&number.to_string()) => Value::String(veil.cover(&number.to_string()).into_owned()),
        Value::Array(items) => items.into_iter().map(|item| cover_value(veil, item)).collect(),
        Value::Object(fields) => {
            let cover = |(name, value): (String, Value)| (veil.cover(&name).into_owned(), cover_value(veil, value));
            Value::Object(fields.into_iter().map(cover).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn cover_failure(veil: &Veil, failure: Failure) -> Failure {
    let cover = |cause: Cause| Cause::new(veil.cover(&cause.code), veil.cover(&cause.message));
    match failure {
        Failure::Retry(cause) => Failure::Retry(cover(cause)),
        Failure::RetryAfter(wait, cause) => Failure::RetryAfter(wait, cover(cause)),
        Failure::Fatal(cause) => Failure::Fatal(cover(cause)),
        Failure::Gate { wait, reason } => Failure::Gate { wait, reason: veil.cover(&reason).into_owned() },
        other @ (Failure::Snooze(_) | Failure::Wait(_) | Failure::Cancelled) => other,
    }
}

/// Every text in a value: strings, names of fields, numbers.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| [vec![name.clone()], texts(value)].concat()).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}
