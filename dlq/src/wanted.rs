//! A filter as people write it: in the body of a call, and in the args of an operation. The names are those of the API.

use longshore_base::{Millis, Name};
use longshore_queue::{Filter, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Places in args that one filter may name.
const ARGS_MAX: usize = 20;
/// Bytes of `text`, and of a pointer.
const TEXT_MAX: usize = 1_024;

/// Which jobs somebody means; what is absent is any. Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kind: Option<Name>,
    /// In this queue. Without it, what is in the queue of the operations themselves is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub queue: Option<Name>,
    /// Of this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tenant: Option<Name>,
    /// For this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub client: Option<Name>,
    /// With this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tag: Option<Name>,
    /// That ended at or after this time; for living jobs, that were enqueued then.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time")]
    #[schemars(with = "Option<String>")]
    pub from: Option<Millis>,
    /// That ended (were enqueued) before this time.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time")]
    #[schemars(with = "Option<String>")]
    pub to: Option<Millis>,
    /// With this text, whatever its case, in the last error or in the args.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// With these values at these places of the args (JSON pointers).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, Value>,
    /// Whose last error has this fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// In this state; of dead letters nothing else than `dead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub state: Option<State>,
}

/// One fault of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFault {
    /// Where, as a JSON pointer into the filter.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// What would be allowed.
    pub allowed: String,
}

impl Wanted {
    /// The faults that a schema cannot see.
    #[must_use]
    pub fn faults(&self) -> Vec<WantedFault> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, detail: String, allowed: &str| {
            faults.push(WantedFault { pointer, detail, allowed: allowed.to_owned() });
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            fault("/to".into(), "the end is not after the begin".into(), "later than from");
        }
        if let Some(text) = self.text.as_ref().filter(|text| text.is_empty() || text.len() > TEXT_MAX) {
            fault("/text".into(), format!("the text has {} bytes", text.len()), "1..=1024 bytes");
        }
        if self.args.len() > ARGS_MAX {
            fault("/args".into(), format!("{} places", self.args.len()), "at most 20");
        }
        for pointer in self.args.keys().filter(|pointer| !is_pointer(pointer)) {
            let at = format!("/args/{}", crate::patch::escape(pointer));
            fault(at, format!("`{pointer}` is no JSON pointer"), "such as /account, of at most 1024 bytes");
        }
        faults
    }

    /// The same for the broker.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter {
            queue: self.queue.clone(),
            state: self.state,
            tenant: self.tenant.clone(),
            client: self.client.clone(),
            kind: self.kind.clone(),
            tag: self.tag.clone(),
            fingerprint: self.fingerprint.clone(),
            from: self.from,
            to: self.to,
            text: self.text.clone(),
            args: self.args.iter().map(|(pointer, value)| (pointer.clone(), value.clone())).collect(),
            replayed: false,
        }
    }
}

fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.len() <= TEXT_MAX && !text.replace("~0", "").replace("~1", "").contains('~')
}

/// Times as RFC 3339: UTC with milliseconds on the way out, any offset on the way in.
mod time {
    use longshore_base::{Millis, rfc3339};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Option<Millis>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_some(&rfc3339(*time)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Millis>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        super::time_of(&text).map(Some).ok_or_else(|| D::Error::custom(format!("`{text}` is no RFC 3339 time")))
    }
}

/// The moment that an RFC 3339 text names, in any offset.
#[must_use]
pub fn time_of(text: &str) -> Option<Millis> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests;
