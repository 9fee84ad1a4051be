//! The API in process, on the model broker and a SQLite store; `socket.rs` goes over a real socket.

mod batch;
mod ear;
mod events;
mod flaky;
mod harness;
mod idempotency;
mod inputs;
mod jobs;
mod lanes;
mod large;
mod letters;
mod letters_elsewhere;
mod letters_many;
mod limits;
mod matrix;
mod openapi;
mod operations;
mod operators;
mod outages;
mod rules;
mod schedules;
mod socket;
mod traffic;
