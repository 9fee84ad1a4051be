//! Closing and opening a gate, whatever it belongs to.

use crate::{host::Host, length};
use clap::Args;
use longshore_base::rfc3339;
use serde_json::{Value, json};
use std::time::Duration;

/// For how long, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct Pause {
    /// Resume by itself at this time (RFC 3339)
    #[arg(long, value_parser = length::time)]
    until: Option<String>,
    /// Resume by itself after this long, such as 30m
    #[arg(long = "for", value_name = "LENGTH", value_parser = length::duration, conflicts_with = "until")]
    length: Option<Duration>,
    /// Why; told to whoever asks why nothing runs
    #[arg(long)]
    reason: Option<String>,
}

impl Pause {
    /// The body of a pause.
    pub(crate) fn body(&self, host: &Host) -> Value {
        let end = self.length.map(|length| rfc3339(host.clock.now().saturating_add_unsigned(length::ms(length))));
        let mut body = json!({});
        if let Some(until) = self.until.clone().or(end) {
            body["until"] = until.into();
        }
        if let Some(reason) = &self.reason {
            body["reason"] = json!(reason);
        }
        body
    }
}
