//! The random walk: the same operations through the model and through a broker, whose answers and whose visible state must agree after
//! each of them. Seeded, so that a run repeats; `PROPTEST_CASES` makes it longer. A failure is shrunk to the shortest walk that shows it.

mod compare;
mod letters;
mod ops;
mod rules;
mod schedules;
mod walker;
mod why;

use crate::harness::{fresh_model, fresh_redis, fresh_sqlite};
use longshore_queue::conformance::{Case, Fixture};
use ops::Op;
use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use std::{future::Future, sync::Arc};
use walker::Walker;

/// The longest walk.
const STEPS_MAX: usize = 60;

/// Walks `cases` times, or as often as `PROPTEST_CASES` says if that is more.
fn walk(name: &'static str, cases: u32, open: impl Future<Output = Arc<dyn Fixture>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let fixture = runtime.block_on(open);
    // The default is 256 unless the environment says something else.
    let asked = Some(Config::default().cases).filter(|asked| *asked != 256).unwrap_or(0);
    let config = Config { cases: cases.max(asked), failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&vec(Op::any(), 1..STEPS_MAX), |ops| {
        runtime.block_on(async {
            let mut walker = Walker::new(Case::open(name, Arc::clone(&fixture)).await).await;
            for op in &ops {
                walker.step(op).await.map_err(TestCaseError::fail)?;
            }
            walker.close().await;
            Ok(())
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// The model against itself: what the walk asks of a broker, beyond being like the model, holds for the model too.
#[test]
fn walk_on_model() {
    walk("walk_on_model", 200, fresh_model());
}

#[test]
fn walk_on_sqlite() {
    walk("walk_on_sqlite", 200, fresh_sqlite());
}

#[test]
fn walk_on_redis() {
    walk("walk_on_redis", 150, fresh_redis());
}
