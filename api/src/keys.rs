//! API keys: made once, told once, revoked for good.

use crate::{
    auth::Operator,
    body::{Body, shaped},
    params::{NoParams, PathText},
    problem::Problem,
    state::Api,
    time::Time,
};
use axum::{Json, extract::State, http::StatusCode};
use longshore_base::{Code, Name};
use longshore_queue::OPERATIONS;
use longshore_store::{ApiKey, Role};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// List the keys
///
/// Revoked ones included, without their secrets.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", responses((status = 200, description = "Oldest first", body = KeyList)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, Operator(caller): Operator, _: NoParams) -> Result<Json<KeyList>, Problem> {
    let keys = api.store.keys(&caller.scope()).await?;
    Ok(Json(KeyList { keys: keys.into_iter().map(KeyView::from).collect() }))
}

/// Make a key
///
/// The answer tells it for the only time.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeyBody,
    responses((status = 201, description = "The key", body = NewKeyView)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    _: Operator,
    _: NoParams,
    Body(body): Body<KeyBody>,
) -> Result<(StatusCode, Json<NewKeyView>), Problem> {
    let role = match (body.role, body.tenant) {
        (RoleWord::Operator, None) => Role::Operator,
        (RoleWord::Tenant, Some(tenant)) if tenant.as_str() == OPERATIONS => {
            return Err(Problem::fault("/tenant", format!("the tenant `{OPERATIONS}` is the operations' own"), "another tenant"));
        }
        (RoleWord::Tenant, Some(tenant)) => Role::Tenant(tenant),
        (RoleWord::Operator, Some(_)) => return Err(Problem::fault("/tenant", "an operator's key has no tenant", "nothing")),
        (RoleWord::Tenant, None) => return Err(Problem::fault("/tenant", "the field is missing", "the name of a tenant")),
    };
    let made = api.store.create_key(&body.name, &role, api.clock.now(), &*api.random).await?;
    let key = made.text.reveal().to_owned();
    Ok((StatusCode::CREATED, Json(NewKeyView { key, about: made.key.into() })))
}

/// Revoke a key
///
/// Refused everywhere within five seconds.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)), responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke(State(api): State<Arc<Api>>, _: Operator, PathText(id): PathText, _: NoParams) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(Code::NotFound).detail("there is no key of this id");
    let id = Uuid::try_parse(&id).map_err(|_| unknown())?;
    let found = api.store.revoke_key(id, api.clock.now()).await?;
    api.keys.forget(id);
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(crate) struct KeyBody {
    #[schema(schema_with = crate::view::name)]
    name: Name,
    #[schema(inline)]
    role: RoleWord,
    /// With role tenant.
    #[schema(schema_with = crate::view::name)]
    tenant: Option<Name>,
}
shaped!(KeyBody);

/// operator: everything, for every tenant · tenant: one tenant's jobs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RoleWord {
    Operator,
    Tenant,
}

/// Every key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    keys: Vec<KeyView>,
}

/// A new key with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewKeyView {
    /// Told once.
    key: String,
    #[serde(flatten)]
    about: KeyView,
}

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
struct KeyView {
    #[schema(schema_with = crate::view::id)]
    id: Uuid,
    #[schema(schema_with = crate::view::name)]
    name: Name,
    role: RoleWord,
    #[schema(value_type = Option<String>)]
    tenant: Option<Name>,
    #[schema(schema_with = crate::view::time)]
    created_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Time>,
    /// Within a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Time>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let (role, tenant) = match key.role {
            Role::Operator => (RoleWord::Operator, None),
            Role::Tenant(tenant) => (RoleWord::Tenant, Some(tenant)),
        };
        Self {
            id: key.id,
            name: key.name,
            role,
            tenant,
            created_at: Time(key.created_at),
            revoked_at: key.revoked_at.map(Time),
            last_used_at: key.last_used_at.map(Time),
        }
    }
}
