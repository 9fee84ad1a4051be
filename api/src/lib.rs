//! api — HTTP in, JSON out; no business logic. Read `jobs.rs`, then `intake.rs`, `problem.rs` and `envelope.rs`.
//!
//! A request passes the envelope (request id, panics, time, problems), then the key (`auth.rs`), then one handler. Handlers
//! speak to the broker, the store and the checker of kinds, and to nothing else: a job never runs here.

mod auth;
mod body;
mod calls;
mod envelope;
mod events;
mod health;
mod intake;
mod jobs;
mod keys;
mod kinds;
mod lanes;
mod letters;
mod limits;
mod metrics;
mod openapi;
mod operations;
mod pages;
mod params;
mod problem;
mod queues;
mod resources;
mod routes;
mod rules;
mod scaling;
mod schedules;
mod serve;
mod state;
mod time;
mod timeline;
mod traces;
mod traffic;
mod view;
mod why;
mod workers;

pub use limits::Limits;
pub use metrics::broker_metrics;
pub use openapi::openapi;
pub use routes::router;
pub use serve::serve;
pub use state::{ApiState, LastLease, OwnMetrics};

#[cfg(test)]
mod tests;
