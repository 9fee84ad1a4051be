//! Spans to a collector: OTLP over HTTP, in batches, from a thread of their own.

use super::client;
use crate::{roles::process::machine, stop::Stop};
use async_trait::async_trait;
use longshore_config::{Traces, Veil};
use longshore_jobs::traces;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceId, Value,
    global::{BoxedTracer, ObjectSafeTracer},
    trace::{Status, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter as Otlp, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, Sampler, SdkTracer, SdkTracerProvider, Span, SpanData,
        SpanExporter, SpanProcessor,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Handle;

/// Spans that wait to be sent at most; more are dropped. Some 10 MiB.
const WAITING_MAX: usize = 8_192;
/// Spans in a post.
const BATCH: usize = 512;
/// The first span of a batch waits this long for company.
const LINGER: Duration = Duration::from_secs(1);

/// The way of spans out of this process.
#[derive(Debug)]
pub(crate) struct Spans {
    provider: SdkTracerProvider,
}

impl Spans {
    /// Starts it, if there is a collector. Must be called in the runtime that shall do the sending.
    pub(super) fn start(settings: &Traces, veil: &Veil) -> Result<Option<Self>, Stop> {
        let Some(endpoint) = &settings.endpoint else { return Ok(None) };
        let sender = Sender { client: client(settings.timeout)?, runtime: Handle::current() };
        let headers = settings.headers.iter().map(|(name, value)| (name.clone(), value.expose().clone())).collect();
        let exporter = Otlp::builder()
            .with_http()
            .with_http_client(sender)
            .with_headers(headers)
            // What could not be sent is dropped: more is coming, and nobody shall wait for it.
            .with_retry_policy(RetryPolicy::disabled())
            .with_endpoint(endpoint.as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(settings.timeout)
            .build();
        let exporter = exporter.map_err(|error| Stop::config(format!("traces cannot be exported to {endpoint}: {error}")))?;
        let course = Arc::new(Course::default());
        let batches =
            BatchConfigBuilder::default().with_max_queue_size(WAITING_MAX).with_max_export_batch_size(BATCH).with_scheduled_delay(LINGER);
        let processor = BatchSpanProcessor::builder(Counted { exporter, course: course.clone(), veil: veil.clone() })
            .with_batch_config(batches.build())
            .build();
        let resource = Resource::builder_empty()
            .with_service_name(settings.service.clone())
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("host.name", machine()),
                KeyValue::new("process.pid", i64::from(std::process::id())),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded { processor, course })
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(f64::from(settings.sample_percent) / 100.0))))
            .with_id_generator(Ids::default())
            .with_resource(resource)
            .build();
        let tracer: Box<dyn ObjectSafeTracer + Send + Sync> = Box::new(provider.tracer("longshore"));
        traces::install(BoxedTracer::new(tracer));
        Ok(Some(Self { provider }))
    }

    /// For the spans of handlers.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("longshore.handlers")
    }

    /// Sends what waits, for `at_most`.
    pub(super) async fn stop(self, at_most: Duration) {
        let stopped = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(at_most)).await;
        match stopped {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans could not be sent"),
            Err(error) => tracing::warn!(%error, "the last spans could not be sent"),
        }
    }
}

/// How sending goes.
#[derive(Debug, Default)]
struct Course {
    waiting: AtomicUsize,
    failing: AtomicBool,
}

fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("longshore_spans_total", "outcome" => outcome).increment(spans as u64);
}

/// Drops what there is no room for, and counts it: the processor inside only drops.
#[derive(Debug)]
struct Bounded {
    processor: BatchSpanProcessor,
    course: Arc<Course>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.processor.on_start(span, cx);
    }
    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.course.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            self.course.waiting.fetch_sub(1, Ordering::AcqRel);
            return count("dropped", 1);
        }
        self.processor.on_end(span);
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

/// Counts what was sent and what was not, and says so once when that changes.
#[derive(Debug)]
struct Counted {
    exporter: Otlp,
    course: Arc<Course>,
    veil: Veil,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let batch = batch.into_iter().map(|span| covered(&self.veil, span)).collect();
        let sent = self.exporter.export(batch).await;
        self.course.waiting.fetch_sub(spans, Ordering::AcqRel);
        let failing = self.course.failing.swap(sent.is_err(), Ordering::AcqRel);
        match &sent {
            Ok(()) => {
                count("sent", spans);
                if failing {
                    tracing::info!("spans are sent again");
                }
            }
            Err(error) => {
                count("failed", spans);
                if !failing {
                    tracing::warn!(%error, "spans cannot be sent; they are dropped until they can");
                }
            }
        }
        sent
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// A span without the secrets that this process was given: a team's spans carry whatever fields their handlers put into them.
fn covered(veil: &Veil, mut span: SpanData) -> SpanData {
    if veil.is_empty() {
        return span;
    }
    span.name = veil.cover(&span.name).into_owned().into();
    if let Status::Error { description } = &mut span.status {
        *description = veil.cover(description).into_owned().into();
    }
    let of_events = span.events.events.iter_mut().flat_map(|event| &mut event.attributes);
    for attribute in span.attributes.iter_mut().chain(of_events) {
        if let Value::String(text) = &attribute.value {
            attribute.value = veil.cover(text.as_str()).into_owned().into();
        }
    }
    span
}

/// Posts batches in the process's own runtime; the thread that asks for it has none.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), reqwest::Request::try_from(request)?);
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

/// Random ids, but for the traces of jobs that came with none: theirs are always the same, so that all attempts of a job are in one.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        traces::wanted_id().map_or_else(|| self.0.new_trace_id(), TraceId::from)
    }
    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
