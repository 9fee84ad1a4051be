//! Spans: what happens to a job, for whoever collects traces. One job's trace reads: request → enqueue → queue wait, attempt → call out.
//!
//! Nothing is collected unless [`install`] was called; everything here is then one read of an atomic, and nothing is made. Where a span goes on from is told by
//! a [`Trace`], which a job carries from the process that enqueued it to the one that runs it; see docs/adr/0019.
//!
//! Spans say which, when, how long and how it ended: ids, names, codes. Never args, output, messages or whole addresses.

mod attempt;

use longshore_base::Trace;
use longshore_queue::NewJob;
use opentelemetry::{
    Context, KeyValue, Value,
    global::BoxedTracer,
    trace::{FutureExt, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer},
};
use std::{cell::Cell, str::FromStr, sync::OnceLock};

static TRACER: OnceLock<BoxedTracer> = OnceLock::new();

thread_local! {
    static WANTED: Cell<Option<u128>> = const { Cell::new(None) };
}

/// Collects spans from now on. Only the first call in a process does anything.
pub fn install(tracer: BoxedTracer) {
    drop(TRACER.set(tracer));
}

/// The id that the trace which begins now should have: that of a job that came with none. For the collector's maker of ids.
#[must_use]
pub fn wanted_id() -> Option<u128> {
    WANTED.get()
}

/// An open span, or nothing where none are collected. It ends when it is told to, at the latest with its last clone.
#[derive(Debug, Clone, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// A request that the API answers; goes on from what its caller named.
    #[must_use]
    pub fn request(method: &'static str, route: &str, told: Option<&Trace>) -> Self {
        Self::begin(|| (told.map_or_else(Context::new, remote), request(method, route)))
    }

    /// The enqueue of these jobs, inside what is under way here.
    #[must_use]
    pub fn enqueue(jobs: &[NewJob]) -> Self {
        Self::begin(|| (Context::current(), enqueue(jobs)))
    }

    /// A request to the outside world, inside what is under way here. A host's name is told, a path is not: it may hold a secret.
    #[must_use]
    pub fn call(method: &str, host: &str, port: Option<u16>) -> Self {
        Self::begin(|| {
            let mut told = vec![KeyValue::new("http.request.method", method.to_owned()), KeyValue::new("server.address", host.to_owned())];
            told.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
            (Context::current(), span(method.to_owned(), SpanKind::Client, told))
        })
    }

    fn begin(what: impl FnOnce() -> (Context, SpanBuilder)) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let (parent, builder) = what();
        Self(Some(start(tracer, builder, &parent)))
    }

    /// The place to go on from. None where nothing is collected: then whoever goes on does so from where this began.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        let cx = self.0.as_ref()?;
        let span = cx.span();
        let of = span.span_context();
        let trace = Trace::new(of.trace_id().to_bytes(), of.span_id().to_bytes(), of.trace_flags().to_u8())?;
        Some(trace.with_state(&of.trace_state().header()))
    }

    /// Says more about it.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(cx) = &self.0 {
            cx.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// It went wrong, with this code.
    pub fn fail(&self, code: &str) {
        if let Some(cx) = &self.0 {
            cx.span().set_attribute(KeyValue::new("error.type", code.to_owned()));
            cx.span().set_status(Status::error(code.to_owned()));
        }
    }

    /// It ends here; what comes later changes nothing.
    pub fn end(&self) {
        if let Some(cx) = &self.0 {
            cx.span().end();
        }
    }

    /// `body` inside this span: spans that it begins are parts of it.
    pub async fn around<F: Future>(&self, body: F) -> F::Output {
        match &self.0 {
            Some(cx) => body.with_context(cx.clone()).await,
            None => body.await,
        }
    }
}

fn request(method: &'static str, route: &str) -> SpanBuilder {
    let told = vec![KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.to_owned())];
    span(format!("{method} {route}"), SpanKind::Server, told)
}

fn enqueue(jobs: &[NewJob]) -> SpanBuilder {
    let mut told = vec![KeyValue::new("longshore.jobs", i64::try_from(jobs.len()).unwrap_or(i64::MAX))];
    let name = match jobs {
        [job] => {
            told.extend(labels(&job.id.to_string(), job.kind.as_str(), job.queue.as_str(), job.tenant.as_str()));
            format!("enqueue {}", job.kind)
        }
        _ => "enqueue".to_owned(),
    };
    span(name, SpanKind::Producer, told)
}

/// What tells a job from others.
fn labels(id: &str, kind: &str, queue: &str, tenant: &str) -> [KeyValue; 4] {
    [("longshore.job", id), ("longshore.kind", kind), ("longshore.queue", queue), ("longshore.tenant", tenant)]
        .map(|(key, value)| KeyValue::new(key, value.to_owned()))
}

fn span(name: String, kind: SpanKind, told: Vec<KeyValue>) -> SpanBuilder {
    SpanBuilder::from_name(name).with_kind(kind).with_attributes(told)
}

fn start(tracer: &BoxedTracer, builder: SpanBuilder, parent: &Context) -> Context {
    parent.with_span(tracer.build_with_context(builder, parent))
}

/// A context that goes on from elsewhere.
fn remote(trace: &Trace) -> Context {
    let state = trace.state().and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let (id, span) = (TraceId::from_bytes(trace.id()), SpanId::from_bytes(trace.span()));
    Context::new().with_remote_span_context(SpanContext::new(id, span, TraceFlags::new(trace.flags()), true, state))
}

/// What begins a trace inside `body` gives it this id.
fn as_trace<T>(id: u128, body: impl FnOnce() -> T) -> T {
    let before = WANTED.replace(Some(id));
    let done = body();
    WANTED.set(before);
    done
}
