//! What a deployment tells outside: spans to a collector, failures to Sentry, metrics, lines of a log. The receivers run in this process.

mod failures;
mod log;
mod metrics;
mod receiver;
mod spans;
