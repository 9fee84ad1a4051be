//! A broker on plain maps: the oracle. Small and obviously right rather than fast; QUEUE.md in Rust, one lock, no cleverness.
//! Every move is a plain function of [`World`] with the time as an argument, so that the random walk can drive it without a clock;
//! [`ModelBroker`] puts the [`crate::Broker`] contract around it.

mod ack;
mod admit;
mod broker;
mod deliver;
mod enqueue;
mod feed;
mod fire;
mod lanes;
mod lease;
mod letters;
mod moves;
mod people;
mod resources;
mod rest;
mod rules;
mod schedules;
mod tick;
mod world;

pub use broker::ModelBroker;
pub use world::{Record, World};
