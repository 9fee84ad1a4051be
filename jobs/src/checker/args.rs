//! How the faults that a schema finds are told: one per field, each with its pointer, what is wrong and what is allowed.

use super::FAULTS_MAX;
use crate::{
    FieldFault,
    decide::cut,
    secrets::{KEY, MARKER},
};
use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

/// More of a value than this is not repeated.
const SHOWN_MAX: usize = 100;

/// Adds the faults of `args`, at most [`FAULTS_MAX`].
pub(super) fn faults(validator: &jsonschema::Validator, schema: &Value, args: &Value, faults: &mut Vec<FieldFault>) {
    faults_at("/args", validator, schema, args, faults);
}

/// The same for a value that stands at the pointer `at` of the request.
pub(super) fn faults_at(at: &str, validator: &jsonschema::Validator, schema: &Value, value: &Value, faults: &mut Vec<FieldFault>) {
    if validator.is_valid(value) {
        return;
    }
    for error in validator.iter_errors(value) {
        tell(at, &error, schema, false, faults);
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    faults.truncate(FAULTS_MAX);
}

/// `hidden`: the value is not repeated, because it may be a secret that somebody wrote where its name belongs.
fn tell(root: &str, error: &ValidationError<'_>, schema: &Value, hidden: bool, faults: &mut Vec<FieldFault>) {
    let at = format!("{root}{}", error.instance_path());
    let whole = error.instance().is_object() || error.instance().is_array();
    let hidden = hidden || at.rsplit('/').next() == Some(KEY) || takes_secret(error, schema) || (whole && has_secrets(schema));
    let value = || if hidden { "the value".to_owned() } else { show(error.instance()) };
    let mut one = |detail: String, allowed: String| faults.push(FieldFault::new(at.as_str(), detail, allowed));
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let allowed = properties(error, schema);
            for field in unexpected {
                faults.push(FieldFault::new(format!("{at}/{}", escape(field)), "there is no such field", allowed.as_str()));
            }
        }
        ValidationErrorKind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            let allowed = beside(error, schema, "properties").and_then(|all| all.get(field)).map_or_else(String::new, describe);
            faults.push(FieldFault::new(format!("{at}/{}", escape(field)), "the field is missing", allowed));
        }
        ValidationErrorKind::Type { kind } => {
            let allowed = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => many.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" or "),
            };
            one(format!("{} has the wrong type", value()), allowed);
        }
        ValidationErrorKind::Enum { options } => one(format!("{} is not among the allowed values", value()), show(options)),
        ValidationErrorKind::Constant { expected_value } => one(format!("{} is not allowed", value()), show(expected_value)),
        ValidationErrorKind::Minimum { limit } => one(format!("{} is too small", value()), format!("at least {limit}")),
        ValidationErrorKind::Maximum { limit } => one(format!("{} is too large", value()), format!("at most {limit}")),
        ValidationErrorKind::ExclusiveMinimum { limit } => one(format!("{} is too small", value()), format!("more than {limit}")),
        ValidationErrorKind::ExclusiveMaximum { limit } => one(format!("{} is too large", value()), format!("less than {limit}")),
        ValidationErrorKind::MinLength { limit } => one("the text is too short".into(), format!("at least {limit} characters")),
        ValidationErrorKind::MaxLength { limit } => one("the text is too long".into(), format!("at most {limit} characters")),
        ValidationErrorKind::MinItems { limit } => one("too few items".into(), format!("at least {limit}")),
        ValidationErrorKind::MaxItems { limit } => one("too many items".into(), format!("at most {limit}")),
        ValidationErrorKind::Pattern { pattern } => one(format!("{} does not match the pattern", value()), pattern.clone()),
        ValidationErrorKind::Format { format } => one(format!("{} is not of the format", value()), format.clone()),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            match meant(context, error.instance_path().as_str().len()) {
                Some(branch) => branch.iter().for_each(|error| tell(root, error, schema, hidden, faults)),
                None => one(format!("{} fits none of the allowed forms", value()), forms(context)),
            }
        }
        ValidationErrorKind::Not { schema } if schema.get("required").is_some_and(Value::is_array) => {
            let fields = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let fields: Vec<_> = fields.map(|field| format!("`{field}`")).collect();
            one(format!("{} cannot be there together", fields.join(" and ")), "one of them, or none".into());
        }
        ValidationErrorKind::FalseSchema => one(format!("{} is not allowed here", value()), "nothing".into()),
        _ if hidden => one("the value is not allowed".to_owned(), String::new()),
        _ => one(cut(&error.to_string(), 3 * SHOWN_MAX).to_owned(), String::new()),
    }
}

