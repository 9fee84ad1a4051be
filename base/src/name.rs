//! Names of queues, kinds, tenants, clients, schedules, API keys and tags: one syntax for all.

use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// A checked name: `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// The text is no name. The message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: allowed is [A-Za-z0-9][A-Za-z0-9._:-]{{0,127}}")]
pub struct NameError(pub String);

impl Name {
    /// The longest name, in bytes.
    pub const LEN_MAX: usize = 128;

    /// Checks `text` and makes a name of it.
    ///
    /// # Errors
    /// [`NameError`] when a character is not allowed, or the length is 0 or above [`Name::LEN_MAX`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        let bytes = text.as_bytes();
        let ok = bytes.len() <= Self::LEN_MAX && bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(|b| inner(*b));
        if ok { Ok(Self(text.into())) } else { Err(NameError(text.chars().take(160).collect())) }
    }

    /// A name known at compile time.
    ///
    /// # Panics
    /// When the literal is no name; such a literal is a fault in the program.
    #[must_use]
    pub fn literal(text: &'static str) -> Self {
        Self::new(text).expect("a literal name is checked by its author")
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}
impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}
impl FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}
impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}
