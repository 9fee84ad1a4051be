//! Receivers in this process: a collector of OTLP, a Sentry, a target of calls. They are the same, but for how what they got is read.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value as Any, trace::v1::Span as Raw,
};
use prost::Message;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Semaphore;

/// One request that came.
#[derive(Debug, Clone)]
pub(super) struct Post {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Takes everything and answers with a status; ends with the test.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    /// `http://127.0.0.1:PORT`
    pub(super) url: String,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    posts: Mutex<Vec<Post>>,
    status: StatusCode,
    /// None: answers at once. Else a request needs a permit to be answered.
    answers: Option<Semaphore>,
}

/// A span as it was told.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty: none.
    pub(super) parent: String,
    pub(super) state: String,
    pub(super) name: String,
    /// 1 internal · 2 server · 3 client · 4 producer · 5 consumer
    pub(super) kind: i32,
    /// Nanoseconds since 1970.
    pub(super) start: u64,
    pub(super) end: u64,
    /// 2: an error.
    pub(super) status: i32,
    pub(super) told: BTreeMap<String, String>,
}

impl Receiver {
    /// Answers everything with this status.
    pub(super) async fn start(status: u16) -> Self {
        Self::with(status, None).await
    }

    /// Takes requests and answers none.
    pub(super) async fn hanging() -> Self {
        Self::with(200, Some(Semaphore::new(0))).await
    }

    async fn with(status: u16, answers: Option<Semaphore>) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        let inner = Arc::new(Inner { posts: Mutex::default(), status, answers });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let router = Router::new().fallback(take).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, inner }
    }

    /// Everything that came so far.
    pub(super) fn posts(&self) -> Vec<Post> {
        self.inner.posts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans that came so far, in the order of their starts.
    pub(super) fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = self.posts().iter().flat_map(spans).collect();
        spans.sort_by_key(|span| (span.start, span.end));
        spans
    }

    /// Names of services in what came.
    pub(super) fn services(&self) -> Vec<String> {
        let all = self.posts();
        let resources = all.iter().flat_map(|post| requests(post).resource_spans).filter_map(|spans| spans.resource);
        let attributes = resources.flat_map(|resource| resource.attributes).filter(|pair| pair.key == "service.name");
        attributes.map(|pair| text(pair.value.and_then(|value| value.value))).collect()
    }

    /// The events of Sentry that came so far.
    pub(super) fn events(&self) -> Vec<Value> {
        self.posts().iter().flat_map(|post| events(&post.body)).collect()
    }
}

async fn take(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let post = Post { path: uri.path().to_owned(), headers, body };
    inner.posts.lock().unwrap_or_else(PoisonError::into_inner).push(post);
    if let Some(answers) = &inner.answers {
        let _permit = answers.acquire().await;
    }
    inner.status
}

fn requests(post: &Post) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(post.body.clone()).expect("OTLP in protobuf")
}

fn spans(post: &Post) -> Vec<Span> {
    assert_eq!(post.headers["content-type"], "application/x-protobuf");
    let scopes = requests(post).resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(Span::from).collect()
}

impl From<Raw> for Span {
    fn from(raw: Raw) -> Self {
        Self {
            trace: hex::encode(raw.trace_id),
            id: hex::encode(raw.span_id),
            parent: hex::encode(raw.parent_span_id),
            state: raw.trace_state,
            name: raw.name,
            kind: raw.kind,
            start: raw.start_time_unix_nano,
            end: raw.end_time_unix_nano,
            status: raw.status.map_or(0, |status| status.code),
            told: raw.attributes.into_iter().map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect(),
        }
    }
}

fn text(value: Option<Any>) -> String {
    match value {
        Some(Any::StringValue(text)) => text,
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(yes)) => yes.to_string(),
        other => format!("{other:?}"),
    }
}

/// An envelope: a line of its own head, then for each item a line of its head and a line of JSON.
fn events(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("envelopes of events are text");
    let lines: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.chunks(2).filter(|item| item[0]["type"] == "event").filter_map(|item| item.get(1).cloned()).collect()
}
