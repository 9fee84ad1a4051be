//! http.request — one HTTP request, its answer as the output.
//! Safe to repeat as far as the target drops repeats by the Idempotency-Key header, which is the job's id.

use super::{
    answer::{self, BYTES_MAX, Output},
    sign,
};
use crate::{
    Cause, Context, Failure, Kind, SecretRef, minutes,
    outbound::{
        Call, CallError, Method,
        header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
        name_trace,
    },
};
use longshore_base::Code;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

pub(super) struct Request;

/// What to send, and how to judge the answer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = {"required": ["body", "json"]}))]
pub(super) struct Args {
    /// http:// or https://, to a public address or one that the worker's --allow-outbound opens.
    #[schemars(length(max = 8192), regex(pattern = r"^[Hh][Tt][Tt][Pp][Ss]?://."))]
    url: String,
    /// GET, or POST when there is a body.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z-]{0,31}$"))]
    method: Option<String>,
    /// Sent as they are. Host, lengths, connection headers and the fencing token are set by the engine. A redirect to another host gets none
    /// that could be a credential.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64, "propertyNames" = {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"}))]
    headers: BTreeMap<String, String>,
    /// Text to send. Not together with `json`.
    #[serde(default)]
    body: Option<String>,
    /// JSON to send, with its content type.
    #[serde(default)]
    json: Option<Value>,
    /// Signs the request with each of these secrets (Standard Webhooks, `v1`), the newest first; two while one takes the other's place.
    #[serde(default)]
    #[schemars(length(min = 1, max = SECRETS_MAX))]
    sign_with: Option<Vec<SecretRef>>,
    /// The statuses that end the job as Dead at once; absent: every 4xx but 429. Any other status of 400 and above is tried again. A redirect
    /// that is listed is not followed.
    #[serde(default)]
    #[schemars(inner(range(min = 300, max = 599)), length(max = 100))]
    fatal_statuses: Option<Vec<u16>>,
    /// More of the answer's body is not kept.
    #[serde(default = "bytes_max")]
    #[schemars(range(max = BYTES_MAX))]
    bytes_max: usize,
}

/// Room for a rotation in the middle of another one.
const SECRETS_MAX: usize = 8;

fn bytes_max() -> usize {
    131_072
}

impl Args {
    /// Whether this status is final. 4xx says that the request is at fault, and repeating it would not help.
    pub(super) fn is_fatal(&self, status: u16) -> bool {
        match &self.fatal_statuses {
            Some(fatal) => fatal.contains(&status),
            None => (400..500).contains(&status) && status != 429,
        }
    }
}

impl Kind for Request {
    const NAME: &'static str = "http.request";
    const VERSION: u32 = 2;
    const TIMEOUT: Duration = minutes(2);
    const SUMMARY: &'static str =
        "Sends one HTTP request, signed if it is asked for; 4xx ends the job, 5xx and broken connections are tried again.";
    type Args = Args;
    type Output = Output;

    async fn run(args: Args, cx: &Context) -> Result<Output, Failure> {
        let mut call = call(&args, cx)?;
        if let Some(secrets) = &args.sign_with {
            sign::sign(&mut call, secrets, cx).await?;
        }
        let reply = tokio::select! {
            reply = cx.outbound().send(call) => reply.map_err(failure)?,
            () = cx.cancelled() => return Err(Failure::Cancelled),
        };
        answer::judge(&args, reply, cx.clock().now())
    }
}

fn call<'a>(args: &'a Args, cx: &Context) -> Result<Call<'a>, Failure> {
    let has_body = args.body.is_some() || args.json.is_some();
    let method = match &args.method {
        None if has_body => Method::POST,
        None => Method::GET,
        Some(name) => Method::from_bytes(name.to_ascii_uppercase().as_bytes()).map_err(|e| invalid(format!("/method: {e}")))?,
    };
    if method == Method::CONNECT {
        return Err(invalid("/method: CONNECT is for proxies"));
    }
    let body = match (&args.body, &args.json) {
        (Some(_), Some(_)) => return Err(invalid("body and json are both there")),
        (Some(text), None) => Some(text.clone().into_bytes()),
        (None, Some(json)) => Some(json.to_string().into_bytes()),
        (None, None) => None,
    };
    let headers = headers(args, cx)?;
    // A little less than the attempt has, so that it ends with the target's fault told and not by being stopped.
    let time_max = Duration::from_millis(cx.job().policy.timeout_ms).mul_f32(0.95);
    let bytes_max = args.bytes_max.min(BYTES_MAX);
    let stay_at = args.fatal_statuses.as_deref().unwrap_or_default();
    Ok(Call { method, url: &args.url, headers, body, bytes_max, stay_at, time_max })
}

/// Headers that decide how the message is framed or where it goes, which the client sets, and what only this attempt knows.
const NOT_OURS_TO_GIVE: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "proxy-connection",
    "proxy-authorization",
    FENCING_TOKEN,
];

/// A target that remembers the highest number it saw can refuse an attempt that has lost its job.
const FENCING_TOKEN: &str = "longshore-fencing-token";

fn headers(args: &Args, cx: &Context) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", text(cx.idempotency_key())?);
    headers.insert(FENCING_TOKEN, text(cx.token().0.to_string())?);
    if let Some(trace) = cx.trace() {
        name_trace(trace, &mut headers);
    }
    if args.json.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &args.headers {
        let name: HeaderName = name.parse().map_err(|_| invalid(format!("/headers: `{name}` is no header name")))?;
        if NOT_OURS_TO_GIVE.contains(&name.as_str()) || (args.sign_with.is_some() && sign::HEADERS.contains(&name.as_str())) {
            return Err(invalid(format!("/headers: {name} is set by the engine")));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid(format!("/headers/{name}: the value has a control character")))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

pub(super) fn text(value: String) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(value).map_err(Failure::fatal)
}

fn invalid(message: impl std::fmt::Display) -> Failure {
    Failure::Fatal(Cause::new(Code::ArgsInvalid, message))
}

fn failure(error: CallError) -> Failure {
    match &error {
        CallError::Unusable(_) | CallError::Refused(_) | CallError::Redirect(_) => Failure::Fatal(Cause::new(Code::HttpRefused, error)),
        CallError::Failed(_) => Failure::Retry(Cause::new(Code::HttpFailed, error)),
    }
}

#[cfg(test)]
mod tests;
