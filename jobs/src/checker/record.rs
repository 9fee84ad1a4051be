//! What a kind's record may say, when it comes from outside.

use super::{args, known::compile, secrets};
use crate::FieldFault;
use longshore_base::Name;
use longshore_queue::{KindRecord, RESOURCES_MAX, Timetable, TimingFault};

const POINTERS_MAX: usize = 8;
const SCHEMA_MAX: usize = 64 * 1024;
const LABEL_MAX: usize = 256;
const TIMEOUT_MAX_MS: u64 = 7 * 86_400_000;

/// Every fault of `record`, with pointers into it.
pub(super) fn faults(record: &KindRecord) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    let mut check = |ok: bool, pointer: &str, detail: String, allowed: &str| {
        if !ok {
            faults.push(FieldFault::new(pointer, detail, allowed));
        }
    };
    let policy = &record.policy;
    check(record.version >= 1, "/version", record.version.to_string(), "1 or more");
    check((1..=1_000).contains(&policy.attempts_max), "/retry/attempts_max", policy.attempts_max.to_string(), "1..=1000");
    check(policy.backoff.base_ms <= policy.backoff.max_ms, "/retry/base_ms", policy.backoff.base_ms.to_string(), "at most max_ms");
    check((1..=TIMEOUT_MAX_MS).contains(&policy.timeout_ms), "/timeout_ms", policy.timeout_ms.to_string(), "1..=604800000, seven days");
    check(policy.crashes_max >= 1, "/crashes_max", policy.crashes_max.to_string(), "1..=255");
    check(policy.runs_max >= 1, "/runs_max", policy.runs_max.to_string(), "1 or more");
    for (key, pointers) in [("/lane_by", &record.lane_by), ("/unique_by", &record.unique_by)] {
        check(pointers.len() <= POINTERS_MAX, key, format!("{} pointers", pointers.len()), "at most 8");
        for (at, pointer) in pointers.iter().enumerate() {
            check(is_pointer(pointer), &format!("{key}/{at}"), format!("`{pointer}` is no JSON pointer"), "such as /account");
        }
    }
    if let Some(cost) = &record.cost {
        check(is_pointer(cost), "/cost", format!("`{cost}` is no JSON pointer"), "such as /rows");
    }
    check(record.resources.len() <= RESOURCES_MAX, "/resources", format!("{} resources", record.resources.len()), "at most 8");
    for (at, resource) in record.resources.iter().enumerate() {
        let ok = if resource.starts_with('/') { is_pointer(resource) } else { Name::new(resource).is_ok() };
        check(ok, &format!("/resources/{at}"), format!("`{resource}` is neither a name nor a JSON pointer"), "such as ads-api or /account");
    }
    if let Some(owner) = &record.owner {
        check(owner.len() <= LABEL_MAX, "/owner", format!("{} bytes", owner.len()), "at most 256 bytes");
    }
    faults.extend(schedule(record));
    let mut check = |ok: bool, pointer: &str, detail: String, allowed: &str| {
        if !ok {
            faults.push(FieldFault::new(pointer, detail, allowed));
        }
    };
    for (key, schema) in [("/args_schema", Some(&record.args_schema)), ("/output_schema", record.output_schema.as_ref())] {
        let Some(schema) = schema else { continue };
        let bytes = schema.to_string().len();
        check(bytes <= SCHEMA_MAX, key, format!("{bytes} bytes"), "at most 65536 bytes");
        if bytes <= SCHEMA_MAX
            && let Err(broken) = compile(schema)
        {
            check(false, key, broken, "a JSON Schema (draft 2020-12) without references to other documents");
        }
    }
    faults
}

/// The faults of the kind's own schedule: of its timing, and of its args against the kind's schema.
fn schedule(record: &KindRecord) -> Vec<FieldFault> {
    let Some(schedule) = &record.schedule else { return Vec::new() };
    let timing = Timetable::new(&schedule.timing, &record.name, &record.name, 0).err().unwrap_or_default();
    let at = |fault: TimingFault| FieldFault::new(format!("/schedule{}", fault.pointer), fault.detail, fault.allowed);
    let mut faults: Vec<_> = timing.into_iter().map(at).collect();
    if let Some(given) = &schedule.args
        && let Ok(validator) = compile(&record.args_schema)
    {
        args::faults_at("/schedule/args", &validator, &record.args_schema, given, &mut faults);
        secrets::misplaced("/schedule/args", &validator, given, &mut faults);
    }
    faults
}

fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.len() <= LABEL_MAX && !text.replace("~0", "").replace("~1", "").contains('~')
}
