//! docs/kinds.md from the records of the kinds that ship with Longshore.

use longshore_jobs::Catalog;
use longshore_queue::{Keep, KindRecord, KindSchedule, When};
use serde_json::Value;
use std::fmt::Write;

const INTRO: &str = "\
# Kinds

Generated from the kinds' own declarations (`jobs/src/kinds/`) by `cargo xtask gen`; do not edit.

What can be enqueued without writing a line of Rust. `longshore kinds list` tells the same of a running installation, with the kinds
of your own crates; their schemas are in `/openapi.json`. Times are milliseconds.
";

pub(crate) fn page(catalog: &Catalog) -> String {
    let mut page = String::from(INTRO);
    for record in catalog.records().iter().filter(|record| catalog.alias_of(&record.name).is_none()) {
        let _ = write!(page, "\n## {}\n{}\n\n", record.name, catalog.summary(&record.name).unwrap_or_default());
        policy(&mut page, record);
        if record.internal {
            page.push_str("\nAn operation: calls of the API begin it, and nobody can enqueue it by hand ([dead letters](dead-letters.md#operations)).\n");
        }
        if let Some(schedule) = schedule(record) {
            let _ = writeln!(page, "\n{schedule}");
        }
        fields(&mut page, "args", &record.args_schema);
        if let Some(schema) = &record.output_schema {
            fields(&mut page, "output", schema);
        }
    }
    page
}

fn policy(page: &mut String, record: &KindRecord) {
    let policy = &record.policy;
    let (base, max) = (policy.backoff.base_ms, policy.backoff.max_ms);
    let _ = writeln!(
        page,
        "Version {} · queue `{}` · at most {} attempts, waiting up to {base} ms, doubled each time, {max} ms at most · \
         an attempt is stopped after {} ms · {} crashes in a row make it dead · {}{}.",
        record.version,
        record.queue,
        policy.attempts_max,
        policy.timeout_ms,
        policy.crashes_max,
        if policy.repeatable { "may run again when an outcome is unknown" } else { "never runs again when an outcome is unknown" },
        match record.keep {
            Some(Keep::None) => " · not kept after its end".to_owned(),
            Some(Keep::Ms(ms)) => format!(" · kept {ms} ms after its end"),
            None => String::new(),
        },
    );
    for (what, list) in [("lane by", &record.lane_by), ("unique by", &record.unique_by), ("resources", &record.resources)] {
        if !list.is_empty() {
            let _ = writeln!(page, "{what}: `{}`.", list.join("`, `"));
        }
    }
}

/// What a schedule of the kind takes over.
fn schedule(record: &KindRecord) -> Option<String> {
    let KindSchedule { timing, args } = record.schedule.as_ref()?;
    let when = match &timing.when {
        When::Cron(cron) => format!("`{cron}` in {}", timing.timezone),
        When::EveryMs(every) => format!("every {every} ms"),
    };
    let spread = if timing.spread_ms > 0 { format!(", spread over {} ms", timing.spread_ms) } else { String::new() };
    let args = args.as_ref().map(|args| format!(", with `{args}`")).unwrap_or_default();
    Some(format!("A schedule that says nothing of its own: {when}{spread}{args}."))
}

/// An object's fields as a table; anything else in a word.
fn fields(page: &mut String, what: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object().filter(|fields| !fields.is_empty()) else {
        let _ = writeln!(page, "\n**{what}**: {}.", kind_of(schema, schema));
        return;
    };
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let _ = write!(page, "\n| {what} | type | meaning |\n|---|---|---|\n");
    for (name, field) in properties {
        let optional = if required.contains(&name.as_str()) || what == "output" { "" } else { ", optional" };
        let default = field.get("default").filter(|value| !value.is_null()).map(|value| format!(" Default `{value}`.")).unwrap_or_default();
        let meaning = field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {}{optional} | {meaning}{default} |", kind_of(field, schema));
    }
}

fn kind_of(field: &Value, schema: &Value) -> String {
    if field["x-longshore-secret"] == true {
        return r#"`{"$secret": "name"}`"#.into();
    }
    let reference = field["$ref"].as_str().and_then(|path| schema.pointer(path.strip_prefix('#')?));
    if let Some(target) = reference {
        return kind_of(target, schema);
    }
    if let Some(values) = field["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    }
    // `["array", "null"]` is an array that may be absent.
    let named = field["type"].as_array().into_iter().flatten().map(|one| merged(field, one));
    let either = ["anyOf", "oneOf"].into_iter().flat_map(|key| field[key].as_array().into_iter().flatten().cloned());
    let words: Vec<String> = named.chain(either).map(|one| kind_of(&one, schema)).filter(|one| one != "null").collect();
    if !words.is_empty() {
        return words.join(" or ");
    }
    let plain = field["type"].as_str().unwrap_or("anything");
    match plain {
        "array" => format!("list of {}", kind_of(&field["items"], schema)),
        "object" if schema == field && field["additionalProperties"] != false => "any object".into(),
        "object" if schema == field => "an empty object".into(),
        other => other.into(),
    }
}

/// The field with one of its types.
fn merged(field: &Value, one: &Value) -> Value {
    let mut field = field.clone();
    field["type"] = one.clone();
    field
}
