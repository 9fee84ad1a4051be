//! Where a request's trace goes on: what its headers name, in W3C's form.

use axum::http::HeaderMap;
use longshore_base::Trace;

/// The place in a trace that the caller named, if it named one.
pub(crate) fn told(headers: &HeaderMap) -> Option<Trace> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    // A list may stand in several lines; they are one, in their order.
    let states: Vec<_> = headers.get_all("tracestate").iter().filter_map(|value| value.to_str().ok()).collect();
    let state = states.join(",");
    Trace::parse(parent.trim(), (!state.is_empty()).then_some(state.as_str()))
}

#[cfg(test)]
mod tests {
    use super::told;
    use axum::http::{HeaderMap, HeaderValue};

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_caller_names_one_place_in_a_trace() {
        let one = told(&headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")])).expect("it is named");
        assert_eq!((one.parent().as_str(), one.state()), (PARENT, Some("a=1,b=2")));
        assert_eq!(told(&headers(&[])), None);
        assert_eq!(told(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])), None, "which of the two?");
        assert_eq!(told(&headers(&[("traceparent", "nonsense"), ("tracestate", "a=1")])), None);
    }
}
