//! Somebody who listens: reads a `text/event-stream` as a browser would.

use super::harness::{Harness, request};
use axum::{Router, body::Body, http::header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

/// How often it is looked for what must come, and for how long each time.
const LOOKS: usize = 2_000;
const LOOK: Duration = Duration::from_millis(5);

pub(super) struct Ear {
    body: Body,
    text: String,
    /// What a browser would send back.
    pub(super) last: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) event: String,
    pub(super) id: String,
    pub(super) data: Value,
}

impl Told {
    pub(super) fn text(&self, field: &str) -> String {
        self.data[field].as_str().unwrap_or_default().to_owned()
    }
}

impl Ear {
    pub(super) async fn open(api: &Harness, key: &str, path: &str) -> Self {
        Self::at(&api.router, key, path, "").await
    }

    /// After the event `last`, through this process.
    pub(super) async fn at(router: &Router, key: &str, path: &str, last: &str) -> Self {
        let mut request = request(key, "GET", path);
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        let response = router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("a router never fails");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body(), text: String::new(), last: last.to_owned() }
    }

    /// The next event, as time goes by. None: the stream has ended.
    pub(super) async fn next(&mut self, api: &Harness) -> Option<Told> {
        for _ in 0..LOOKS {
            if let Some(told) = self.take() {
                return Some(told);
            }
            match tokio::time::timeout(LOOK, self.body.frame()).await {
                Ok(Some(frame)) => {
                    let bytes = frame.expect("no failure").into_data().expect("data");
                    self.text.push_str(std::str::from_utf8(&bytes).expect("whole events"));
                }
                Ok(None) => return None,
                Err(_) => api.clock.advance(Duration::from_millis(20)),
            }
        }
        panic!("nothing comes, and no end: {:?}", self.text);
    }

    /// So many events.
    pub(super) async fn some(&mut self, api: &Harness, n: usize) -> Vec<Told> {
        let mut told = Vec::new();
        while told.len() < n {
            told.push(self.next(api).await.unwrap_or_else(|| panic!("the stream ended early: {told:?}")));
        }
        told
    }

    /// The event, which must be the next one.
    pub(super) async fn must(&mut self, api: &Harness, event: &str) -> Told {
        let told = self.next(api).await.unwrap_or_else(|| panic!("{event} was expected"));
        assert_eq!(told.event, event, "{told:?}");
        told
    }

    /// Everything up to the end of the stream.
    pub(super) async fn rest(&mut self, api: &Harness) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(next) = self.next(api).await {
            told.push(next);
        }
        told
    }

    /// Reads what is there without an event, such as the greeting and beats. Answers what it said.
    pub(super) async fn hush(&mut self, api: &Harness) -> String {
        let mut heard = String::new();
        for _ in 0..40 {
            assert_eq!(self.take(), None, "nothing was to be told");
            match tokio::time::timeout(Duration::from_millis(1), self.body.frame()).await {
                Ok(Some(frame)) => {
                    let bytes = frame.expect("no failure").into_data().expect("data");
                    let text = std::str::from_utf8(&bytes).expect("whole events");
                    heard.push_str(text);
                    self.text.push_str(text);
                }
                Ok(None) => return heard + "<end>",
                Err(_) => api.clock.advance(Duration::from_millis(1)),
            }
        }
        heard
    }

    /// The next whole event of what has come.
    fn take(&mut self) -> Option<Told> {
        while let Some((block, rest)) = self.text.split_once("\n\n") {
            let (mut event, mut data) = (String::new(), String::new());
            for line in block.lines().filter(|line| !line.starts_with(':')) {
                match line.split_once(": ").expect("a field") {
                    ("id", id) => id.clone_into(&mut self.last),
                    ("event", name) => name.clone_into(&mut event),
                    ("data", text) => data.push_str(text),
                    ("retry", _) => {}
                    other => panic!("{other:?}"),
                }
            }
            self.text = rest.to_owned();
            if !data.is_empty() {
                return Some(Told { event, id: self.last.clone(), data: serde_json::from_str(&data).expect("JSON") });
            }
        }
        None
    }
}
