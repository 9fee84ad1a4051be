//! What the tests stand on: servers that die with this process, clocks, a proxy that breaks connections.
//!
//! Servers that cases share are started lazily, once for the binary ([`redis::shared`], [`cluster::shared`], [`postgres::shared`]); cases
//! are apart by queue name. A test that breaks a server starts its own.

pub(crate) mod acl;
pub(crate) mod certificates;
pub(crate) mod cluster;
mod home;
pub(crate) mod jumping;
pub(crate) mod longshore;
mod model;
pub(crate) mod mover;
pub(crate) mod postgres;
mod process;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod redis_broker;
pub(crate) mod s3;
pub(crate) mod sentinel;
mod sqlite;
mod stalls;

pub(crate) use home::{folder, folder_in_memory};
pub(crate) use model::fresh_model;
pub(crate) use process::{free_port, spawn};
pub(crate) use redis_broker::{fresh_cluster, fresh_moving, fresh_redis};
pub(crate) use sqlite::fresh_sqlite;
pub(crate) use stalls::Stalls;

use std::time::Duration;

/// Steps that feeds keep here: so few that a case can tell more of them than are kept.
const FEED_STEPS: usize = 300;

/// Looks again and again, until the condition holds.
///
/// # Panics
/// When it has not come true within `at_most`.
pub(crate) async fn eventually(what: &str, at_most: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let looks = async {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        loop {
            pace.tick().await;
            if holds().await {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(at_most, looks).await.is_ok(), "not within {at_most:?}: {what}");
}
