//! dlq — what went wrong. *Dead* is a state of the queue, so there is no second store here; this crate says which
//! failures are alike. Read `fingerprint.rs`.

mod fingerprint;

pub use fingerprint::fingerprint;
