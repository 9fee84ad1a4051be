//! Who calls: a key makes a [`Principal`]. A route that is not listed as open needs one, a route that is not there included.

use crate::{problem::Problem, state::Api};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use longshore_base::{Code, Name, Scope};
use longshore_jobs::FieldFault;
use longshore_store::Role;
use std::sync::Arc;

/// What needs no key.
const OPEN: [&str; 5] = ["/", "/docs", "/healthz", "/readyz", "/openapi.json"];
const OPEN_BELOW: &str = "/errors/";

/// Whether `path` needs no key.
pub(crate) fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with(OPEN_BELOW)
}

/// Whoever holds the key of this request.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The key's name, for what it changes.
    pub(crate) name: Name,
    role: Role,
}

impl Principal {
    /// What it may see.
    pub(crate) fn scope(&self) -> Scope {
        match &self.role {
            Role::Operator => Scope::All,
            Role::Tenant(tenant) => Scope::Tenant(tenant.clone()),
        }
    }

    /// Whether it is a tenant's key, for which some kinds do not exist.
    pub(crate) const fn is_tenant(&self) -> bool {
        matches!(self.role, Role::Tenant(_))
    }

    /// The tenant that a request speaks for. Only an operator may name another one than its own.
    pub(crate) fn tenant(&self, named: Option<Name>) -> Result<Name, FieldFault> {
        match (&self.role, named) {
            (Role::Operator, named) => Ok(named.unwrap_or_else(|| Name::literal("default"))),
            (Role::Tenant(own), None) => Ok(own.clone()),
            (Role::Tenant(own), Some(named)) if *own == named => Ok(named),
            (Role::Tenant(own), Some(named)) => {
                Err(FieldFault::new("/tenant", format!("this key may not name the tenant `{named}`"), format!("{own}, or nothing")))
            }
        }
    }

    /// Keeps the Idempotency-Keys of operators and of each tenant apart: whose they are, and a prefix.
    pub(crate) fn keyspace(&self) -> (Name, &'static str) {
        match &self.role {
            Role::Operator => (Name::literal("default"), "operator/"),
            Role::Tenant(own) => (own.clone(), "tenant/"),
        }
    }
}

/// The innermost layer: 401 comes before anything else that a handler could say.
pub(crate) async fn authenticate(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    if is_open(request.uri().path()) {
        return next.run(request).await;
    }
    match principal(&api, request.headers()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn principal(api: &Api, headers: &HeaderMap) -> Result<Principal, Problem> {
    let unauthorized = || Problem::new(Code::Unauthorized);
    let key = bearer(headers).ok_or_else(unauthorized)?;
    let key = api.keys.check(key).await?.ok_or_else(unauthorized)?;
    Ok(Principal { name: key.name, role: key.role })
}

/// The key that a request came with, unchecked.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

impl FromRequestParts<Arc<Api>> for Principal {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::new(Code::Unauthorized))
    }
}

/// A principal that may do everything; others get 403.
#[derive(Debug)]
pub(crate) struct Operator(pub(crate) Principal);

impl FromRequestParts<Arc<Api>> for Operator {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, api).await?;
        if principal.role == Role::Operator { Ok(Self(principal)) } else { Err(Problem::new(Code::Forbidden)) }
    }
}
