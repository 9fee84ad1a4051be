//! Letters from JSON lines: read as they arrive, checked one by one, and put into their queues in batches, so that a file of any length needs
//! little memory. A line that is wrong is told by its number, and the others go in.

mod lines;
mod parts;
mod taking;

use super::line::LetterLine;
use crate::{auth::Principal, calls::Deadline, params::NoParams, problem::Problem, state::Api};
use axum::{
    Json,
    extract::{Request, State},
};
use lines::{Line, Lines};
use longshore_base::Code;
use serde::Serialize;
use std::sync::Arc;
use taking::Taking;
use utoipa::ToSchema;

/// Import dead letters
///
/// JSON lines, as an export writes them. Each letter is checked as an enqueue would be, and takes its policy from the kind's record here. It
/// keeps its id where that is free and fits its queue here, and gets one made of it otherwise: the same file again makes no second letter.
#[utoipa::path(post, path = "/v1/dead-letters/import", tag = "dead letters",
    request_body(content = LetterLine, content_type = "application/x-ndjson", description = "A letter in each line, at most 32 MiB"),
    responses((status = 200, description = "What came of the lines", body = Imported)))]
pub(crate) async fn import(
    State(api): State<Arc<Api>>,
    caller: Principal,
    _: NoParams,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    // As much of the request's time as leaves some to tell what came of it.
    let deadline = Deadline(api.clock.elapsed() + api.limits.request_time.mul_f64(0.8));
    let mut lines = Lines::of(request, &api.limits)?;
    let mut taking = Taking::new(&api, &caller, deadline);
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(problem) => return Err(taking.close(problem).await),
        };
        match line {
            Line::Text(text) => taking.take(&text).await.map_err(|problem| taking.failed(problem))?,
            Line::TooLong => taking.pass(Some(format!("the line has more than {} bytes", lines::LINE_MAX))),
            Line::Empty => taking.pass(None),
        }
        if api.left(deadline).is_zero() {
            return Err(taking.close(Problem::new(Code::RequestTimeout)).await);
        }
    }
    taking.finish().await.map(Json)
}

/// What came of the lines.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = DeadLettersImported)]
pub(crate) struct Imported {
    /// Lines that were read, empty ones included.
    lines: usize,
    /// So many letters are new.
    imported: usize,
    /// So many were there already, and were left as they are.
    duplicates: usize,
    /// So many lines were refused.
    refused_count: usize,
    /// The first thousand of them.
    refused: Vec<Refused>,
}

/// A line that was not taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterRefused)]
struct Refused {
    /// Its number, from 1.
    line: usize,
    /// Why.
    reason: String,
}
