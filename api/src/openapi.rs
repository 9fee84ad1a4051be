//! The OpenAPI 3.1 document: the table of routes, what is the same for all of them, and the kinds that are registered.
//! A kind's schema is merged in as JSON, because utoipa's schema type has no `const` and no `$defs`.

use crate::{auth::is_open, params::NoParams, routes, state::Api};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use longshore_queue::KindRecord;
use serde_json::{Map, Value, json};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

mod example;

/// Kinds are asked for again after this long.
const FRESH: Duration = Duration::from_secs(1);
/// The document goes out without kinds when the broker takes longer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The document of this build, with `kinds` merged in. `cargo xtask gen` writes it with the kinds that ship.
#[must_use]
pub fn openapi(kinds: &[KindRecord]) -> Value {
    with_kinds(finished(routes::table().into_openapi()), kinds)
}

/// The document without kinds, and the last one with them.
#[derive(Debug)]
pub(crate) struct Document {
    plain: Value,
    last: Mutex<Option<(Duration, Arc<str>)>>,
}

impl Document {
    pub(crate) fn new(document: OpenApi) -> Self {
        Self { plain: finished(document), last: Mutex::default() }
    }

    async fn text(&self, api: &Api) -> Arc<str> {
        let now = api.clock.elapsed();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, text)) = last.filter(|(at, _)| now.saturating_sub(*at) < FRESH) {
            return text;
        }
        let kinds = tokio::time::timeout(ANSWER_MAX, api.broker.kinds()).await;
        let kinds = kinds.ok().and_then(Result::ok).unwrap_or_default();
        let text: Arc<str> = with_kinds(self.plain.clone(), &kinds).to_string().into();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&text)));
        text
    }
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "about", responses((status = 200, description = "OpenAPI 3.1")))]
pub(crate) async fn document(State(api): State<Arc<Api>>, _: NoParams) -> Response {
    let text = api.document.text(&api).await;
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}

/// What stands above the routes.
pub(crate) fn head() -> OpenApi {
    let info = InfoBuilder::new().title("Longshore").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Background jobs over HTTP. Send `Authorization: Bearer lsk_…`; a tenant's key sees its own jobs and nobody else's. Times are \
         RFC 3339 in UTC, durations are integer milliseconds. Every error is `application/problem+json` with a `code` to branch on.",
    ));
    OpenApiBuilder::new().info(info.build()).build()
}

/// The document with what every operation shares: the key, and how it fails.
fn finished(document: OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("a document prints as JSON");
    let paths = document["paths"].as_object_mut().expect("a document has paths");
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().expect("a path holds operations") {
            operation["operationId"] = operation_id(method, path).into();
            operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
            if !is_open(path) {
                operation["security"] = json!([{ "key": [] }]);
            }
        }
    }
    document["components"]["securitySchemes"] = json!({ "key": { "type": "http", "scheme": "bearer", "bearerFormat": "lsk_…" } });
    document["components"]["responses"] = json!({ "Problem": {
        "description": "Refused or failed; `code` says how",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    } });
    document["components"]["schemas"]["Problem"] = problem();
    document
}

/// Unique, because a method and a path are: `get_jobs_id_why`.
fn operation_id(method: &str, path: &str) -> String {
    let parts = path.split('/').map(|part| part.trim_matches(['{', '}'])).filter(|part| !matches!(*part, "" | "v1"));
    std::iter::once(method).chain(parts).collect::<Vec<_>>().join("_").replace(['.', '-'], "_")
}

fn problem() -> Value {
    let codes: Vec<_> = longshore_base::Code::ALL.iter().map(|code| code.as_str()).collect();
    let fault = json!({ "type": "object", "required": ["pointer", "detail"], "properties": {
        "pointer": { "type": "string", "description": "RFC 6901, into the body; for a parameter or a header its name" },
        "detail": { "type": "string" },
        "allowed": { "type": "string" },
    } });
    json!({ "type": "object", "required": ["type", "title", "status", "code", "detail", "errors", "request_id"], "properties": {
        "type": { "type": "string", "description": "Where the code's page is" },
        "title": { "type": "string" },
        "status": { "type": "integer" },
        "code": { "type": "string", "enum": codes },
        "detail": { "type": "string" },
        "errors": { "type": "array", "items": fault },
        "request_id": { "type": "string" },
        "ids": { "type": "array", "items": { "type": "string", "format": "uuid" }, "description": "What may exist, when the outcome is not known" },
    } })
}

/// Adds each kind's schemas to the components, and a request to enqueue it to the examples.
fn with_kinds(mut document: Value, kinds: &[KindRecord]) -> Value {
    let mut sorted: Vec<_> = kinds.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut examples = Map::new();
    for kind in sorted {
        // The keys of components may not hold a colon; the names of kinds may.
        let key = format!("kind.{}", kind.name.as_str().replace(':', "_"));
        let schemas = &mut document["components"]["schemas"];
        schemas[format!("{key}.args")] = rooted(&kind.args_schema, &format!("{key}.args"));
        if let Some(output) = &kind.output_schema {
            schemas[format!("{key}.output")] = rooted(output, &format!("{key}.output"));
        }
        // Jobs of these are made by calls of their own.
        if kind.internal {
            continue;
        }
        let value = json!({ "kind": kind.name, "args": example::of(&kind.args_schema) });
        examples.insert(kind.name.to_string(), json!({ "summary": format!("{} in queue {}", kind.name, kind.queue), "value": value }));
    }
    document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"] = Value::Object(examples);
    document
}

/// A schema whose references to its own root (`#/$defs/…`) hold where it stands now.
fn rooted(schema: &Value, key: &str) -> Value {
    match schema {
        Value::Object(fields) => {
            let moved = |(name, value): (&String, &Value)| match (name.as_str(), value.as_str().and_then(|text| text.strip_prefix('#'))) {
                ("$ref", Some(rest)) if rest.is_empty() || rest.starts_with('/') => {
                    (name.clone(), format!("#/components/schemas/{key}{rest}").into())
                }
                _ => (name.clone(), rooted(value, key)),
            };
            Value::Object(fields.iter().map(moved).collect())
        }
        Value::Array(items) => items.iter().map(|item| rooted(item, key)).collect(),
        plain => plain.clone(),
    }
}
