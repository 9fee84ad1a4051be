//! Which schedule a request is about: the name in the path, and the tenant that the key stands for or that the query names.

use crate::{
    auth::Principal,
    params::{Params, PathName},
    problem::Problem,
    state::Api,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use longshore_base::Name;
use std::sync::Arc;

/// A schedule by its name, whether it is there or not.
#[derive(Debug)]
pub(crate) struct Target {
    pub(super) tenant: Name,
    pub(super) name: Name,
    /// The rest of the query.
    pub(super) params: Params,
}

impl FromRequestParts<Arc<Api>> for Target {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let caller = Principal::from_request_parts(parts, api).await?;
        let PathName(name) = PathName::from_request_parts(parts, api).await?;
        let mut params = Params::from_request_parts(parts, api).await?;
        let named = params.name("tenant");
        let tenant = match caller.tenant(named) {
            Ok(tenant) => tenant,
            Err(fault) => return Err(Problem::faults(vec![fault])),
        };
        Ok(Self { tenant, name, params })
    }
}

impl Target {
    /// The target, once every parameter was taken.
    pub(super) fn finish(mut self) -> Result<Self, Problem> {
        std::mem::take(&mut self.params).finish()?;
        Ok(self)
    }
}
