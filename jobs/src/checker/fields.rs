//! What a request may say besides args, and what follows from the kind's record where it says nothing.

use super::uses;
use crate::{FieldFault, JobRequest};
use longshore_base::{Millis, Name, rfc3339};
use longshore_queue::{Due, Home, JobId, Json, KEY_MAX, KindRecord, NewJob, OPERATIONS, Policy, Unique, UniqueMode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

const DAY_MS: Millis = 86_400_000;
/// Times further back than this are a mistake.
const PAST_MAX: Millis = DAY_MS;
/// Times further ahead than ten years are a mistake.
const AHEAD_MAX: Millis = 3_653 * DAY_MS;
const TIMEOUT_MAX_MS: u64 = 7 * DAY_MS as u64;
const ATTEMPTS_MAX: u16 = 1_000;
const TAGS_MAX: usize = 20;

/// The job, with an id that is not its own yet, and every fault of `request` but those of its args.
pub(super) fn fill(record: &KindRecord, request: &JobRequest, args: Json, now: Millis, faults: &mut Vec<FieldFault>) -> NewJob {
    let tenant = request.tenant.clone().unwrap_or_else(|| Name::literal("default"));
    let queue = request.queue.clone().unwrap_or_else(|| record.queue.clone());
    let unnamed = JobId::derived(0, Home(0), &[]);
    let mut job = NewJob::new(unnamed, queue, record.name.clone(), tenant, args);
    job.kind_version = record.version;
    job.client.clone_from(&request.client);
    job.priority = request.priority.unwrap_or_default();
    job.lane_key = lane_key(record, &request.args, faults);
    job.cost = uses::cost(record, &request.args, faults);
    job.resources = uses::resources(record, &request.args, faults);
    job.due = due(request, now, faults);
    job.expires_at = expires_at(request, now, faults);
    job.unique = unique(record, request, faults);
    job.policy = policy(record, request, faults);
    job.tags.clone_from(&request.tags);
    job.parent.clone_from(&request.parent);
    job.tick.clone_from(&request.tick);
    if job.tags.len() > TAGS_MAX {
        faults.push(FieldFault::new("/tags", format!("{} tags", job.tags.len()), format!("at most {TAGS_MAX}")));
    }
    job
}

/// What belongs to the operations, in a request that is none of theirs.
pub(super) fn reserved(record: &KindRecord, request: &JobRequest) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if request.internal {
        return faults;
    }
    if record.internal {
        let detail = format!("jobs of the kind `{}` are made by calls of their own, not by hand", record.name);
        faults.push(FieldFault::new("/kind", detail, "another kind, or the call that begins this operation"));
    }
    if record.operators && request.by_tenant {
        faults.push(for_operators(record));
    }
    let mut fault = |field: &str, name: Option<&Name>| {
        if name.is_some_and(|name| name.as_str() == OPERATIONS) {
            faults.push(FieldFault::new(format!("/{field}"), format!("the {field} `{OPERATIONS}` is the operations' own"), "another name"));
        }
    };
    fault("tenant", request.tenant.as_ref());
    fault("queue", Some(request.queue.as_ref().unwrap_or(&record.queue)).filter(|_| !record.internal));
    faults
}

/// A tenant's key asks for what the operator's machines would do.
pub(super) fn for_operators(record: &KindRecord) -> FieldFault {
    FieldFault::new("/kind", format!("jobs of the kind `{}` are for operators", record.name), "another kind, or an operator's key")
}

fn due(request: &JobRequest, now: Millis, faults: &mut Vec<FieldFault>) -> Due {
    if let Some(at) = request.run_at {
        if request.delay.is_some() {
            faults.push(FieldFault::new("/delay_ms", "run_at and delay_ms are both there", "one of run_at and delay_ms"));
        }
        in_reach("/run_at", at, now, faults);
        return Due::At(at);
    }
    match request.delay {
        None | Some(Duration::ZERO) => Due::Now,
        Some(delay) => {
            let bound = Duration::from_millis(AHEAD_MAX.unsigned_abs());
            if delay > bound {
                let (detail, allowed) = (format!("{} ms", delay.as_millis()), format!("0..={} ms, ten years", bound.as_millis()));
                faults.push(FieldFault::new("/delay_ms", detail, allowed));
            }
            Due::In(delay.min(bound))
        }
    }
}

