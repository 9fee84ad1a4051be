//! A value that a schema would take, to show how a kind is called: what the schema gives as an example, or the least that it requires.

use serde_json::{Map, Value, json};

/// Schemas may refer to themselves; an example ends somewhere.
const DEPTH_MAX: usize = 6;

/// An example for `schema`.
pub(super) fn of(schema: &Value) -> Value {
    make(schema, schema, DEPTH_MAX)
}

fn make(root: &Value, schema: &Value, depth: usize) -> Value {
    let given = ["/examples/0", "/example", "/const", "/default", "/enum/0"].iter().find_map(|at| schema.pointer(at));
    if let Some(given) = given {
        return given.clone();
    }
    if depth == 0 {
        return Value::Null;
    }
    let inner = ["/oneOf/0", "/anyOf/0", "/allOf/0"].iter().find_map(|at| schema.pointer(at));
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
    if let Some(inner) = referred.or(inner) {
        return make(root, inner, depth - 1);
    }
    match kind(schema) {
        "object" => object(root, schema, depth),
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(3);
            let item = schema.get("items").map_or(Value::Null, |items| make(root, items, depth - 1));
            (0..least).map(|_| item.clone()).collect()
        }
        "string" => string(schema).into(),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        _ => Value::Null,
    }
}

/// The type, the first that is not null where there are several.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(one)) => one,
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).find(|word| *word != "null").unwrap_or("null"),
        _ => "object",
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let fields: Map<_, _> = names
        .map(|name| {
            let property = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Value::Null);
            (name.to_owned(), url(name, property).unwrap_or_else(|| make(root, property, depth - 1)))
        })
        .collect();
    Value::Object(fields)
}

/// Most schemas of URLs have a pattern, which an example cannot be made from; their fields say what they are.
fn url(name: &str, schema: &Value) -> Option<Value> {
    let named = matches!(name, "url" | "uri") || name.ends_with("_url") || name.ends_with("_uri");
    let plain = ["examples", "example", "const", "default", "enum", "$ref"].iter().all(|key| schema.get(*key).is_none());
    (named && plain && kind(schema) == "string").then(|| json!("https://example.com/"))
}

fn string(schema: &Value) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("uri" | "url") => "https://example.com/",
        Some("date-time") => "2030-01-01T00:00:00.000Z",
        Some("date") => "2030-01-01",
        Some("uuid") => "00000000-0000-7000-8000-000000000000",
        Some("email") => "somebody@example.com",
        _ => "text",
    }
}
