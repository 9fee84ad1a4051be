//! Letters as JSON lines, page by page: the answer is as long as there are letters, and the process holds one page of it.

use super::{
    line::LetterLine,
    list::{is_meant, letters_of, wanted},
};
use crate::{auth::Principal, calls::Repeat, params::Params, problem::Problem, state::Api};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::stream;
use longshore_base::{Code, Scope};
use longshore_dlq::Wanted;
use longshore_queue::{BrokerError, Filter, Job};
use std::{collections::VecDeque, io, sync::Arc};

/// Letters of a page.
const PAGE: usize = 100;
/// Bytes that are sent at once, give or take a letter.
const CHUNK: usize = 1 << 20;

/// Export dead letters
///
/// As JSON lines, one letter each, as an import takes them. Letters that die after this call are left out. An answer that breaks off is not
/// whole: it ends without the last chunk.
#[utoipa::path(get, path = "/v1/dead-letters/export", tag = "dead letters", params(
        ("kind" = Option<String>, Query), ("queue" = Option<String>, Query), ("tenant" = Option<String>, Query),
        ("client" = Option<String>, Query), ("tag" = Option<String>, Query),
        ("from" = Option<String>, Query), ("to" = Option<String>, Query), ("text" = Option<String>, Query),
        ("args" = Option<String>, Query, description = "{\"/pointer\": value}"), ("fingerprint" = Option<String>, Query)),
    responses((status = 200, description = "A letter in each line", content_type = "application/x-ndjson", body = LetterLine)))]
pub(crate) async fn export(State(api): State<Arc<Api>>, caller: Principal, mut params: Params) -> Result<Response, Problem> {
    let wanted = wanted(&mut params, &caller);
    params.finish()?;
    let now = api.clock.now().saturating_add(1);
    let filter = Filter { to: Some(wanted.to.map_or(now, |to| to.min(now))), ..letters_of(&wanted) };
    let mut walk = Walk { api, scope: caller.scope(), wanted, filter, letters: VecDeque::new(), cursor: None, done: false };
    // The first page is read before the answer begins, so that what is wrong is told as a problem.
    let first = walk.page().await?;
    let more = stream::try_unfold(walk, |mut walk| async move {
        let page = walk.page().await.map_err(|problem| {
            problem.log();
            io::Error::other(problem.code().as_str())
        })?;
        Ok::<_, io::Error>(page.map(|page| (page, walk)))
    });
    let lines = futures::StreamExt::chain(stream::iter(first.map(Ok)), more);
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CONTENT_DISPOSITION, "attachment; filename=\"dead-letters.jsonl\"")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// Where an export is.
struct Walk {
    api: Arc<Api>,
    scope: Scope,
    wanted: Wanted,
    filter: Filter,
    /// Those of the last page that were not written yet.
    letters: VecDeque<Job>,
    cursor: Option<String>,
    done: bool,
}

impl Walk {
    /// The next lines; None: that was all.
    async fn page(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(lines) = self.lines().await? {
            return Ok(Some(lines));
        }
        while !self.done {
            let (api, cursor) = (&self.api, self.cursor.as_deref());
            let page = api.call(api.deadline(), Repeat::Read, || api.broker.list(&self.scope, &self.filter, PAGE, cursor)).await;
            let page = page.map_err(|error: BrokerError| error)?;
            self.letters = page.items.into_iter().filter(|job| is_meant(&self.wanted, job)).collect();
            self.done = page.cursor.is_none();
            self.cursor = page.cursor;
            if let Some(lines) = self.lines().await? {
                return Ok(Some(lines));
            }
        }
        Ok(None)
    }

    /// Lines of the letters that were read, as many as are worth sending at once.
    async fn lines(&mut self) -> Result<Option<Bytes>, Problem> {
        let mut lines = Vec::new();
        while lines.len() < CHUNK
            && let Some(job) = self.letters.pop_front()
        {
            // A line without its args would be no letter: one whose file is lost ends the export.
            let args = self.api.checker.blobs().args(&job).await?;
            serde_json::to_writer(&mut lines, &LetterLine::from(Job { args, ..job }))
                .map_err(|error| Problem::new(Code::Internal).cause(error.to_string()))?;
            lines.push(b'\n');
        }
        Ok(Some(lines).filter(|lines| !lines.is_empty()).map(Into::into))
    }
}
