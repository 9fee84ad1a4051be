//! A value that nobody sees by accident.

use std::fmt;

/// Holds a secret. It prints as `***` and cannot be serialised:
///
/// ```compile_fail
/// fn needs<T: serde::Serialize>(_: T) {}
/// needs(longshore_config::Secret::new(String::from("hidden")));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
    /// The value itself, for the one call that needs it. Never log it, never store it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
