//! How a request fails: `application/problem+json` (RFC 9457). A handler answers a [`Problem`]; the envelope writes it with the
//! request id and logs its chain, once. The sentence in `detail` is safe to show; hosts, paths and chains stay in the log.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use longshore_base::Code;
use longshore_jobs::{BlobError, FieldFault, RequestError};
use longshore_queue::{BrokerError, JobId};
use longshore_store::StoreError;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// A refused or failed request.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: Option<String>,
    faults: Vec<FieldFault>,
    /// What may exist, when the outcome is not known.
    ids: Vec<JobId>,
    retry_after: Option<Duration>,
    /// One more member of the body.
    member: Option<Box<(&'static str, Value)>>,
    /// For the log alone.
    cause: Option<Box<str>>,
}

impl Problem {
    /// A problem that says what its code's page says.
    pub(crate) fn new(code: Code) -> Self {
        let retry_after = (code.page().status == 503).then_some(Duration::from_secs(1));
        Self { code, detail: None, faults: Vec::new(), ids: Vec::new(), retry_after, member: None, cause: None }
    }

    /// 422 with these faults.
    pub(crate) fn faults(faults: Vec<FieldFault>) -> Self {
        Self { faults, ..Self::new(Code::RequestInvalid) }
    }

    /// 422 with one fault.
    pub(crate) fn fault(pointer: impl Into<String>, detail: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::faults(vec![FieldFault::new(pointer, detail, allowed)])
    }

    /// Says this sentence, which must be safe to show.
    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Adds faults.
    pub(crate) fn with(self, faults: Vec<FieldFault>) -> Self {
        Self { faults, ..self }
    }

    /// Adds a member to the body, for a code that a program answers with it.
    pub(crate) fn member(self, name: &'static str, value: Value) -> Self {
        Self { member: Some(Box::new((name, value))), ..self }
    }

    /// The faults of a refusal, to be told with others; another problem stays what it is.
    pub(crate) fn into_faults(self) -> Result<(Code, Vec<FieldFault>), Self> {
        if self.faults.is_empty() { Err(self) } else { Ok((self.code, self.faults)) }
    }

    /// Keeps this for the log.
    pub(crate) fn cause(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into().into_boxed_str()), ..self }
    }

    /// Names what may exist, if the outcome is not known.
    pub(crate) fn ids(self, ids: impl IntoIterator<Item = JobId>) -> Self {
        if self.code == Code::OutcomeUnknown { Self { ids: ids.into_iter().collect(), ..self } } else { self }
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// Something that a repeat may settle.
    pub(crate) const fn is_transient(&self) -> bool {
        self.code.page().status == 503
    }

    /// What may exist.
    pub(crate) fn named(&self) -> &[JobId] {
        &self.ids
    }

    /// What is told in its `detail`.
    pub(crate) fn sentence(&self) -> String {
        self.detail.clone().unwrap_or_else(|| match self.faults.as_slice() {
            [] => self.code.page().happened.to_owned(),
            [FieldFault { pointer, detail, allowed }] => {
                let place = if pointer.is_empty() { String::new() } else { format!("{pointer}: ") };
                let allowed = allowed.as_ref().map(|allowed| format!("; allowed: {allowed}")).unwrap_or_default();
                format!("{place}{detail}{allowed}")
            }
            several => format!("{} faults; see errors", several.len()),
        })
    }

    /// The body.
    pub(crate) fn json(&self, request_id: &str) -> Value {
        let (page, detail) = (self.code.page(), self.sentence());
        let errors: Vec<_> = self.faults.iter().map(fault).collect();
        let mut body = json!({
            "type": format!("/errors/{}", self.code), "title": page.title, "status": page.status, "code": self.code.as_str(),
            "detail": detail, "errors": errors, "request_id": request_id,
        });
        if let Some((name, value)) = self.member.as_deref() {
            body[*name] = value.clone();
        }
        if !self.ids.is_empty() {
            body["ids"] = self.ids.iter().map(ToString::to_string).collect();
        }
        body
    }

    /// One line in the log: an error for our own faults, a whisper for the caller's.
    pub(crate) fn log(&self) {
        let cause = self.cause.as_deref().or(self.detail.as_deref()).unwrap_or_default();
        match self.code.page().status {
            500.. => tracing::error!(code = %self.code, "the request failed: {cause}"),
            _ => tracing::debug!(code = %self.code, faults = self.faults.len(), "the request was refused: {cause}"),
        }
    }
}

fn fault(fault: &FieldFault) -> Value {
    let mut body = json!({ "pointer": fault.pointer, "detail": fault.detail });
    if let Some(allowed) = &fault.allowed {
        body["allowed"] = allowed.as_str().into();
    }
    body
}

/// The status and headers; the envelope adds the body, which needs the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.page().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let mut set = |name: HeaderName, value: &str| HeaderValue::from_str(value).map(|v| response.headers_mut().insert(name, v));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            set(header::RETRY_AFTER, &seconds.to_string()).ok();
        }
        if self.code == Code::Unauthorized {
            set(header::WWW_AUTHENTICATE, "Bearer").ok();
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        let problem = Self::new(error.code()).cause(error.to_string());
        match error {
            BrokerError::Full { detail, retry_after } => Self { retry_after: Some(retry_after), ..problem.detail(detail) },
            BrokerError::Conflict { detail, .. } | BrokerError::Refused(detail) | BrokerError::Locked(detail) => problem.detail(detail),
            BrokerError::NotDurable => problem.detail(error.to_string()),
            BrokerError::Cursor(_) => {
                problem.with(vec![FieldFault::new("/cursor", error.to_string(), "the `cursor` of the page before, of the same list")])
            }
            _ => problem,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(error.code()).cause(chain(&error))
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Faults { code, faults } => Self { faults, ..Self::new(code) },
            RequestError::Broker(error) => error.into(),
            RequestError::Blob(error) => error.into(),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        Self::new(error.code()).cause(error.to_string())
    }
}

/// An error with everything that led to it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
