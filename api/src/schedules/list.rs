//! Pages of schedules.

use super::view::ScheduleView;
use crate::{auth::Principal, calls::Repeat, params::Params, problem::Problem, state::Api};
use axum::{Json, extract::State};
use longshore_base::Scope;
use longshore_queue::{BrokerError, ScheduleFilter};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// List schedules
///
/// By tenant and name. Filters look at a bounded number of schedules, so a page may hold fewer than `limit` and still have a cursor.
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", params(
        ("tenant" = Option<String>, Query), ("queue" = Option<String>, Query),
        ("managed_by" = Option<String>, Query, description = "The file that declares them"),
        ("limit" = Option<usize>, Query, description = "1..=1000, 100 when absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page", body = ScheduleList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, caller: Principal, mut params: Params) -> Result<Json<ScheduleList>, Problem> {
    let filter = ScheduleFilter { tenant: params.name("tenant"), queue: params.name("queue"), managed_by: params.name("managed_by") };
    let limit = params.read("limit", "1..=1000", |text| text.parse::<usize>().ok().filter(|n| (1..=1000).contains(n))).unwrap_or(100);
    let cursor = params.text("cursor");
    if let (Some(tenant), Scope::Tenant(own)) = (&filter.tenant, caller.scope())
        && *tenant != own
    {
        params.fault("tenant", format!("this key may not name the tenant `{tenant}`"), own.as_str());
    }
    params.finish()?;
    let scope = caller.scope();
    let page = api.call(api.deadline(), Repeat::Read, || api.broker.schedules(&scope, &filter, limit, cursor.as_deref())).await;
    let page = page.map_err(|error: BrokerError| error)?;
    let now = api.clock.now();
    Ok(Json(ScheduleList { items: page.items.into_iter().map(|state| ScheduleView::new(state, now)).collect(), cursor: page.cursor }))
}

/// A page of schedules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScheduleList {
    items: Vec<ScheduleView>,
    /// For the next page; null: that was all.
    cursor: Option<String>,
}
