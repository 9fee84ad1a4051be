//! The conformance suite. A broker is correct when these cases pass, and not otherwise.
//!
//! A case is named after the section and the bullet of QUEUE.md that it proves; `bullets.toml` lists the bullets' keys, and those that
//! later issues bring. [`broker_conformance!`](crate::broker_conformance) makes one test of each case for one broker:
//!
//! ```text
//! mod sqlite { longshore_queue::broker_conformance!(super::fresh_sqlite()); }     // an expression that opens a fresh Fixture
//! cargo test -p longshore-tests -- sqlite::                                       // one broker's cases
//! cargo test -p longshore-tests -- redis::q4_                                     // … of one section
//! ```
//!
//! After every case the queue's counts are compared with its jobs. Around every refused call ([`Case::refused`]) the whole state is
//! compared: a refused or failed call leaves everything as it was.

pub mod budgets;
pub mod burying;
pub mod cancelling;
mod case;
pub mod crashes;
pub mod ends;
pub mod enqueueing;
pub mod explaining;
pub mod feeding;
pub mod finding;
pub mod firing;
mod fixture;
pub mod following;
pub mod gates;
pub mod leasing;
pub mod letters;
pub mod limits;
mod list;
pub mod listening;
pub mod moving;
pub mod overlapping;
pub mod people;
mod planned;
pub mod resources;
pub mod retention;
pub mod rules;
pub mod running;
pub mod schedules;
pub mod seeing;
pub mod sharing;
pub mod steering;
pub mod undoing;
pub mod uniqueness;
pub mod waiting;

pub use case::{Case, KIND, LONG, OTHER, SHORT, args, complete, dead, error, for_signal, only, retry};
pub use fixture::Fixture;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// A case's body.
pub type Body = for<'a> fn(&'a Case) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A case that takes longer than this hangs.
const CASE_MAX: Duration = Duration::from_secs(120);

/// Runs one case on a queue of its own, then compares the counts with the jobs.
///
/// # Panics
/// When the broker does not keep the contract; the panic's message says how.
pub async fn run(name: &str, fixture: Arc<dyn Fixture>, body: Body) {
    let case = Case::open(name, fixture).await;
    tokio::time::timeout(CASE_MAX, body(&case)).await.unwrap_or_else(|_| panic!("{name} hangs"));
    case.assert_counts_are_true().await;
}
