//! What an answer means for the job: its output, another attempt, or the end.

use super::request::Args;
use crate::{
    Cause, Failure,
    outbound::{
        Reply, StatusCode,
        header::{HeaderMap, RETRY_AFTER},
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use longshore_base::{Code, Millis};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

/// The most of a body that is kept: in base64 and with its headers it fits a job's output.
pub(super) const BYTES_MAX: usize = 180_000;
/// A body that is longer than this as a JSON string is kept as base64.
const TEXT_MAX: usize = 240_000;
/// Headers beyond this are not kept.
const HEADERS_MAX: usize = 12_000;
/// So much of an error's body is told.
const EXCERPT_MAX: usize = 200;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// The HTTP status.
    pub(super) status: u16,
    /// By lower-case name; repeated ones joined by a comma.
    pub(super) headers: BTreeMap<String, String>,
    /// The body, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    /// The body, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body_base64: Option<String>,
    /// There was more body than `bytes_max`.
    pub(super) truncated: bool,
}

/// Statuses below 400 complete the job; a redirect without an address to go to is an answer too.
pub(super) fn judge(args: &Args, reply: Reply, now: Millis) -> Result<Output, Failure> {
    let status = reply.status.as_u16();
    if args.is_fatal(status) {
        return Err(Failure::Fatal(cause(&reply)));
    }
    if status < 400 {
        return Ok(output(reply));
    }
    match retry_after(&reply, now) {
        Some(wait) => Err(Failure::RetryAfter(wait, cause(&reply))),
        None => Err(Failure::Retry(cause(&reply))),
    }
}

/// How long the target asks to be left alone, where its status gives the header that meaning (RFC 9110, RFC 6585).
fn retry_after(reply: &Reply, now: Millis) -> Option<Duration> {
    if !matches!(reply.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = reply.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More than a u64 holds is still a number of seconds.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        at.saturating_sub(Duration::from_millis(now.max(0).unsigned_abs()))
    };
    // No time at all is no advice: the kind's own waits are better than hammering.
    (!wait.is_zero()).then_some(wait)
}

fn cause(reply: &Reply) -> Cause {
    let text = String::from_utf8_lossy(&reply.body);
    let excerpt: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT_MAX).collect();
    let colon = if excerpt.is_empty() { "" } else { ": " };
    Cause::new(Code::HttpStatus, format!("the target answered {}{colon}{excerpt}", reply.status))
}

fn output(reply: Reply) -> Output {
    let headers = headers(&reply.headers);
    let (body, body_base64) = match text(reply.body, reply.truncated) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(BASE64_STANDARD.encode(bytes))),
    };
    Output { status: reply.status.as_u16(), headers, body, body_base64, truncated: reply.truncated }
}

/// The body as text, if it is text and does not grow too long in JSON. A cut in the middle of a character is moved before it.
fn text(body: Vec<u8>, truncated: bool) -> Result<String, Vec<u8>> {
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let end = error.utf8_error().valid_up_to();
            let cut_here = truncated && error.utf8_error().error_len().is_none();
            let mut body = error.into_bytes();
            if !cut_here {
                return Err(body);
            }
            body.truncate(end);
            String::from_utf8(body).map_err(std::string::FromUtf8Error::into_bytes)?
        }
    };
    let grown: usize = text.bytes().map(|b| if b < 0x20 { 6 } else { 1 + usize::from(b == b'"' || b == b'\\') }).sum();
    // Line ends, tabs and returns take two bytes, not six.
    let short = text.bytes().filter(|b| matches!(b, b'\n' | b'\r' | b'\t' | 8 | 12)).count() * 4;
    if grown - short > TEXT_MAX { Err(text.into_bytes()) } else { Ok(text) }
}

fn headers(all: &HeaderMap) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::<String, String>::new();
    let mut room = HEADERS_MAX;
    for (name, value) in all {
        let value = String::from_utf8_lossy(value.as_bytes());
        let size = name.as_str().len() + 3 * value.len() + 8;
        let Some(rest) = room.checked_sub(size) else { continue };
        room = rest;
        kept.entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    kept
}
