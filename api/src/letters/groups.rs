//! Groups of letters with like errors, merged over queues and tenants, and what people say of them.

mod view;

use crate::{
    auth::Principal,
    body::{Body, shaped},
    calls::Repeat,
    params::{NoParams, Params, PathText},
    problem::Problem,
    state::Api,
};
use axum::{Json, extract::State};
use longshore_base::{Code, Name, Scope};
use longshore_queue::{BrokerError, Group, OPERATIONS};
use longshore_store::{GroupChange, GroupWords};
use serde::{Deserialize, Deserializer};
use std::{collections::HashMap, sync::Arc};
use utoipa::ToSchema;
use view::{GroupList, GroupSaid};

/// List the groups of dead letters
///
/// Letters of a kind whose last errors differ only in numbers, ids, addresses, times and quoted values; the largest group first. Merged over
/// queues and tenants. What is in the queue of the operations is left out unless `queue` names it.
#[utoipa::path(get, path = "/v1/dead-letters/groups", tag = "dead letters", params(
        ("queue" = Option<String>, Query), ("tenant" = Option<String>, Query), ("kind" = Option<String>, Query)),
    responses((status = 200, description = "Every group", body = GroupList)))]
pub(crate) async fn groups(State(api): State<Arc<Api>>, caller: Principal, mut params: Params) -> Result<Json<GroupList>, Problem> {
    let (queue, tenant, kind) = (params.name("queue"), params.name("tenant"), params.name("kind"));
    let scope = caller.scope();
    if let (Some(tenant), Scope::Tenant(own)) = (&tenant, &scope)
        && tenant != own
    {
        params.fault("tenant", format!("this key may not name the tenant `{tenant}`"), own.as_str());
    }
    params.finish()?;
    let mut found = all(&api, &scope, queue.as_ref()).await?;
    found.retain(|group| tenant.as_ref().is_none_or(|name| *name == group.tenant) && kind.as_ref().is_none_or(|name| *name == group.kind));
    let said = api.store.said_of_groups(&scope).await?;
    let said: HashMap<String, GroupWords> = said.into_iter().map(|words| (words.fingerprint.clone(), words)).collect();
    Ok(Json(GroupList::merged(found, &said)))
}

/// What is to be said of a group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterGroupEdit)]
pub(crate) struct SayBody {
    /// What whoever comes next should know; null or empty: nothing any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false, max_length = 4000)]
    note: Option<Option<String>>,
    /// Somebody knows of it.
    #[schema(nullable = false)]
    acknowledged: Option<bool>,
}
shaped!(SayBody);

/// `null` is something that was said.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

/// Write a note on a group, or acknowledge it
///
/// A tenant's key speaks for its tenant, and operators for themselves: neither sees what the others said. It is kept when the group empties,
/// and is there again when the error comes back.
#[utoipa::path(patch, path = "/v1/dead-letters/groups/{fingerprint}", tag = "dead letters", params(("fingerprint" = String, Path)),
    request_body = SayBody, responses((status = 200, description = "What is said of it now", body = GroupSaid)))]
pub(crate) async fn say(
    State(api): State<Arc<Api>>,
    caller: Principal,
    PathText(fingerprint): PathText,
    _: NoParams,
    Body(body): Body<SayBody>,
) -> Result<Json<GroupSaid>, Problem> {
    if body.note.is_none() && body.acknowledged.is_none() {
        return Err(Problem::fault("", "there is nothing to change", "one or both of note, acknowledged"));
    }
    let scope = caller.scope();
    if !all(&api, &scope, None).await?.iter().any(|group| group.fingerprint == fingerprint) {
        return Err(Problem::new(Code::NotFound).detail("there is no group of dead letters with this fingerprint"));
    }
    let note = body.note.map(|note| note.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));
    let change = GroupChange { note, acknowledged: body.acknowledged };
    let said = api.store.say_of_group(&scope, &fingerprint, &change, &caller.name, api.clock.now()).await?;
    Ok(Json(GroupSaid::from(said)))
}

/// The broker's groups, one for each queue, tenant, kind and fingerprint.
async fn all(api: &Api, scope: &Scope, queue: Option<&Name>) -> Result<Vec<Group>, BrokerError> {
    let mut found = api.call(api.deadline(), Repeat::Read, || api.broker.groups(scope, queue)).await?;
    found.retain(|group| queue.is_some() || group.queue.as_str() != OPERATIONS);
    Ok(found)
}
