//! Whether the process is alive, and whether it may serve. Both need no key and name no host.

use crate::{params::NoParams, problem::Problem, state::Api};
use axum::{Json, extract::State};
use longshore_base::Code;
use longshore_jobs::FieldFault;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long a part may take to say that it is well.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// A role that leases is stuck when it has not leased with success for this long; an idle lease waits a few seconds at most.
const LEASE_MAX: Duration = Duration::from_secs(30);

/// Alive?
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "Yes")))]
pub(crate) async fn healthz(_: NoParams) -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Ready to serve?
///
/// The broker, the store and the files answer, the broker's set-up has no fault that keeps jobs from being written, and in a process that
/// leases, the last lease call was not long ago.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, description = "Yes")))]
pub(crate) async fn readyz(State(api): State<Arc<Api>>, _: NoParams) -> Result<Json<Value>, Problem> {
    let (broker, store, files) = tokio::join!(broker(&api), store(&api), files(&api));
    let lease = lease(&api);
    let checks = [
        ("broker", Code::Unavailable, &broker),
        ("store", Code::StoreUnavailable, &store),
        ("files", Code::FilesUnavailable, &files),
        ("lease", Code::Unavailable, &lease),
    ];
    let fault = |(part, _, found): &(&str, Code, &Result<(), String>)| Some(FieldFault::new(format!("/{part}"), found.as_ref().err()?, ""));
    let faults: Vec<_> = checks.iter().filter_map(fault).collect();
    let Some((_, code, _)) = checks.iter().find(|(_, _, found)| found.is_err()) else {
        return Ok(Json(json!({ "status": "ready", "durability": api.broker.durability() })));
    };
    let told: Vec<_> = faults.iter().map(|fault| fault.detail.clone()).collect();
    Err(Problem::new(*code).detail(told.join("; ")).with(faults))
}

async fn broker(api: &Api) -> Result<(), String> {
    let health = tokio::time::timeout(ANSWER_MAX, api.broker.health()).await;
    let health = health.map_err(|_| "the broker does not answer".to_owned())?.map_err(|error| format!("the broker: {}", error.code()))?;
    match health.faults.iter().find(|fault| fault.fatal || fault.broken) {
        Some(fault) => Err(format!("the broker's {} is {}: {}", fault.key, fault.value, fault.allowed)),
        None => Ok(()),
    }
}

async fn store(api: &Api) -> Result<(), String> {
    let answer = tokio::time::timeout(ANSWER_MAX, api.store.ping()).await;
    answer.map_err(|_| "the store does not answer".to_owned())?.map_err(|error| format!("the store: {}", error.code()))
}

async fn files(api: &Api) -> Result<(), String> {
    let answer = tokio::time::timeout(ANSWER_MAX, api.checker.blobs().ping()).await;
    answer.map_err(|_| "the files do not answer".to_owned())?.map_err(|error| {
        tracing::warn!(code = %error.code(), "the files cannot be reached: {error}");
        format!("the files: {}", error.code())
    })
}

fn lease(api: &Api) -> Result<(), String> {
    let Some(last_lease) = &api.last_lease else { return Ok(()) };
    match last_lease() {
        Some(ago) if ago <= LEASE_MAX => Ok(()),
        Some(ago) => Err(format!("the last successful lease call was {} s ago", ago.as_secs())),
        None => Err("no lease call has succeeded yet".to_owned()),
    }
}
