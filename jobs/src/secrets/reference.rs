//! How args name a secret: `{"$secret": "name"}`, where the kind's schema takes one and nowhere else.

use longshore_base::Name;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error};
use serde_json::Value;
use std::borrow::Cow;

/// The one field of a reference.
pub(crate) const KEY: &str = "$secret";
/// The keyword with which a schema says that a value may be a reference.
pub(crate) const MARKER: &str = "x-longshore-secret";
/// As in the schema of [`Name`].
const PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$";

/// The name of a secret, in args. See [`crate::Context::secret`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    #[serde(rename = "$secret")]
    name: Name,
}

impl SecretRef {
    /// A reference to the secret of this name.
    #[must_use]
    pub const fn new(name: Name) -> Self {
        Self { name }
    }
    /// The secret's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl JsonSchema for SecretRef {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A secret, by its name.",
            "properties": { KEY: { "type": "string", "pattern": PATTERN } },
            "required": [KEY],
            "additionalProperties": false,
            MARKER: true,
        })
    }
}

/// A field that takes a value, or the name of a secret that holds one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SecretOr<T> {
    /// A reference.
    Secret(SecretRef),
    /// The value itself.
    Literal(T),
}

/// By the key alone, so that a fault is told of the form that was meant.
impl<'de, T: DeserializeOwned> Deserialize<'de> for SecretOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.get(KEY).is_some() {
            return SecretRef::deserialize(value).map(Self::Secret).map_err(D::Error::custom);
        }
        serde_json::from_value(value).map(Self::Literal).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for SecretOr<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("SecretOr_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), generator.subschema_for::<SecretRef>()] })
    }
}
