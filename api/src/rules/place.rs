//! How a path names a scope: the queue, and a tenant, a kind, or a tenant and a lane key.

use crate::{params::NAME, problem::Problem, state::Api};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{Uri, request::Parts},
};
use longshore_base::{Code, Name};
use longshore_jobs::FieldFault;
use longshore_queue::{KEY_MAX, RuleScope};
use std::sync::Arc;

/// A scope of a queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) queue: Name,
    pub(crate) scope: RuleScope,
}

impl Place {
    /// The whole queue.
    pub(crate) const fn queue(queue: Name) -> Self {
        Self { queue, scope: RuleScope::Queue }
    }

    /// The path of this scope; its rules are below.
    pub(crate) fn path(&self) -> String {
        let queue = &self.queue;
        match &self.scope {
            RuleScope::Queue => format!("/v1/queues/{queue}"),
            RuleScope::Tenant(tenant) => format!("/v1/queues/{queue}/tenants/{tenant}"),
            RuleScope::Kind(kind) => format!("/v1/queues/{queue}/kinds/{kind}"),
            RuleScope::Key { tenant, key } => format!("/v1/queues/{queue}/keys/{tenant}/{}", escaped(key)),
        }
    }

    /// Whose rules these are; None for those of everybody.
    pub(crate) const fn tenant(&self) -> Option<&Name> {
        match &self.scope {
            RuleScope::Tenant(tenant) | RuleScope::Key { tenant, .. } => Some(tenant),
            RuleScope::Queue | RuleScope::Kind(_) => None,
        }
    }
}

impl FromRequestParts<Arc<Api>> for Place {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let Ok(params) = RawPathParams::from_request_parts(parts, api).await else {
            return Err(Problem::fault("/path", "the path is not UTF-8", "percent-encoded UTF-8"));
        };
        let params: Vec<_> = params.iter().collect();
        let mut faults = Vec::new();
        let text = |field: &str| params.iter().find(|(name, _)| *name == field).map(|(_, text)| *text);
        let mut name = |field: &str| {
            let name = Name::new(text(field)?);
            name.map_err(|error| faults.push(FieldFault::new(format!("/{field}"), error.to_string(), NAME))).ok()
        };
        let (queue, tenant, kind) = (name("queue"), name("tenant"), name("kind"));
        let key = text("key").map(unescaped);
        if let Some(key) = key.as_ref().filter(|key| key.len() > KEY_MAX) {
            faults.push(FieldFault::new(
                "/key",
                format!("the lane's key has {} bytes", key.len()),
                format!("at most {KEY_MAX} bytes of UTF-8"),
            ));
        }
        if text("key") == Some("") {
            faults.push(FieldFault::new("/key", "the lane's key is missing", "- for the empty key, else the key, percent-encoded"));
        }
        let scope = match (tenant, kind, key) {
            (Some(tenant), _, Some(key)) => RuleScope::Key { tenant, key },
            (Some(tenant), _, None) => RuleScope::Tenant(tenant),
            (None, Some(kind), _) => RuleScope::Kind(kind),
            (None, None, _) => RuleScope::Queue,
        };
        match queue {
            Some(queue) if faults.is_empty() => Ok(Self { queue, scope }),
            _ => Err(Problem::faults(faults)),
        }
    }
}

/// A path that no route has. One that names a scope that there is not is told which there are.
pub(crate) async fn nowhere(path: Uri) -> Problem {
    let segments: Vec<_> = path.path().split('/').skip(1).collect();
    match segments[..] {
        ["v1", "queues", _, scope, _, "limits" | "pause" | "resume"] | ["v1", "queues", _, scope, _, _, "limits" | "pause" | "resume"]
            if !["tenants", "kinds", "keys"].contains(&scope) =>
        {
            Problem::fault("/scope", format!("`{scope}` is no scope of a queue"), "tenants, kinds or keys, or none for the queue itself")
        }
        _ => Problem::new(Code::NotFound),
    }
}

/// A lane key as a segment of a path. A segment cannot be empty, so the empty key is `-`, and keys of nothing but dashes have one more.
fn escaped(key: &str) -> String {
    let dashes = key.bytes().all(|b| b == b'-');
    if key.is_empty() {
        return "-".into();
    }
    // A segment of dots would be taken for a way up.
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'~') || matches!(b, b'-' if !dashes) || matches!(b, b'.' if key.len() > 2);
    let first = if dashes { "%2D" } else { "" };
    let rest = key.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    std::iter::once(first.to_owned()).chain(rest).collect()
}

/// Back from a decoded segment.
fn unescaped(segment: &str) -> String {
    let dashes = segment.bytes().all(|b| b == b'-');
    segment.strip_prefix('-').filter(|_| dashes).unwrap_or(segment).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{escaped, unescaped};

    #[test]
    fn keys_of_dashes_have_one_more() {
        for (key, path) in [
            ("", "-"),
            ("-", "%2D%2D"),
            ("--", "%2D%2D%2D"),
            ("-a", "-a"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            ("a.b", "a.b"),
            ("é ", "%C3%A9%20"),
        ] {
            assert_eq!(escaped(key), path);
        }
        for (segment, key) in [("-", ""), ("--", "-"), ("---", "--"), ("-a", "-a"), ("a-", "a-"), ("x", "x")] {
            assert_eq!(unescaped(segment), key);
        }
    }
}
