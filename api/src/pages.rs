//! What a person sees in a browser: a front page, the documentation made of the OpenAPI document, and a page per error code.
//! Self-contained: nothing is loaded from elsewhere, and only the script with the response's own nonce may run.

use crate::{
    params::{NoParams, PathText},
    problem::Problem,
    state::Api,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
};
use longshore_base::{Code, Page};
use serde_json::json;
use std::sync::Arc;

const STYLE: &str = include_str!("pages/style.css");
const DOCS: &str = include_str!("pages/docs.html");
const SCRIPT: &str = include_str!("pages/docs.js");
const HOME: &str = include_str!("pages/home.html");
const ERROR: &str = include_str!("pages/error.html");

/// Front page
///
/// HTML for a browser, JSON for a program.
#[utoipa::path(get, path = "/", tag = "about", responses((status = 200, description = "Where to go from here")))]
pub(crate) async fn home(State(api): State<Arc<Api>>, headers: HeaderMap, _: NoParams) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/html") {
        return page(&api, HOME, &[("{{version}}", env!("CARGO_PKG_VERSION"))]);
    }
    let try_it = "curl -H \"Authorization: Bearer $(cat longshore-data/admin.key)\" -d '{\"kind\": \"demo.echo\", \"args\": {\"hello\": \"world\"}}' \
                  http://127.0.0.1:7171/v1/jobs";
    Json(json!({ "name": "longshore", "version": env!("CARGO_PKG_VERSION"), "docs": "/docs", "openapi": "/openapi.json", "try": try_it }))
        .into_response()
}

/// Documentation
#[utoipa::path(get, path = "/docs", tag = "about", responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn docs(State(api): State<Arc<Api>>, _: NoParams) -> Response {
    page(&api, DOCS, &[("{{script}}", SCRIPT)])
}

/// What an error code means
#[utoipa::path(get, path = "/errors/{code}", tag = "about", params(("code" = String, Path)),
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn error(State(api): State<Arc<Api>>, PathText(code): PathText, _: NoParams) -> Result<Response, Problem> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code).ok_or_else(|| Problem::new(Code::NotFound))?;
    let Page { title, status, happened, data, todo } = code.page();
    let (status, escaped) = (status.to_string(), [happened, data, todo].map(escape));
    let texts = [("{{code}}", code.as_str()), ("{{title}}", title), ("{{status}}", &status)];
    let sentences = [("{{happened}}", &*escaped[0]), ("{{data}}", &*escaped[1]), ("{{todo}}", &*escaped[2])];
    Ok(page(&api, ERROR, &[texts.as_slice(), &sentences].concat()))
}

fn page(api: &Api, template: &str, values: &[(&str, &str)]) -> Response {
    let nonce = format!("{:016x}{:016x}", api.random.bits(), api.random.bits());
    let mut html = template.replace("{{style}}", STYLE).replace("{{nonce}}", &nonce);
    for (name, value) in values {
        html = html.replace(name, value);
    }
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
