//! What a run is expected to use, from the args by the pointers of the kind's record: units of a budget, and outside quotas.

use crate::FieldFault;
use longshore_base::Name;
use longshore_queue::{KindRecord, RESOURCES_MAX};
use serde_json::Value;

/// The number that `cost` points to, rounded up; 1 where there is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds of u32, as looked at before")]
pub(super) fn cost(record: &KindRecord, args: &Value, faults: &mut Vec<FieldFault>) -> u32 {
    let Some(pointer) = &record.cost else { return 1 };
    let Some(number) = args.pointer(pointer).and_then(Value::as_f64) else { return 1 };
    let units = number.ceil();
    if !(0.0..=f64::from(u32::MAX)).contains(&units) {
        faults.push(FieldFault::new(format!("/args{pointer}"), format!("{number} is no cost"), format!("0..={}", u32::MAX)));
        return 1;
    }
    units as u32
}

/// The names that `resources` holds or points to, sorted, each once.
pub(super) fn resources(record: &KindRecord, args: &Value, faults: &mut Vec<FieldFault>) -> Vec<Name> {
    let mut names = Vec::new();
    for word in &record.resources {
        let (at, text) = if word.starts_with('/') {
            (format!("/args{word}"), args.pointer(word).and_then(Value::as_str))
        } else {
            ("/kind".to_owned(), Some(word.as_str()))
        };
        match text.map(Name::new) {
            Some(Ok(name)) => names.push(name),
            Some(Err(error)) => faults.push(FieldFault::new(at, error.to_string(), "the name of a resource")),
            None => {
                faults.push(FieldFault::new(at, "the kind reads the name of a resource here, and there is none", "the name of a resource"))
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    if names.len() > RESOURCES_MAX {
        faults.push(FieldFault::new("/args", format!("the job names {} resources", names.len()), format!("at most {RESOURCES_MAX}")));
    }
    names
}
