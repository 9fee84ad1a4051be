//! A reader over a real connection.

use crate::scenarios::Engine;
use serde_json::Value;
use std::{collections::VecDeque, time::Duration};

/// More than anything here should take.
const BOUND: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) event: String,
    pub(super) data: Value,
}

pub(super) struct Ear {
    answer: reqwest::Response,
    bytes: Vec<u8>,
    told: VecDeque<(String, Told)>,
    last: String,
}

impl Ear {
    pub(super) async fn open(engine: &Engine, url: &str, path: &str, last: &str) -> Self {
        let mut request = engine.plain_client().get(format!("{url}{path}")).bearer_auth(engine.key());
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        let answer = request.timeout(BOUND * 2).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        Self { answer, bytes: Vec::new(), told: VecDeque::new(), last: last.to_owned() }
    }

    /// The id of the last event that was taken.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    pub(super) async fn some(&mut self, n: usize) -> Vec<Told> {
        let mut told = Vec::new();
        while told.len() < n {
            told.push(self.next().await.expect("it goes on"));
        }
        told
    }

    pub(super) async fn rest(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(next) = self.next().await {
            told.push(next);
        }
        told
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((id, told)) = self.told.pop_front() {
                self.last = id;
                return Some(told);
            }
            let part = tokio::time::timeout(BOUND, self.answer.chunk()).await.expect("something in time").expect("an open connection")?;
            self.bytes.extend_from_slice(&part);
            self.read();
        }
    }

    fn read(&mut self) {
        let mut id = self.told.back().map_or(&self.last, |(id, _)| id).clone();
        while let Some(end) = self.bytes.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("text");
            let (mut event, mut data) = (String::new(), None);
            for (field, value) in block.lines().filter_map(|line| line.split_once(": ")) {
                match field {
                    "id" => value.clone_into(&mut id),
                    "event" => value.clone_into(&mut event),
                    "data" => data = serde_json::from_str(value).ok(),
                    _ => {}
                }
            }
            match data {
                Some(data) => self.told.push_back((id.clone(), Told { event, data })),
                // An id without an event counts as soon as everything before it was taken.
                None if self.told.is_empty() => self.last.clone_from(&id),
                None => {}
            }
        }
    }
}
