//! One attempt, top to bottom: fetch large args; decode and run, panics caught, stopped when it must stop; put a large output away; decide; ack.
//! Timeouts, cancels and lost leases arrive as a stop from `heartbeat.rs`.

use crate::{
    floor::Floor,
    patience::Patience,
    running::{Running, Stop},
};
use futures::FutureExt;
use longshore_base::Trace;
use longshore_jobs::{Attempted, Context, Failure, Parts, decide, is_large, traces::Span};
use longshore_queue::{Ack, ErrorInfo, Json, Lease, Outcome, Reason};
use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tracing::Instrument;

/// How long a handler that is told to stop may take to end by itself, before its future is dropped.
pub(crate) const COURTESY: Duration = Duration::from_millis(200);

/// How long the last progress and log lines may take, before the attempt is acked without them.
const LAST_NOTES: Duration = Duration::from_secs(1);

/// Runs the handler of a leased job, until it returns or has to stop.
pub(crate) async fn run(job: &Running, floor: &Floor) -> Attempted {
    if !job.start(floor.clock.elapsed()) {
        return job.stop().unwrap_or(Stop::Released).attempted(false);
    }
    job.meter.started();
    let of = &job.lease.job;
    let traced = job.span.get_or_init(|| Span::attempt(of));
    let trace = traced.trace().or_else(|| of.trace.clone());
    // As severe as can be: whatever the handler's lines are let through by, they name the job.
    let span = tracing::error_span!(
        "attempt", job = %of.id, kind = %of.kind, tenant = %of.tenant, run = of.counters.runs, trace = tracing::field::Empty
    );
    if let Some(trace) = &trace {
        span.record("trace", trace.id_text());
    }
    let lease = match fetched(job, floor).instrument(span.clone()).await {
        Ok(lease) => lease,
        Err(attempted) => return attempted,
    };
    let cx = job.context.get_or_init(|| context(job, lease, floor, trace));
    let handler = floor.catalog.run(cx);
    let handler = match &floor.options.report {
        Some(report) => report.around(of, handler.boxed()).right_future(),
        None => handler.left_future(),
    };
    let handler = traced.around(AssertUnwindSafe(handler).catch_unwind()).instrument(span);
    let returned = tokio::select! {
        biased;
        returned = handler => Some(returned),
        () = must_stop(job, floor) => None,
    };
    if cx.lease_lost() {
        job.tell_to_stop(Stop::Lost, floor.clock.elapsed());
    }
    if job.stop() != Some(Stop::Lost) {
        let _ = tokio::time::timeout(LAST_NOTES, cx.close()).await;
    }
    // The secrets that it resolved go no further, whatever becomes of its words.
    let attempted = cx.covered(match returned {
        Some(Ok(Some(result))) => came_to(result, job.stop()),
        Some(Ok(None)) => Attempted::KindUnknown,
        Some(Err(panic)) => Attempted::Panicked(panic_message(panic.as_ref())),
        None => job.stop().unwrap_or(Stop::Lost).attempted(true),
    });
    match attempted {
        Attempted::Returned(Ok(output)) => put_away(job, output, floor).await,
        other => other,
    }
}

/// Ends an attempt: decides, hands the ack over, and frees the slot. Only the first call for a job does anything.
pub(crate) fn settle(job: &Running, attempted: Attempted, floor: &Floor) {
    if !job.claim_end() {
        return;
    }
    let ran = job.ran(floor.clock.elapsed());
    let Running { lease, queue, .. } = job;
    queue.unwatch(job);
    // Once more: what panics after the handler (a destructor) comes here past `run`.
    let attempted = match job.context.get() {
        Some(cx) => cx.covered(attempted),
        None => attempted,
    };
    let outcome = decide(&lease.job, attempted, floor.random.unit());
    let word = crate::meter::word(&outcome);
    tracing::debug!(job = %lease.job.id, kind = %lease.job.kind, tenant = %lease.job.tenant, ?ran, outcome = word, "attempt ended");
    tell(job, &outcome, word, floor);
    job.meter.ended(&outcome, ran);
    queue.took(ran);
    queue.meter.running.decrement(1.0);
    let ack = Ack { id: lease.job.id, token: lease.token, ran, used: job.used(), outcome };
    if queue.acks.send(ack).is_err() {
        tracing::error!(job = %lease.job.id, "the worker has stopped acking; the lease will run out");
        floor.answered(queue.forget(std::iter::once(lease.token)));
    }
    queue.running.fetch_sub(1, Ordering::AcqRel);
    if job.has_slot {
        floor.permits.release(queue.seat, 1);
    }
    floor.ended();
}

