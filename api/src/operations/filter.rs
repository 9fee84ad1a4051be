//! The schema of a filter; [`longshore_dlq::Wanted`] is what is read.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Which jobs; what is absent is any.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Filter)]
#[expect(dead_code, reason = "shown in OpenAPI, and checks what is read as a Wanted")]
pub(crate) struct FilterBody {
    #[schema(schema_with = says::kind)]
    kind: Option<String>,
    #[schema(schema_with = says::queue)]
    queue: Option<String>,
    #[schema(schema_with = says::tenant)]
    tenant: Option<String>,
    #[schema(schema_with = says::client)]
    client: Option<String>,
    #[schema(schema_with = says::tag)]
    tag: Option<String>,
    #[schema(schema_with = says::from)]
    from: Option<String>,
    #[schema(schema_with = says::to)]
    to: Option<String>,
    /// With this text, whatever its case, in the last error or in the args.
    #[schema(nullable = false, min_length = 1, max_length = 1024)]
    text: Option<String>,
    /// With these values at these places of the args: JSON pointers (RFC 6901), at most 20.
    #[serde(default)]
    #[schema(value_type = Object)]
    args: BTreeMap<String, Value>,
    /// Whose last error has this fingerprint, as the groups tell it.
    #[schema(nullable = false, min_length = 1, max_length = 64)]
    fingerprint: Option<String>,
    #[schema(schema_with = says::state)]
    state: Option<String>,
}

mod says {
    use crate::view;
    use utoipa::openapi::{Object, ObjectBuilder};

    macro_rules! says {
        ($($field:ident: $of:ident, $text:literal;)*) => {
            $(pub(super) fn $field() -> Object { ObjectBuilder::from(view::$of()).description(Some($text)).build() })*
        };
    }
    says! {
        kind: name, "Of this kind.";
        queue: name, "In this queue. Without it, what is in the queue of the operations themselves is left alone.";
        tenant: name, "Of this tenant; only an operator's key may name another than its own.";
        client: name, "For this client.";
        tag: name, "With this tag.";
        from: time, "That ended at or after this time; living jobs: that were enqueued then.";
        to: time, "That ended (were enqueued) before this time.";
        state: state, "In this state; of dead letters nothing else than dead.";
    }
}
