//! Times as they leave and enter the process: RFC 3339, UTC with milliseconds on the way out, any offset on the way in.

use longshore_base::{Millis, rfc3339};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A moment of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Millis);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&rfc3339(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let time =
            chrono::DateTime::parse_from_rfc3339(&text).map_err(|e| D::Error::custom(format!("`{text}` is no RFC 3339 time: {e}")))?;
        Ok(Self(time.timestamp_millis()))
    }
}
