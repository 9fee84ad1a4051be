//! A call as a part of its attempt's trace: a span for each request that leaves, and its place in the trace among the headers.

use super::{
    CallError, Method,
    header::{HeaderMap, HeaderValue},
};
use crate::traces::Span;
use longshore_base::Trace;
use url::Url;

/// The span of a request, which `headers` name from now on as where the target goes on from. A `traceparent` of another trace is the caller's
/// own and stays.
pub(super) fn begin(method: &Method, url: &Url, headers: &mut HeaderMap) -> Span {
    let span = Span::call(method.as_str(), url.host_str().unwrap_or_default(), url.port_or_known_default());
    if let Some(trace) = span.trace().filter(|trace| headers.get("traceparent").is_none_or(|value| is_of(value, trace))) {
        name(&trace, headers);
    }
    span
}

/// Puts a place in a trace among the headers.
pub(crate) fn name(trace: &Trace, headers: &mut HeaderMap) {
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put("traceparent", &trace.parent());
    if let Some(state) = trace.state() {
        put("tracestate", state);
    }
}

/// How it went: the status, or the sort of fault, as its text may say more than a trace should.
pub(super) fn end(span: &Span, answer: &Result<reqwest::Response, CallError>) {
    match answer {
        Ok(response) => {
            let status = response.status();
            span.set("http.response.status_code", i64::from(status.as_u16()));
            if status.is_client_error() || status.is_server_error() {
                span.fail(status.as_str());
            }
        }
        Err(CallError::Failed(_)) => span.fail("http.failed"),
        Err(_) => span.fail("http.refused"),
    }
    span.end();
}

fn is_of(value: &HeaderValue, trace: &Trace) -> bool {
    let given = value.to_str().ok().and_then(|text| Trace::parse(text, None));
    given.is_some_and(|given| given.id() == trace.id())
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, is_of, name};
    use longshore_base::Trace;

    #[test]
    fn a_place_in_a_trace_is_named_whole() {
        let trace = Trace::new([7; 16], [9; 8], 1).expect("ids").with_state("a=1");
        let mut headers = HeaderMap::new();
        name(&trace, &mut headers);
        assert_eq!(headers["traceparent"], trace.parent().as_str());
        assert_eq!(headers["tracestate"], "a=1");
        assert!(is_of(&headers["traceparent"], &trace));
        let other = Trace::new([8; 16], [9; 8], 1).expect("ids");
        assert!(!is_of(&headers["traceparent"], &other) && !is_of(&HeaderValue::from_static("mine"), &trace));
    }
}
