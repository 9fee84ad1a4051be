//! Health and metrics without a key: bind it to an address that only your own machines reach.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use longshore_api::{LastLease, OwnMetrics, broker_metrics};
use longshore_jobs::Blobs;
use longshore_queue::Broker;
use longshore_store::Store;
use serde_json::json;
use std::{fmt, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long a part may take to say that it is well.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// A worker whose lease calls have not succeeded for this long is not ready.
const LEASE_MAX: Duration = Duration::from_secs(30);

/// What is looked at.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) broker: Arc<dyn Broker>,
    /// None in roles that need no store.
    pub(crate) store: Option<Store>,
    /// Where large args and outputs lie.
    pub(crate) blobs: Blobs,
    /// None in roles that do not lease.
    pub(crate) last_lease: Option<LastLease>,
    pub(crate) own_metrics: OwnMetrics,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("broker", &self.broker).finish_non_exhaustive()
    }
}

/// `/healthz` (alive), `/readyz` (broker, store and files answer, and lease calls do), `/metrics`.
fn router(watched: Watched) -> Router {
    let alive = || async { Json(json!({ "status": "ok" })) };
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).route("/metrics", get(metrics)).with_state(watched)
}

/// Answers until `stop`.
pub(crate) async fn serve(listener: TcpListener, watched: Watched, stop: CancellationToken) {
    if let Err(error) = axum::serve(listener, router(watched)).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "health and metrics are no longer served");
    }
}

async fn ready(State(watched): State<Watched>) -> Response {
    let mut faults = Vec::new();
    match tokio::time::timeout(ANSWER_MAX, watched.broker.health()).await {
        Ok(Ok(health)) => {
            faults.extend(health.faults.iter().filter(|f| f.fatal || f.broken).map(|f| format!("the broker's {} is {}", f.key, f.value)))
        }
        Ok(Err(error)) => faults.push(format!("the broker: {}", error.code())),
        Err(_) => faults.push("the broker does not answer".into()),
    }
    if let Some(store) = &watched.store {
        match tokio::time::timeout(ANSWER_MAX, store.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => faults.push(format!("the store: {}", error.code())),
            Err(_) => faults.push("the store does not answer".into()),
        }
    }
    match tokio::time::timeout(ANSWER_MAX, watched.blobs.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => faults.push(format!("the files: {}", error.code())),
        Err(_) => faults.push("the files do not answer".into()),
    }
    if let Some(unanswered) = watched.last_lease.and_then(|last_lease| last_lease()).filter(|ago| *ago > LEASE_MAX) {
        faults.push(format!("no lease call has succeeded for {} s", unanswered.as_secs()));
    }
    let (status, told) = if faults.is_empty() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (status, Json(json!({ "status": told, "faults": faults }))).into_response()
}

async fn metrics(State(watched): State<Watched>) -> Response {
    let text = (watched.own_metrics)() + &broker_metrics(&*watched.broker).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
