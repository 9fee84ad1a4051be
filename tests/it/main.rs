//! The one integration binary: what the whole house promises, tried on real servers that it starts itself.
//!
//! ```text
//! cargo test -p longshore-tests                      everything
//! cargo test -p longshore-tests -- sqlite::          one broker's conformance cases (model:: redis:: cluster:: moving::)
//! ```
//!
//! A scenario is one file here and one line below. Nothing sleeps: a test waits for a condition with a bound (`harness::eventually`).

mod acl;
mod backups;
mod bench;
mod cli_commands;
mod cli_dlq;
mod cli_events;
mod cli_polish;
mod cli_schedules;
mod cli_start;
mod conformance;
mod doctor;
mod faults;
mod faults_schedules;
mod harness;
mod large;
mod lease_model;
mod oracle;
mod outbound;
mod own_kinds;
mod scenarios;
mod secrets;
mod sentinel;
mod servers;
mod sqlite_file;
mod store;
mod tls;
mod traces;
mod walk;
mod webhooks;
