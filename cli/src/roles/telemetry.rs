//! Logs to stderr, for people or for programs.

use longshore_config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Libraries whose every step at `info` says nothing to an operator. A filter that names one wins.
const QUIET: &str = "sqlx=warn,hyper=warn,h2=warn,rustls=warn,apalis=warn,apalis_core=warn";

/// Sends logs to stderr from now on. A second call in one process changes nothing.
pub(crate) fn start(log: &Log, plain: bool) {
    let named = log.level.contains('=');
    let filter = EnvFilter::new(if named { log.level.clone() } else { format!("{},{QUIET}", log.level) });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Pretty => lines.with_ansi(!plain && std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).try_init(),
    };
    // Only a program that has set up its own logs gets here; it keeps them.
    drop(started);
}
