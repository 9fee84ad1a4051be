//! Where an answer leads (RFC 9110, 15.4). Redirects are followed here and not in the client, because each one is a URL that a stranger
//! chose: it is read and checked like the first, and another party gets nothing that was meant for this one.

use super::{
    Call, CallError, Method, StatusCode,
    header::{HeaderMap, HeaderName, LOCATION},
    target::Target,
};
use bytes::Bytes;

/// One request on its way.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// What may go to another party. Everything else may be a credential, whatever its name: keys of APIs stand in headers of all names.
const FOR_ANYBODY: [&str; 10] = [
    "accept",
    "accept-language",
    "content-encoding",
    "content-language",
    "content-type",
    "idempotency-key",
    "longshore-fencing-token",
    "traceparent",
    "tracestate",
    "user-agent",
];

/// What describes or signs a body, and goes with it.
const OF_THE_BODY: [&str; 11] = [
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-type",
    "digest",
    "repr-digest",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

impl Hop {
    pub(super) fn first(call: Call<'_>) -> Result<Self, CallError> {
        Ok(Self { method: call.method, target: Target::parse(call.url)?, headers: call.headers, body: call.body.map(Bytes::from) })
    }

    /// The next request, if the answer leads to one.
    pub(super) fn next(&self, answer: &reqwest::Response, stay_at: &[u16]) -> Result<Option<Self>, CallError> {
        if stay_at.contains(&answer.status().as_u16()) {
            return Ok(None);
        }
        self.led_by(answer.status(), answer.headers())
    }

    fn led_by(&self, status: StatusCode, answer: &HeaderMap) -> Result<Option<Self>, CallError> {
        let keeps_method = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method != Method::POST,
            StatusCode::SEE_OTHER => matches!(self.method, Method::GET | Method::HEAD),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = answer.get(LOCATION) else { return Ok(None) };
        let location = std::str::from_utf8(location.as_bytes()).map_err(|_| CallError::Redirect("its address is no text".to_owned()))?;
        let target = self.target.led_to(location).map_err(CallError::of_redirect)?;
        if self.target.is_https() && !target.is_https() {
            return Err(CallError::Redirect("it leads from https:// to http://".to_owned()));
        }
        let mut next = Self { method: self.method.clone(), headers: self.headers.clone(), body: self.body.clone(), target };
        if !keeps_method {
            (next.method, next.body) = (Method::GET, None);
            remove(&mut next.headers, |name| OF_THE_BODY.contains(&name.as_str()));
        }
        if !self.target.is_party(&next.target) {
            remove(&mut next.headers, |name| !FOR_ANYBODY.contains(&name.as_str()));
        }
        Ok(Some(next))
    }
}

fn remove(headers: &mut HeaderMap, which: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| which(name)).cloned().collect();
    names.into_iter().for_each(|name| drop(headers.remove(name)));
}

#[cfg(test)]
mod tests;
