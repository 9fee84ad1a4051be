//! The routes of the four scopes, which differ in their paths only.

use super::{
    etag::{IfMatch, etag},
    gate::PauseBody,
    limits::{LimitsBody, RulesView},
    place::Place,
};
use crate::{
    auth::{Operator, Principal},
    body::Body,
    jobs::Nothing,
    params::NoParams,
    problem::Problem,
    state::Api,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Name, Scope};
use longshore_queue::{RuleChange, ScopeState};
use std::sync::Arc;

/// `limits!(module, "of what", "path", [params])`: read, set and remove.
macro_rules! limits {
    ($of:literal, $path:literal, [$($param:literal),+]) => {
        #[utoipa::path(get, path = $path, tag = "rules", params($(($param = String, Path)),+), summary = concat!("Read the rules of ", $of),
            description = "A tenant's key reads those of its own tenant.",
            responses((status = 200, description = "The rules and how they stand; ETag is their revision", body = RulesView)))]
        pub(crate) async fn read(State(api): State<Arc<Api>>, caller: Principal, place: Place, _: NoParams) -> Result<Response, Problem> {
            super::read(&api, &caller, &place).await
        }

        #[utoipa::path(put, path = $path, tag = "rules", summary = concat!("Limit ", $of),
            params($(($param = String, Path)),+ , ("If-Match" = Option<String>, Header, description = "The revision that this change was made from")),
            description = "All limits are replaced together, and hold from the next lease. What runs goes on.",
            request_body = LimitsBody, responses((status = 200, description = "The rules as they are now; ETag is their revision", body = RulesView)))]
        pub(crate) async fn put(
            State(api): State<Arc<Api>>,
            _: Operator,
            place: Place,
            _: NoParams,
            expected: IfMatch,
            Body(body): Body<LimitsBody>,
        ) -> Result<Response, Problem> {
            super::put(&api, &place, expected, body).await
        }

        #[utoipa::path(delete, path = $path, tag = "rules", summary = concat!("Take the limits away from ", $of),
            params($(($param = String, Path)),+ , ("If-Match" = Option<String>, Header, description = "The revision that this change was made from")),
            description = "A closed gate stays closed.", responses((status = 204, description = "Nothing is limited; ETag is the revision")))]
        pub(crate) async fn clear(
            State(api): State<Arc<Api>>,
            _: Operator,
            place: Place,
            _: NoParams,
            expected: IfMatch,
        ) -> Result<Response, Problem> {
            super::clear(&api, &place, expected).await
        }
    };
}

/// `gate!("what", "path of pause", "path of resume", [params])`.
macro_rules! gate {
    ($of:literal, $pause:literal, $resume:literal, [$($param:literal),+]) => {
        #[utoipa::path(post, path = $pause, tag = "rules", params($(($param = String, Path)),+), summary = concat!("Pause ", $of),
            description = "Nothing more of it is leased; what runs goes on.", request_body = PauseBody,
            responses((status = 200, description = "The rules as they are now", body = RulesView)))]
        pub(crate) async fn pause(
            State(api): State<Arc<Api>>,
            Operator(caller): Operator,
            place: Place,
            _: NoParams,
            Body(body): Body<PauseBody>,
        ) -> Result<Response, Problem> {
            super::turn(&api, &place, RuleChange::Pause(body.checked(&api, &caller.name)?)).await
        }

        #[utoipa::path(post, path = $resume, tag = "rules", params($(($param = String, Path)),+), summary = concat!("Resume ", $of),
            description = "Opens the gate, whoever closed it, and forgets the failures.",
            responses((status = 200, description = "The rules as they are now", body = RulesView)))]
        pub(crate) async fn resume(
            State(api): State<Arc<Api>>,
            _: Operator,
            place: Place,
            _: NoParams,
            _: Body<Nothing>,
        ) -> Result<Response, Problem> {
            super::turn(&api, &place, RuleChange::Resume).await
        }
    };
}

/// Of a whole queue; its pause and resume are beside the queue's numbers.
pub(crate) mod queue {
    use super::*;
    limits!("a queue", "/v1/queues/{queue}/limits", ["queue"]);
}

/// Of a tenant in a queue.
pub(crate) mod tenant {
    use super::*;
    limits!("a tenant in a queue", "/v1/queues/{queue}/tenants/{tenant}/limits", ["queue", "tenant"]);
    gate!(
        "a tenant in a queue",
        "/v1/queues/{queue}/tenants/{tenant}/pause",
        "/v1/queues/{queue}/tenants/{tenant}/resume",
        ["queue", "tenant"]
    );
}

/// Of a kind in a queue.
pub(crate) mod kind {
    use super::*;
    limits!("a kind in a queue", "/v1/queues/{queue}/kinds/{kind}/limits", ["queue", "kind"]);
    gate!("a kind in a queue", "/v1/queues/{queue}/kinds/{kind}/pause", "/v1/queues/{queue}/kinds/{kind}/resume", ["queue", "kind"]);
}

/// Of a tenant's lane key in a queue, over all kinds.
pub(crate) mod key {
    use super::*;
    limits!("a tenant's lane key", "/v1/queues/{queue}/keys/{tenant}/{key}/limits", ["queue", "tenant", "key"]);
    gate!(
        "a tenant's lane key",
        "/v1/queues/{queue}/keys/{tenant}/{key}/pause",
        "/v1/queues/{queue}/keys/{tenant}/{key}/resume",
        ["queue", "tenant", "key"]
    );
}

async fn read(api: &Api, caller: &Principal, place: &Place) -> Result<Response, Problem> {
    may_read(caller, place.tenant())?;
    let state = super::state(api, api.deadline(), &place.queue, &place.scope).await?;
    Ok(shown(place, state))
}

/// A tenant's key reads what is its tenant's own; it may not even name another.
fn may_read(caller: &Principal, tenant: Option<&Name>) -> Result<(), Problem> {
    match (caller.scope(), tenant) {
        (Scope::All, _) => Ok(()),
        (Scope::Tenant(_), None) => Err(Problem::new(Code::Forbidden)),
        (Scope::Tenant(_), Some(tenant)) => caller.tenant(Some(tenant.clone())).map(drop).map_err(|fault| Problem::faults(vec![fault])),
    }
}

async fn put(api: &Api, place: &Place, expected: IfMatch, body: LimitsBody) -> Result<Response, Problem> {
    let limits = body.checked(place).map_err(Problem::faults)?;
    let state = super::change(api, api.deadline(), place, RuleChange::Limits(limits), expected.revision).await?;
    Ok(shown(place, state))
}

async fn clear(api: &Api, place: &Place, expected: IfMatch) -> Result<Response, Problem> {
    let state = super::change(api, api.deadline(), place, RuleChange::Clear, expected.revision).await?;
    Ok((StatusCode::NO_CONTENT, etag(state.revision)).into_response())
}

async fn turn(api: &Api, place: &Place, change: RuleChange) -> Result<Response, Problem> {
    let state = super::change(api, api.deadline(), place, change, None).await?;
    Ok(shown(place, state))
}

fn shown(place: &Place, state: ScopeState) -> Response {
    (etag(state.revision), Json(RulesView::new(place, state))).into_response()
}
