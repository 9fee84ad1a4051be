//! A body, line by line, as it arrives.

use crate::{limits::Limits, problem::Problem};
use axum::{body::BodyDataStream, extract::Request, http::header};
use futures::StreamExt;
use longshore_base::Code;
use longshore_jobs::BLOB_MAX;
use std::time::Duration;

/// Bytes of one line: the largest args, and a long history.
pub(super) const LINE_MAX: usize = BLOB_MAX + 2 * 1024 * 1024;

/// One line of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// With something in it.
    Text(Vec<u8>),
    /// Nothing but space.
    Empty,
    /// More than [`LINE_MAX`] bytes; they were passed over.
    TooLong,
}

/// The rest of a body.
pub(super) struct Lines {
    stream: BodyDataStream,
    /// What has arrived and was not handed out, from `at` on.
    held: Vec<u8>,
    at: usize,
    /// Bytes that have arrived in all, and how many may.
    arrived: usize,
    most: usize,
    /// How long the next bytes may take.
    patience: Duration,
    ended: bool,
    /// The line that arrives now is too long already.
    overflown: bool,
}

impl Lines {
    /// The body of `request`.
    pub(super) fn of(request: Request, limits: &Limits) -> Result<Self, Problem> {
        let told = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let most = limits.body_bytes_max;
        if told.is_some_and(|told| told > most) {
            return Err(too_large(most));
        }
        let stream = request.into_body().into_data_stream();
        Ok(Self { stream, held: Vec::new(), at: 0, arrived: 0, most, patience: limits.body_time, ended: false, overflown: false })
    }

    /// The next line; None: that was the last.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Problem> {
        let mut looked = self.at;
        loop {
            if let Some(end) = self.held[looked..].iter().position(|byte| *byte == b'\n') {
                let end = looked + end;
                let line = self.line(end);
                self.at = end + 1;
                return Ok(Some(line));
            }
            if self.ended {
                let rest = self.held.len() > self.at || self.overflown;
                let line = rest.then(|| self.line(self.held.len()));
                self.at = self.held.len();
                return Ok(line);
            }
            self.held.drain(..self.at);
            self.at = 0;
            if self.held.len() > LINE_MAX {
                self.overflown = true;
                self.held.clear();
            }
            looked = self.held.len();
            self.read().await?;
        }
    }

    /// The line that ends before `end`.
    fn line(&mut self, end: usize) -> Line {
        let text = &self.held[self.at..end];
        if std::mem::take(&mut self.overflown) || text.len() > LINE_MAX {
            return Line::TooLong;
        }
        if text.trim_ascii().is_empty() { Line::Empty } else { Line::Text(text.to_vec()) }
    }

    async fn read(&mut self) -> Result<(), Problem> {
        match tokio::time::timeout(self.patience, self.stream.next()).await {
            Ok(Some(Ok(bytes))) => {
                self.arrived += bytes.len();
                if self.arrived > self.most {
                    return Err(too_large(self.most));
                }
                self.held.extend_from_slice(&bytes);
            }
            Ok(Some(Err(error))) => return Err(Problem::new(Code::BodyMalformed).detail("the body broke off").cause(error.to_string())),
            Ok(None) => self.ended = true,
            Err(_) => {
                return Err(Problem::new(Code::RequestTimeout).detail(format!("nothing more of the body came for {:?}", self.patience)));
            }
        }
        Ok(())
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("the body is larger than {most} bytes; send the lines in parts"))
}

#[cfg(test)]
mod tests {
    use super::{LINE_MAX, Line, Lines};
    use crate::Limits;
    use axum::{body::Body, extract::Request};
    use bytes::Bytes;
    use futures::stream;
    use longshore_base::Code;

    /// The lines of a body that arrives in these parts.
    async fn read(parts: Vec<Vec<u8>>, limits: &Limits) -> Result<Vec<Line>, Code> {
        let parts = parts.into_iter().map(|part| Ok::<_, std::io::Error>(Bytes::from(part)));
        let mut lines = Lines::of(Request::new(Body::from_stream(stream::iter(parts))), limits).expect("no length is told");
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.map_err(|problem| problem.code())? {
            all.push(line);
            assert!(lines.held.capacity() <= 3 * LINE_MAX, "what has been handed out is let go");
        }
        Ok(all)
    }

    fn text(line: &str) -> Line {
        Line::Text(line.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_arrive() {
        let limits = Limits::default();
        let body = "one\n\n  \r\ntwo\r\nlast".as_bytes();
        let want = [text("one"), Line::Empty, Line::Empty, text("two\r"), text("last")];
        for size in 1..=body.len() {
            let parts = body.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(read(parts, &limits).await.as_deref(), Ok(&want[..]), "in parts of {size}");
        }
        assert_eq!(read(vec![], &limits).await, Ok(vec![]));
        assert_eq!(read(vec![b"a\n".to_vec()], &limits).await, Ok(vec![text("a")]), "the end of a line is no line");
    }

    #[tokio::test]
    async fn a_line_without_end_is_passed_over() {
        let limits = Limits::default();
        let long = vec![b'x'; LINE_MAX / 2 + 1];
        let parts = vec![b"a\n".to_vec(), long.clone(), long.clone(), long.clone(), b"\nb\n".to_vec()];
        assert_eq!(read(parts, &limits).await, Ok(vec![text("a"), Line::TooLong, text("b")]));
        assert_eq!(read(vec![long.clone(), long.clone(), long], &limits).await, Ok(vec![Line::TooLong]), "at the end too");
        let whole = [vec![b'x'; LINE_MAX + 1], b"\nb".to_vec()].concat();
        assert_eq!(read(vec![whole], &limits).await, Ok(vec![Line::TooLong, text("b")]), "in one part");
    }

    #[tokio::test]
    async fn a_body_has_a_bound() {
        let limits = Limits { body_bytes_max: 10, ..Limits::default() };
        assert_eq!(read(vec![b"12345\n".to_vec(), b"7890".to_vec()], &limits).await, Ok(vec![text("12345"), text("7890")]));
        assert_eq!(read(vec![b"12345\n".to_vec(), b"78901".to_vec()], &limits).await, Err(Code::BodyTooLarge));
        let told = Request::builder().header("content-length", "11").body(Body::empty()).expect("a request");
        assert_eq!(Lines::of(told, &limits).err().map(|problem| problem.code()), Some(Code::BodyTooLarge));
    }
}
