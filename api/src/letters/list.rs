//! Pages of letters, and a filter as a query says it.

use super::view::LetterView;
use crate::{
    auth::Principal,
    jobs::{Gathered, gather},
    params::Params,
    problem::Problem,
    state::Api,
};
use axum::{Json, extract::State};
use longshore_base::{Millis, Scope};
use longshore_dlq::{Wanted, time_of};
use longshore_queue::{Filter, Job, OPERATIONS, State as JobState};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// List dead letters
///
/// Newest first in each queue. Filters other than tenant and queue look at a bounded number of letters, so a page may hold fewer than `limit`
/// and still have a cursor. What is in the queue of the operations is left out unless `queue` names it.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead letters", params(
        ("kind" = Option<String>, Query), ("queue" = Option<String>, Query), ("tenant" = Option<String>, Query),
        ("client" = Option<String>, Query), ("tag" = Option<String>, Query),
        ("from" = Option<String>, Query, description = "That ended at or after this time"),
        ("to" = Option<String>, Query, description = "That ended before this time"),
        ("text" = Option<String>, Query, description = "With this text in the last error or in the args, whatever its case"),
        ("args" = Option<String>, Query, description = "With these values at these places of the args: {\"/pointer\": value}"),
        ("fingerprint" = Option<String>, Query, description = "Of this group"),
        ("replayed" = Option<bool>, Query, description = "true: letters that were repeated, and nothing else"),
        ("limit" = Option<usize>, Query, description = "1..=1000, 100 when absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page", body = LetterList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, caller: Principal, mut params: Params) -> Result<Json<LetterList>, Problem> {
    let wanted = wanted(&mut params, &caller);
    let replayed = params.read("replayed", "true or false", |text| text.parse::<bool>().ok()).unwrap_or_default();
    let limit = params.read("limit", "1..=1000", |text| text.parse::<usize>().ok().filter(|n| (1..=1000).contains(n))).unwrap_or(100);
    let cursor = params.text("cursor");
    params.finish()?;
    let filter = Filter { replayed, ..letters_of(&wanted) };
    let Gathered { jobs, cursor, scanned } = gather(&api, &caller.scope(), &filter, limit, cursor).await?;
    let items = jobs.into_iter().filter(|job| is_meant(&wanted, job)).map(LetterView::from).collect();
    Ok(Json(LetterList { items, cursor, scanned }))
}

/// A page of letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterList)]
pub(crate) struct LetterList {
    items: Vec<LetterView>,
    /// For the next page; null: that was all.
    cursor: Option<String>,
    /// How many were looked at.
    scanned: u64,
}

/// The filter that a query names; its faults are those of the parameters.
pub(super) fn wanted(params: &mut Params, caller: &Principal) -> Wanted {
    let time = |params: &mut Params, name| -> Option<Millis> { params.read(name, "an RFC 3339 time", time_of) };
    let (kind, queue, tenant) = (params.name("kind"), params.name("queue"), params.name("tenant"));
    let (client, tag) = (params.name("client"), params.name("tag"));
    let (from, to) = (time(params, "from"), time(params, "to"));
    let (text, fingerprint) = (params.text("text"), params.text("fingerprint"));
    let args = params.read("args", "a JSON object of pointers and values", |text| serde_json::from_str(text).ok()).unwrap_or_default();
    let wanted = Wanted { kind, queue, tenant, client, tag, from, to, text, args, fingerprint, state: None };
    for fault in wanted.faults() {
        params.fault(fault.pointer.trim_start_matches('/'), fault.detail, &fault.allowed);
    }
    if let (Some(tenant), Scope::Tenant(own)) = (&wanted.tenant, caller.scope())
        && *tenant != own
    {
        params.fault("tenant", format!("this key may not name the tenant `{tenant}`"), own.as_str());
    }
    wanted
}

/// The letters of a filter, for the broker.
pub(super) fn letters_of(wanted: &Wanted) -> Filter {
    Filter { state: Some(JobState::Dead), ..wanted.filter() }
}

/// Whether a letter that the broker found is meant: an operation that died is one only where its queue is named.
pub(super) fn is_meant(wanted: &Wanted, letter: &Job) -> bool {
    wanted.queue.is_some() || letter.queue.as_str() != OPERATIONS
}
