//! Names and ids in the path, and the query: percent-decoded, checked, and every fault told.

use crate::{problem::Problem, state::Api};
use axum::{
    extract::{FromRequestParts, Query, RawPathParams},
    http::request::Parts,
};
use longshore_base::{Code, Name};
use longshore_jobs::FieldFault;
use longshore_queue::JobId;
use std::{str::FromStr, sync::Arc};

/// The one parameter of a path, decoded.
async fn segment(parts: &mut Parts, api: &Arc<Api>) -> Option<(String, String)> {
    let params = RawPathParams::from_request_parts(parts, api).await.ok()?;
    params.iter().next().map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// A name in the path; 422 when it is none.
#[derive(Debug)]
pub(crate) struct PathName(pub(crate) Name);

impl FromRequestParts<Arc<Api>> for PathName {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let Some((field, text)) = segment(parts, api).await else {
            return Err(Problem::fault("/path", "the path is not UTF-8", "percent-encoded UTF-8"));
        };
        Name::new(text).map(Self).map_err(|error| Problem::fault(format!("/{field}"), error.to_string(), NAME))
    }
}

/// A job's id in the path; what is no id is the id of no job.
#[derive(Debug)]
pub(crate) struct PathId(pub(crate) JobId);

impl FromRequestParts<Arc<Api>> for PathId {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let id = segment(parts, api).await.and_then(|(_, text)| JobId::from_str(&text).ok());
        id.map(Self).ok_or_else(|| Problem::new(Code::JobNotFound))
    }
}

/// Any text in the path; 404 when it is not UTF-8.
#[derive(Debug)]
pub(crate) struct PathText(pub(crate) String);

impl FromRequestParts<Arc<Api>> for PathText {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        segment(parts, api).await.map(|(_, text)| Self(text)).ok_or_else(|| Problem::new(Code::NotFound))
    }
}

/// What a name may be.
pub(crate) const NAME: &str = "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}";

/// The parameters of a query. A handler takes what it knows; [`Params::finish`] refuses the rest.
#[derive(Debug, Default)]
pub(crate) struct Params {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Vec<FieldFault>,
}

impl FromRequestParts<Arc<Api>> for Params {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        let Query(left) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Problem::fault("/query", "the query cannot be read", "name=value pairs, percent-encoded, joined by &"))?;
        Ok(Self { left, known: Vec::new(), faults: Vec::new() })
    }
}

impl Params {
    /// The parameter as text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let (mut mine, left) = std::mem::take(&mut self.left).into_iter().partition::<Vec<_>, _>(|(key, _)| key == name);
        self.left = left;
        if mine.len() > 1 {
            self.fault(name, format!("given {} times", mine.len()), "once");
        }
        mine.pop().map(|(_, value)| value)
    }

    /// The parameter as whatever `read` makes of it.
    pub(crate) fn read<T>(&mut self, name: &'static str, allowed: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            let shown: String = text.chars().take(100).collect();
            self.fault(name, format!("`{shown}` is not allowed"), allowed);
        }
        value
    }

    /// The parameter as a name.
    pub(crate) fn name(&mut self, name: &'static str) -> Option<Name> {
        self.read(name, NAME, |text| Name::new(text).ok())
    }

    /// Adds a fault of the parameter `name`.
    pub(crate) fn fault(&mut self, name: &str, detail: impl Into<String>, allowed: &str) {
        self.faults.push(FieldFault::new(format!("/{name}"), detail, allowed));
    }

    /// Every fault, parameters that nobody took included.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let known = self.known.join(", ");
        for (name, _) in std::mem::take(&mut self.left).into_iter().take(20) {
            let shown: String = name.chars().take(100).collect();
            self.fault(&shown, "there is no such parameter", &known);
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::faults(self.faults)) }
    }
}

/// A query without parameters, checked.
#[derive(Debug)]
pub(crate) struct NoParams;

impl FromRequestParts<Arc<Api>> for NoParams {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        Params::from_request_parts(parts, api).await?.finish().map(|()| Self)
    }
}