fn expires_at(request: &JobRequest, now: Millis, faults: &mut Vec<FieldFault>) -> Option<Millis> {
    let at = request.expires_at?;
    in_reach("/expires_at", at, now, faults);
    let delayed = request.delay.map(|delay| now.saturating_add(Millis::try_from(delay.as_millis()).unwrap_or(Millis::MAX)));
    if let Some(start) = request.run_at.or(delayed)
        && at <= start
    {
        faults.push(FieldFault::new(
            "/expires_at",
            format!("{} is not after the time at which the job may start", rfc3339(at)),
            format!("later than {}", rfc3339(start)),
        ));
    }
    Some(at)
}

pub(super) fn in_reach(pointer: &str, at: Millis, now: Millis, faults: &mut Vec<FieldFault>) {
    let (from, to) = (now.saturating_sub(PAST_MAX), now.saturating_add(AHEAD_MAX));
    if !(from..=to).contains(&at) {
        let allowed = format!("{} (24 hours back) to {} (ten years ahead)", rfc3339(from), rfc3339(to));
        faults.push(FieldFault::new(pointer, rfc3339(at), allowed));
    }
}

fn policy(record: &KindRecord, request: &JobRequest, faults: &mut Vec<FieldFault>) -> Policy {
    let mut policy = record.policy.clone();
    policy.keep = policy.keep.or(record.keep);
    if let Some(attempts_max) = request.attempts_max {
        if !(1..=ATTEMPTS_MAX).contains(&attempts_max) {
            faults.push(FieldFault::new("/attempts_max", attempts_max.to_string(), format!("1..={ATTEMPTS_MAX}")));
        }
        policy.attempts_max = attempts_max;
    }
    if let Some(timeout_ms) = request.timeout_ms {
        if !(1..=TIMEOUT_MAX_MS).contains(&timeout_ms) {
            faults.push(FieldFault::new("/timeout_ms", timeout_ms.to_string(), format!("1..={TIMEOUT_MAX_MS}, seven days")));
        }
        policy.timeout_ms = timeout_ms;
    }
    policy
}

/// The values that `lane_by` points to, joined by `/`; nothing where there is nothing.
fn lane_key(record: &KindRecord, args: &Value, faults: &mut Vec<FieldFault>) -> String {
    let parts: Vec<_> = record.lane_by.iter().map(|pointer| args.pointer(pointer).map_or_else(String::new, plain)).collect();
    let key = parts.join("/");
    if key.len() > KEY_MAX {
        let pointer = format!("/args{}", record.lane_by.first().map_or("", String::as_str));
        faults.push(FieldFault::new(pointer, format!("the lane's key has {} bytes", key.len()), format!("at most {KEY_MAX} bytes")));
    }
    key
}

fn unique(record: &KindRecord, request: &JobRequest, faults: &mut Vec<FieldFault>) -> Option<Unique> {
    let Some(unique) = &request.unique else {
        // Of a child that is answered by another job, nobody would tell the parent.
        let wanted = !record.unique_by.is_empty() && request.parent.is_none();
        return wanted.then(|| Unique { key: unique_key(record, &request.args), mode: UniqueMode::Keep });
    };
    if request.parent.is_some() {
        faults.push(FieldFault::new("/unique", "a child cannot be unique", "no unique key; the child's key makes it one"));
    }
    if unique.key.is_empty() || unique.key.len() > KEY_MAX {
        let detail = format!("the unique key has {} bytes", unique.key.len());
        faults.push(FieldFault::new("/unique/key", detail, format!("1..={KEY_MAX} bytes")));
    }
    let bound = Duration::from_millis(AHEAD_MAX.unsigned_abs());
    let (pointer, length) = match unique.mode {
        UniqueMode::Throttle { window } => ("/unique/window_ms", Some(window)),
        UniqueMode::Replace { wait_max } => ("/unique/wait_max_ms", wait_max),
        UniqueMode::Keep | UniqueMode::KeepUntilStarted => ("", None),
    };
    if length.is_some_and(|length| length.is_zero() || length > bound) {
        let detail = format!("{} ms", length.unwrap_or_default().as_millis());
        faults.push(FieldFault::new(pointer, detail, format!("1..={}", bound.as_millis())));
    }
    Some(unique.clone())
}

/// The values that `unique_by` points to as a JSON array, so that no two lists give one key; hashed when they are long.
fn unique_key(record: &KindRecord, args: &Value) -> String {
    let values: Vec<_> = record.unique_by.iter().map(|pointer| args.pointer(pointer).cloned().unwrap_or_default()).collect();
    let key = Value::from(values).to_string();
    if key.len() <= KEY_MAX {
        return key;
    }
    let hash = Sha256::digest(key.as_bytes());
    hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
