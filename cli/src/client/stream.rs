//! Answers that are too long, or take too long, to be held as a whole.

use super::{ANSWER, Client, problem};
use crate::stop::Stop;
use reqwest::Method;
use std::time::Duration;

/// Nothing limits a whole stream but this; each part of it has to come in time.
const WHOLE: Duration = Duration::from_secs(30 * 86_400);

/// An answer, part by part.
#[derive(Debug)]
pub(crate) struct Stream<'a> {
    client: &'a Client,
    answer: reqwest::Response,
}

impl Client {
    /// Reads something whose answer is a stream.
    pub(crate) async fn stream(&self, path: &[impl AsRef<str>], query: &[(&str, String)]) -> Result<Stream<'_>, Stop> {
        let request = self.request(Method::GET, path, query, &[]).timeout(WHOLE);
        let late = || Stop::unreachable(format!("{} did not answer in time", self.base()));
        let answer = tokio::time::timeout(ANSWER, request.send()).await.map_err(|_| late())?;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(Stream { client: self, answer });
        }
        let body = tokio::time::timeout(ANSWER, answer.bytes()).await.map_err(|_| late())?;
        let body = body.map_err(|error| self.unreachable(&error))?;
        Err(problem::stop(status, &body, self.key.as_ref().err()))
    }
}

impl Stream<'_> {
    /// The next part; None: that was all. An answer that breaks off is an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let base = self.client.base();
        let broken = |why: String| Stop::unreachable(format!("{base} broke off in the middle of its answer: {why}"));
        match tokio::time::timeout(ANSWER, self.answer.chunk()).await {
            Ok(Ok(part)) => Ok(part.map(Into::into)),
            Ok(Err(error)) => Err(broken(error.to_string())),
            Err(_) => Err(broken(format!("nothing came for {} seconds", ANSWER.as_secs()))),
        }
    }
}
