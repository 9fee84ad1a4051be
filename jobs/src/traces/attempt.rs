//! The spans of one run of a job: how long it waited, and what became of it.

use super::{Span, TRACER, as_trace, labels, remote, span, start};
use longshore_base::Millis;
use longshore_queue::{EventKind, Job, JobId};
use opentelemetry::{
    Context, KeyValue,
    global::BoxedTracer,
    trace::{SpanKind, TraceContextExt, Tracer},
};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

impl Span {
    /// An attempt of this leased job, beside the time for which it waited. A job that came with no trace begins one, the same for all its
    /// attempts.
    #[must_use]
    pub fn attempt(job: &Job) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::default() };
        Self(Some(match &job.trace {
            Some(trace) => {
                let parent = remote(trace);
                waited(tracer, job, &parent);
                attempt(tracer, job, &parent)
            }
            None => {
                let wait = as_trace(own_id(job.id), || waited(tracer, job, &Context::new()));
                attempt(tracer, job, &wait)
            }
        }))
    }
}

fn attempt(tracer: &BoxedTracer, job: &Job, parent: &Context) -> Context {
    let mut told = Vec::from(of(job));
    told.push(KeyValue::new("longshore.run", i64::from(job.counters.runs)));
    let links = [("longshore.replay_of", job.replay_of), ("longshore.moved_from", job.moved_from)];
    told.extend(links.into_iter().filter_map(|(key, id)| Some(KeyValue::new(key, id?.to_string()))));
    if let Some(tick) = &job.tick {
        told.extend([KeyValue::new("longshore.schedule", tick.schedule.to_string()), KeyValue::new("longshore.tick_ms", tick.at)]);
    }
    start(tracer, span(format!("attempt {}", job.kind), SpanKind::Consumer, told), parent)
}

/// The span from the moment from which the job waited to its lease, by the broker's clock.
fn waited(tracer: &BoxedTracer, job: &Job, parent: &Context) -> Context {
    let (from, after) = since(job);
    let mut told = Vec::from(of(job));
    told.push(KeyValue::new("longshore.after", after));
    let builder = span("queue wait".to_owned(), SpanKind::Internal, told).with_start_time(at(from));
    let waited = parent.with_span(tracer.build_with_context(builder, parent));
    waited.span().end_with_timestamp(at(job.started_at.unwrap_or(from).max(from)));
    waited
}

/// Since when the job waited, and after what. For its first run that is when it became ready; for a later one the end of the run before,
/// so that a backoff is part of the wait.
fn since(job: &Job) -> (Millis, &'static str) {
    let last = job.history.iter().rev().find(|event| event.what != EventKind::Edited);
    let Some(event) = last else { return (job.run_at.unwrap_or(job.created_at).max(job.created_at), "enqueue") };
    let after = match event.what {
        EventKind::Retried => "retry",
        EventKind::Snoozed => "snooze",
        EventKind::Gated => "gate",
        EventKind::Released => "release",
        EventKind::Crashed => "crash",
        EventKind::Woken => "wake",
        _ => "other",
    };
    (event.at, after)
}

fn of(job: &Job) -> [KeyValue; 4] {
    labels(&job.id.to_string(), job.kind.as_str(), job.queue.as_str(), job.tenant.as_str())
}

fn at(ms: Millis) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms.max(0).unsigned_abs())
}

/// A trace's id for a job that came with none: always the same, and as random as samplers want ids to be, which the job's own is not.
fn own_id(id: JobId) -> u128 {
    let hash = Sha256::digest(id.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(bytes).max(1)
}
