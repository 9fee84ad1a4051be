//! A JSON Schema that tells every fault of a value, in the same words for the args of a kind and for the body of a request.

use super::{args, known::compile};
use crate::FieldFault;
use serde_json::Value;

/// A compiled schema.
#[derive(Debug)]
pub struct Shape {
    schema: Value,
    validator: jsonschema::Validator,
}

impl Shape {
    /// Compiles `schema` (draft 2020-12; it can load nothing from outside).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(schema: Value) -> Result<Self, String> {
        Ok(Self { validator: compile(&schema)?, schema })
    }

    /// The faults of `value`, which stands at the pointer `at` of the request (empty: it is the whole). At most 50.
    #[must_use]
    pub fn faults(&self, at: &str, value: &Value) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        args::faults_at(at, &self.validator, &self.schema, value, &mut faults);
        faults
    }
}