/// Tells how it ended to those who collect traces and failures.
fn tell(job: &Running, outcome: &Outcome, word: &'static str, floor: &Floor) {
    let failed: Option<(&ErrorInfo, Option<Reason>)> = match outcome {
        Outcome::Retry { error, .. } => Some((error, None)),
        Outcome::Dead { reason, error } => Some((error, Some(*reason))),
        _ => None,
    };
    if let Some(span) = job.span.get() {
        span.set("longshore.outcome", word);
        if let Some((error, _)) = failed {
            span.fail(&error.code);
        }
        span.end();
    }
    if let (Some(report), Some((error, dead))) = (&floor.options.report, failed) {
        report.failed(&job.lease.job, error, dead);
    }
}

/// Settles an attempt whose handler was told to stop and does not: it blocks, and keeps its thread, but not its slot and not its job.
pub(crate) fn abandon(job: &Running, floor: &Floor) {
    let why = job.stop().unwrap_or(Stop::Released);
    let started = job.started().is_some();
    if started && job.abandon() {
        floor.stuck.fetch_add(1, Ordering::AcqRel);
        job.queue.meter.abandoned.increment(1);
        let of = &job.lease.job;
        tracing::warn!(worker = %floor.id, job = %of.id, kind = %of.kind, ?why, "the handler does not stop; its job goes on without it");
    }
    settle(job, why.attempted(started), floor);
}

/// What a handler's return means when it may have been told to stop before. An end for good always holds; otherwise the
/// reason of the stop explains a failure better than the failure that it caused.
fn came_to(result: Result<Json, Failure>, stop: Option<Stop>) -> Attempted {
    match (result, stop) {
        (Ok(output), _) => Attempted::Returned(Ok(output)),
        (Err(failure @ Failure::Fatal(_)), _) | (Err(failure), None) => Attempted::Returned(Err(failure)),
        (Err(failure @ (Failure::Snooze(_) | Failure::Wait(_) | Failure::Gate { .. })), Some(Stop::Released)) => {
            Attempted::Returned(Err(failure))
        }
        (Err(_), Some(stop)) => stop.attempted(true),
    }
}

/// The lease with its args as they are, from their file where they lie in one. The handler has not begun when they cannot be had.
async fn fetched(job: &Running, floor: &Floor) -> Result<Arc<Lease>, Attempted> {
    tokio::select! {
        biased;
        fetched = floor.options.blobs.lease(&job.lease) => fetched.map_err(|failure| came_to(Err(failure), job.stop())),
        () = job.cancelled.cancelled() => Err(job.stop().unwrap_or(Stop::Lost).attempted(false)),
    }
}

/// The end of an attempt that went well: an output that does not fit into the record goes to a file first. The work is done, so that is tried
/// until it succeeds, or the attempt's time is over.
async fn put_away(job: &Running, output: Json, floor: &Floor) -> Attempted {
    let (of, blobs) = (&job.lease.job, &floor.options.blobs);
    if !is_large(&output) || output.get().len() > blobs.most() {
        return Attempted::Returned(Ok(output));
    }
    let mut patience = Patience::new();
    loop {
        let kept = tokio::select! {
            biased;
            kept = blobs.keep(&of.queue, of.id, &output) => kept,
            () = must_stop(job, floor) => return job.stop().unwrap_or(Stop::Lost).attempted(true),
        };
        match kept {
            Ok(kept) => return Attempted::Returned(Ok(kept)),
            Err(error) => {
                tracing::warn!(job = %of.id, kind = %of.kind, code = %error.code(), "an output cannot be put away; it will be tried again: {error}");
                if !error.is_transient() && of.policy.repeatable {
                    return came_to(Err(error.failure()), job.stop());
                }
            }
        }
        tokio::select! {
            () = patience.wait(&*floor.clock, &*floor.random) => {}
            () = job.cancelled.cancelled() => {}
        }
    }
}

/// Completes when the handler has been told to stop and has had its moment to do so.
async fn must_stop(job: &Running, floor: &Floor) {
    job.cancelled.cancelled().await;
    if job.stop().is_some_and(Stop::is_polite) {
        floor.clock.sleep(COURTESY).await;
    }
}

fn context(job: &Running, lease: Arc<Lease>, floor: &Floor, trace: Option<Trace>) -> Context {
    Context::new(Parts { lease, cancelled: job.cancelled.clone(), trace, tools: floor.tools.clone() })
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the handler panicked without a message".to_owned())
}
