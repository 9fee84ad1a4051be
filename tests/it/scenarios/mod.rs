//! The product as its users meet it: real processes, real servers, real signals.

mod embedded;
mod engine;
mod events;
mod lanes;
mod letters;
mod nginx;
mod on_redis;
mod real_http;
mod scaling;
mod schedules;

pub(crate) use engine::{Engine, Process, binary, until};
pub(crate) use on_redis::workers;
