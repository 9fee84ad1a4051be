//! What is wrong with a configuration: every fault at once, each with its key, its value, where it came from and what is allowed.

use serde::Serialize;
use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The key, such as `worker.lease_ms`.
    pub key: String,
    /// The value as given, passwords replaced; None when the fault is not about one value.
    pub value: Option<String>,
    /// Where the value came from: a file, a variable of the environment, a flag, or the defaults.
    pub from: String,
    /// What is wrong with it.
    pub detail: String,
    /// What would be allowed.
    pub allowed: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " (from {}): {}", self.from, self.detail.replace('\n', "\n    "))?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, "\n    allowed: {}", self.allowed) }
    }
}

/// Every fault of a configuration. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "the configuration has {count} fault{}; nothing was started", if count == 1 { "" } else { "s" })?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}