fn marked(schema: &Value) -> bool {
    schema.get(MARKER) == Some(&Value::Bool(true))
}

/// Whether a secret's name may stand where this was found, by itself or as one of several forms.
fn takes_secret(error: &ValidationError<'_>, schema: &Value) -> bool {
    let path = error.schema_path().as_str();
    let own = path.rsplit_once('/').and_then(|(parent, _)| schema.pointer(parent)).is_some_and(marked);
    own || schema.pointer(path).and_then(Value::as_array).is_some_and(|forms| forms.iter().any(marked))
}

/// Whether a value of this schema may have a secret somewhere inside.
fn has_secrets(schema: &Value) -> bool {
    marked(schema)
        || match schema {
            Value::Object(fields) => fields.values().any(has_secrets),
            Value::Array(items) => items.iter().any(has_secrets),
            _ => false,
        }
}

/// The branch of an `anyOf` that was meant: the one whose faults are all about parts of the value, not about the whole.
fn meant<'a>(context: &'a [Vec<ValidationError<'static>>], depth: usize) -> Option<&'a Vec<ValidationError<'static>>> {
    let whole = |error: &ValidationError<'_>| {
        let shape = matches!(
            error.kind(),
            ValidationErrorKind::Type { .. } | ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. }
        );
        shape && error.instance_path().as_str().len() <= depth
    };
    // The tag of a tagged enum is a constant one level down: a branch with another tag was not meant either.
    let tag = |error: &ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
    let fits = |branch: &&Vec<ValidationError<'static>>| !branch.is_empty() && !branch.iter().any(|error| whole(error) || tag(error));
    context.iter().filter(fits).min_by_key(|branch| branch.len())
}

fn forms(context: &[Vec<ValidationError<'static>>]) -> String {
    let mut each: Vec<String> = Vec::new();
    for error in context.iter().flatten() {
        let form = match error.kind() {
            ValidationErrorKind::Type { kind: TypeKind::Single(one) } => one.to_string(),
            ValidationErrorKind::Constant { expected_value } => show(expected_value),
            ValidationErrorKind::Enum { options } => show(options),
            _ => continue,
        };
        if !each.contains(&form) {
            each.push(form);
        }
    }
    each.join(" or ")
}

/// The keyword `name` beside the one that failed.
fn beside<'a>(error: &ValidationError<'_>, schema: &'a Value, name: &str) -> Option<&'a Value> {
    let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
    schema.pointer(parent)?.get(name)
}

fn properties(error: &ValidationError<'_>, schema: &Value) -> String {
    let known = beside(error, schema, "properties").and_then(Value::as_object);
    known.map_or_else(String::new, |known| known.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// What a field should be, from its schema.
fn describe(schema: &Value) -> String {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let kind = text("type").map(str::to_owned).unwrap_or_default();
    match text("description") {
        Some(said) if kind.is_empty() => said.to_owned(),
        Some(said) => format!("{kind}: {said}"),
        None => kind,
    }
}

fn show(value: &Value) -> String {
    let text = value.to_string();
    let shown = cut(&text, SHOWN_MAX);
    if shown.len() < text.len() { format!("{shown}…") } else { text }
}

/// A field's name as a part of a JSON pointer.
pub(crate) fn escape(field: &str) -> String {
    field.replace('~', "~0").replace('/', "~1")
}
