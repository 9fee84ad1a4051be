//! Revisions as ETags: a change may name the one that it was made from.

use crate::{problem::Problem, state::Api};
use axum::{
    extract::FromRequestParts,
    http::{HeaderName, header, request::Parts},
};
use std::sync::Arc;

/// The revision that `If-Match` names; None: whatever there is. A number with or without the quotes of an ETag, or `*`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IfMatch {
    pub(crate) revision: Option<u64>,
    /// `*`: only what is there already.
    pub(crate) any: bool,
}

impl IfMatch {
    /// Whatever there is.
    pub(crate) const NONE: Self = Self { revision: None, any: false };
}

impl FromRequestParts<Arc<Api>> for IfMatch {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all(header::IF_MATCH).iter();
        let Some(value) = given.next() else { return Ok(Self::NONE) };
        let text = value.to_str().unwrap_or_default().trim();
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        match (bare, bare.parse(), given.next()) {
            ("*", _, None) => Ok(Self { revision: None, any: true }),
            (_, Ok(revision), None) => Ok(Self { revision: Some(revision), any: false }),
            _ => Err(Problem::fault("/If-Match", "the header names no revision", "the ETag of an earlier answer, once, or *")),
        }
    }
}

/// A revision as a header.
pub(crate) fn etag(revision: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{revision}\""))]
}
