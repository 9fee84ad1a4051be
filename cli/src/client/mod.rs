//! The HTTP side of the operator commands: one request in, a document or a readable reason out.

mod events;
mod pages;
mod problem;
mod stream;

pub(crate) use events::{Event, Events};
pub(crate) use problem::line as fault_line;

use crate::stop::Stop;
use clap::Args;
use longshore_config::{Environment, Secret, Settings};
use reqwest::{Method, Url};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

/// Where an operator command speaks to, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// The API's address [LONGSHORE_API] [default: http://127.0.0.1:7171]
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub(crate) api: Option<String>,
    /// The file that holds the key [default: LONGSHORE_KEY, else DIR/admin.key]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub(crate) key_file: Option<PathBuf>,
    /// The data folder, for its admin.key [default: ./longshore-data]
    #[arg(long, value_name = "DIR", help_heading = "Connection")]
    pub(crate) data: Option<PathBuf>,
}

/// Speaks to one API with one key.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Result<Secret<String>, String>,
}

/// How long to wait for a connection, and for an answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(60);

impl Client {
    /// A client for what the flags and the environment say. A key that cannot be read is told when the API asks for it.
    pub(crate) fn new(remote: &Remote, environment: &Environment) -> Result<Self, Stop> {
        let api = remote.api.clone().or_else(|| environment.api.clone()).unwrap_or_else(|| "http://127.0.0.1:7171".into());
        let base = Url::parse(&api).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| Stop::usage(format!("--api {api}: allowed is http://HOST[:PORT] or https://HOST[:PORT]")))?;
        let mut http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT).timeout(ANSWER);
        if base.scheme() == "http" {
            // Without TLS no roots are needed, and a machine without any is no reason to fail.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| Stop::failed(format!("TLS cannot be set up: {error}")))?;
        Ok(Self { http, base, key: key(remote, environment) })
    }

    /// The address spoken to, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) async fn get(&self, path: &[impl AsRef<str>], query: &[(&str, String)]) -> Result<Value, Stop> {
        self.send(Method::GET, path, query, None, &[]).await
    }
    pub(crate) async fn post(&self, path: &[impl AsRef<str>], body: Value) -> Result<Value, Stop> {
        self.send(Method::POST, path, &[], Some(body), &[]).await
    }
    pub(crate) async fn put(&self, path: &[impl AsRef<str>], body: Value) -> Result<Value, Stop> {
        self.send(Method::PUT, path, &[], Some(body), &[]).await
    }
    pub(crate) async fn delete(&self, path: &[impl AsRef<str>]) -> Result<Value, Stop> {
        self.send(Method::DELETE, path, &[], None, &[]).await
    }

    /// Sends one request. An answer without a body is null.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &[impl AsRef<str>],
        query: &[(&str, String)],
        body: Option<Value>,
        headers: &[(&'static str, String)],
    ) -> Result<Value, Stop> {
        let mut request = self.request(method, path, query, headers);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answer(request).await
    }

    /// Sends text of another type than JSON. The answer is JSON.
    pub(crate) async fn post_text(&self, path: &[impl AsRef<str>], kind: &str, text: String) -> Result<Value, Stop> {
        let headers = [("Content-Type", kind.to_owned())];
        self.answer(self.request(Method::POST, path, &[], &headers).body(text)).await
    }

    fn request(
        &self,
        method: Method,
        path: &[impl AsRef<str>],
        query: &[(&str, String)],
        headers: &[(&'static str, String)],
    ) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Ok(key) = &self.key {
            request = request.bearer_auth(key.expose());
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, Stop> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        if (200..300).contains(&status) {
            return match body.len() {
                0 => Ok(Value::Null),
                _ => serde_json::from_slice(&body)
                    .map_err(|_| Stop::failed(format!("{} answered with something that is not JSON", self.base()))),
            };
        }
        Err(problem::stop(status, &body, self.key.as_ref().err()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Stop {
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let todo = "start one with `longshore up`, or name another with --api or LONGSHORE_API";
        if error.is_timeout() {
            return Stop::unreachable(format!("{} did not answer in time; whether the request took effect is not known", self.base()));
        }
        Stop::unreachable(format!("no API at {}: {cause}\n  {todo}", self.base()))
    }
}

fn key(remote: &Remote, environment: &Environment) -> Result<Secret<String>, String> {
    if remote.key_file.is_none()
        && let Some(key) = &environment.key
    {
        return Ok(key.clone());
    }
    let settings = || Settings::load(None, environment, &[]).map(|settings| settings.data).ok();
    let data = || remote.data.clone().or_else(settings).unwrap_or_else(|| PathBuf::from("longshore-data"));
    let file = remote.key_file.clone().unwrap_or_else(|| data().join("admin.key"));
    let text = std::fs::read_to_string(&file).map_err(|error| format!("the key file {} cannot be read: {error}", file.display()))?;
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("the key file {} holds no key", file.display()));
    }
    Ok(Secret::new(key.to_owned()))
}
