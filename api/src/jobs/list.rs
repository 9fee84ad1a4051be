//! Pages of jobs, and a job's log lines.

use super::{
    find,
    shapes::{JobList, Line, Logs},
};
use crate::{
    auth::Principal,
    calls::Repeat,
    params::{NoParams, Params, PathId},
    problem::Problem,
    state::Api,
    time::Time,
    view::JobView,
};
use axum::{Json, extract::State};
use longshore_base::Scope;
use longshore_queue::{BrokerError, Filter, Job, State as JobState};
use std::{collections::HashSet, sync::Arc};

/// List jobs
///
/// Cheap by state and queue; other filters look at a bounded number of jobs, so a page may hold fewer than `limit` and still have a cursor.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(
        ("queue" = Option<String>, Query), ("state" = Option<String>, Query), ("tenant" = Option<String>, Query),
        ("client" = Option<String>, Query), ("kind" = Option<String>, Query), ("tag" = Option<String>, Query),
        ("limit" = Option<usize>, Query, description = "1..=1000, 100 when absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page", body = JobList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, caller: Principal, mut params: Params) -> Result<Json<JobList>, Problem> {
    let filter = Filter {
        queue: params.name("queue"),
        state: params.read("state", &JobState::ALL.map(JobState::as_str).join(", "), JobState::parse),
        tenant: params.name("tenant"),
        client: params.name("client"),
        kind: params.name("kind"),
        tag: params.name("tag"),
        ..Filter::default()
    };
    let limit = params.read("limit", "1..=1000", |text| text.parse::<usize>().ok().filter(|n| (1..=1000).contains(n))).unwrap_or(100);
    let cursor = params.text("cursor");
    if let (Some(tenant), Scope::Tenant(own)) = (&filter.tenant, caller.scope())
        && *tenant != own
    {
        params.fault("tenant", format!("this key may not name the tenant `{tenant}`"), own.as_str());
    }
    params.finish()?;

    let Gathered { jobs, cursor, scanned } = gather(&api, &caller.scope(), &filter, limit, cursor).await?;
    Ok(Json(JobList { items: jobs.into_iter().map(JobView::from).collect(), cursor, scanned }))
}

/// A page of jobs.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) jobs: Vec<Job>,
    /// For the next page; None: that was all.
    pub(crate) cursor: Option<String>,
    /// How many jobs were looked at.
    pub(crate) scanned: u64,
}

/// A page in steps: whole jobs are large, and a page of a thousand must not have to fit into memory at its worst.
pub(crate) async fn gather(
    api: &Api,
    scope: &Scope,
    filter: &Filter,
    limit: usize,
    mut cursor: Option<String>,
) -> Result<Gathered, BrokerError> {
    let (deadline, mut page) = (api.deadline(), Gathered::default());
    let (mut bytes, mut seen) = (0, HashSet::new());
    for _ in 0..limit.div_ceil(STEP) {
        let n = STEP.min(limit - page.jobs.len());
        let step = api.call(deadline, Repeat::Read, || api.broker.list(scope, filter, n, cursor.as_deref())).await;
        let step = step?;
        bytes += step.items.iter().map(|job| job.args.get().len() + job.output.as_ref().map_or(0, |o| o.get().len())).sum::<usize>();
        page.scanned += step.scanned;
        // A job that moved on between two steps may be met twice.
        page.jobs.extend(step.items.into_iter().filter(|job| seen.insert(job.id)));
        cursor = step.cursor;
        if cursor.is_none() || page.jobs.len() >= limit || bytes > PAGE_BYTES {
            break;
        }
    }
    page.cursor = cursor;
    Ok(page)
}

/// Jobs are asked for so many at a time.
const STEP: usize = 100;
/// A page that has grown beyond this is ended early; its cursor goes on.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Read a job's log lines
///
/// 64 KiB of them are kept; `dropped` tells how many older ones are not.
#[utoipa::path(get, path = "/v1/jobs/{id}/logs", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, description = "Oldest first", body = Logs)))]
pub(crate) async fn logs(State(api): State<Arc<Api>>, caller: Principal, PathId(id): PathId, _: NoParams) -> Result<Json<Logs>, Problem> {
    let (scope, deadline) = (caller.scope(), api.deadline());
    let longshore_queue::Logs { lines, dropped } = match api.call(deadline, Repeat::Read, || api.broker.logs(&scope, id)).await {
        // The history keeps no log lines, but the job is known.
        Err(BrokerError::NotFound) => find(&api, &scope, deadline, id).await.map(|_| longshore_queue::Logs::default())?,
        other => other?,
    };
    let line = |line: longshore_queue::LogLine| Line { at: Time(line.at), level: line.level, message: line.message };
    Ok(Json(Logs { logs: lines.into_iter().map(line).collect(), dropped }))
}
