//! Around every request: its id, its time, its panic, its problem, its metrics and its line in the log.

use crate::{problem::Problem, state::Api, traces};
use axum::{
    body::Body,
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use longshore_base::{Code, Random};
use longshore_jobs::traces::Span;
use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe, sync::Arc};
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in its answer, its problem and the log. The caller's own if it is fit to be written there.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl RequestId {
    fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        let fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let told = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let told = told.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(fit));
        Self(told.map_or_else(|| format!("{:016x}", random.bits()).into(), Into::into))
    }
}

impl FromRequestParts<Arc<Api>> for RequestId {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self("-".into())))
    }
}

/// The outermost layer.
pub(crate) async fn envelope(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let started = api.clock.elapsed();
    let _answering = api.hub.traffic.enter();
    let id = RequestId::of(request.headers(), &*api.random);
    let (method, route) = (label(request.method()), route(&request));
    request.extensions_mut().insert(id.clone());
    let traced = traced(method, &route, request.headers());
    let span = tracing::info_span!("request", id = &*id.0, method, route = &*route, trace = tracing::field::Empty);
    if let Some(trace) = traced.trace() {
        span.record("trace", trace.id_text());
    }
    let answer = traced.around(AssertUnwindSafe(next.run(request)).catch_unwind()).instrument(span.clone());
    let response = match tokio::time::timeout(api.limits.request_time, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Problem::new(Code::Internal).cause(format!("panicked: {}", said(&*panic))).into_response(),
        Err(_) => Problem::new(Code::RequestTimeout).into_response(),
    };
    let response = span.in_scope(|| written(response, &id));
    let took = api.clock.elapsed().saturating_sub(started);
    let status = response.status().as_str().to_owned();
    traced.set("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        traced.fail(&status);
    }
    traced.end();
    metrics::counter!("longshore_http_requests_total", "method" => method, "route" => route.to_string(), "status" => status).increment(1);
    metrics::histogram!("longshore_http_request_seconds", "method" => method, "route" => route.to_string()).record(took.as_secs_f64());
    response
}

/// The request's span. Probes and pages have none: they come every few seconds, and nothing goes on from them.
fn traced(method: &'static str, route: &str, headers: &HeaderMap) -> Span {
    if route.starts_with("/v1/") { Span::request(method, route, traces::told(headers).as_ref()) } else { Span::default() }
}

/// The response with its id, and with a body if it is a problem.
fn written(mut response: Response, id: &RequestId) -> Response {
    let problem = response.extensions_mut().remove::<Arc<Problem>>().or_else(|| unnamed(response.status()).map(Arc::new));
    if let Some(problem) = problem {
        problem.log();
        *response.body_mut() = Body::from(problem.json(&id.0).to_string());
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The problem of an answer that no handler of ours made: the router's own.
fn unnamed(status: StatusCode) -> Option<Problem> {
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
        _ if status.is_client_error() => Code::BodyMalformed,
        _ if status.is_server_error() => Code::Internal,
        _ => return None,
    };
    Some(Problem::new(code))
}

/// Methods as a bounded set of labels.
fn label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The route's pattern, never the path: a label per id would have no bound.
fn route(request: &Request) -> Arc<str> {
    request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".into(), |path| path.as_str().into())
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
