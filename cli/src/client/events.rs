//! Server-Sent Events: read as they come. Where the connection breaks, it is made again with the id of the last event, so that nothing is
//! missed and nothing comes twice.

use super::{Client, problem};
use crate::{host::Host, stop::Stop};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::{collections::VecDeque, time::Duration};

/// Nothing limits a whole stream but this; each part of it has to come in time.
const WHOLE: Duration = Duration::from_secs(365 * 86_400);
/// A server says something every fifteen seconds.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// How long to wait for the head of an answer.
const HEAD_MAX: Duration = Duration::from_secs(15);
/// An API that restarts is waited for this long.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    client: &'a Client,
    host: &'a Host,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    answer: Option<Response>,
    parser: Parser,
    /// When something last came.
    seen: Duration,
}

impl<'a> Events<'a> {
    /// Begins to listen.
    pub(crate) async fn open(client: &'a Client, host: &'a Host, path: &[&str], query: Vec<(&'static str, String)>) -> Result<Self, Stop> {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        let seen = host.clock.elapsed();
        let mut events = Self { client, host, path, query, answer: None, parser: Parser::default(), seen };
        events.answer = events.connect().await?;
        Ok(events)
    }

    /// The next event. None: there will be no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Stop> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            let Some(answer) = &mut self.answer else {
                match self.again().await? {
                    Some(answer) => self.answer = Some(answer),
                    None => return Ok(None),
                }
                continue;
            };
            match tokio::time::timeout(SILENCE_MAX, answer.chunk()).await {
                Ok(Ok(Some(part))) => {
                    self.seen = self.host.clock.elapsed();
                    self.parser.push(&part);
                }
                // It ended or broke off: half an event is no event, and comes again.
                Ok(Ok(None) | Err(_)) | Err(_) => {
                    self.answer = None;
                    self.parser.forget();
                }
            }
        }
    }

    async fn again(&mut self) -> Result<Option<Response>, Stop> {
        loop {
            match self.connect().await {
                Err(stop) if stop.is_unreachable() && self.host.clock.elapsed() < self.seen + PATIENCE => {}
                other => return other,
            }
            self.host.clock.sleep(PAUSE).await;
        }
    }

    /// None: 204, there is nothing more to come.
    async fn connect(&mut self) -> Result<Option<Response>, Stop> {
        let client = self.client;
        let last = self.parser.last.clone();
        let headers: Vec<_> = Some(("Last-Event-ID", last)).into_iter().filter(|(_, last)| !last.is_empty()).collect();
        let request = client.request(Method::GET, &self.path, &self.query, &headers).timeout(WHOLE);
        let late = || Stop::unreachable(format!("{} did not answer in time", client.base()));
        let answer = tokio::time::timeout(HEAD_MAX, request.send()).await.map_err(|_| late())?;
        let answer = answer.map_err(|error| client.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Some(answer).filter(|_| status != StatusCode::NO_CONTENT));
        }
        let body = tokio::time::timeout(HEAD_MAX, answer.bytes()).await.map_err(|_| late())?;
        let body = body.map_err(|error| client.unreachable(&error))?;
        Err(problem::stop(status.as_u16(), &body, client.key.as_ref().err()))
    }
}

/// Blocks of lines, as WHATWG HTML has them.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    events: VecDeque<Event>,
    /// The last id that stood in a whole block.
    last: String,
}

impl Parser {
    fn push(&mut self, part: &[u8]) {
        // Where the last block may end: its first newline may be there already.
        let mut from = self.bytes.len().saturating_sub(1);
        self.bytes.extend_from_slice(part);
        let mut begin = 0;
        while let Some(at) = self.bytes.get(from..).and_then(|rest| rest.windows(2).position(|two| two == b"\n\n")) {
            let end = from + at;
            let block = String::from_utf8_lossy(&self.bytes[begin..end]).into_owned();
            self.block(&block);
            (begin, from) = (end + 2, end + 2);
        }
        self.bytes.drain(..begin);
    }

    fn block(&mut self, block: &str) {
        let (mut name, mut data) = ("", Vec::new());
        for line in block.lines().filter(|line| !line.starts_with(':')) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut self.last),
                "event" => name = value,
                "data" => data.push(value),
                _ => {}
            }
        }
        if let Ok(data) = serde_json::from_str(&data.join("\n")) {
            self.events.push_back(Event { name: name.to_owned(), data });
        }
    }

    fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn forget(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Remote;
    use longshore_base::{SystemClock, SystemRandom};
    use longshore_config::Environment;
    use longshore_jobs::Catalog;
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    /// Answers one request with these bytes, and hangs up; answers the request's head.
    async fn serve(listener: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        stream.write_all(answer.as_bytes()).await.expect("sent");
        String::from_utf8(head).expect("text").to_lowercase()
    }

    #[tokio::test]
    async fn it_comes_again_where_it_was_and_ends_when_there_is_no_more() {
        // A second installation is refused, and changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move {
            let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\n";
            let mut heads = vec![serve(&listener, &format!("{stream}id: 1:a\nevent: a\ndata: 1\n\nid: 1:b\nevent: b\nda")).await];
            heads.push(serve(&listener, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}").await);
            heads.push(serve(&listener, &format!("{stream}id: 1:b\nevent: b\ndata: 2\n\nid: 1:c\n\n")).await);
            heads.push(serve(&listener, "HTTP/1.1 204 No Content\r\n\r\n").await);
            heads
        });
        let host = Host {
            clock: SystemClock::new(),
            random: SystemRandom::new(),
            environment: Environment { key: Some(longshore_config::Secret::new("k".to_owned())), ..Environment::default() },
            veil: longshore_config::Veil::default(),
            catalog: Catalog::empty(),
            name: String::new(),
            json: false,
        };
        let client = host.client(&Remote { api: Some(url), key_file: None, data: None }).expect("a client");
        let mut events = Events::open(&client, &host, &["v1", "events"], vec![("queue", "q".into())]).await.expect("open");
        let mut heard = Vec::new();
        while let Some(event) = events.next().await.expect("no failure") {
            heard.push((event.name, event.data));
        }
        assert_eq!(heard, [("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))], "each once");
        let heads = server.await.expect("served");
        assert!(heads[0].starts_with("get /v1/events?queue=q ") && !heads[0].contains("last-event-id"), "{heads:?}");
        let came: Vec<_> = heads.iter().map(|head| head.lines().find_map(|line| line.strip_prefix("last-event-id: "))).collect();
        assert_eq!(came, [None, Some("1:a"), Some("1:a"), Some("1:c")]);
    }

    #[test]
    fn blocks_are_read_however_they_are_cut() {
        let text = "retry: 1000\nid: 1:a\n\n: beat\n\nid: 1:b\nevent: state\ndata: {\"é\":1}\n\nid: 1:c\n: beat\n\nevent: missed\ndata: [\ndata: 2]\n\nid: 9:z\nevent: half";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            text.as_bytes().chunks(size).for_each(|part| parser.push(part));
            assert_eq!(parser.next(), Some(Event { name: "state".into(), data: json!({"é": 1}) }), "by {size}");
            assert_eq!(parser.next(), Some(Event { name: "missed".into(), data: json!([2]) }), "by {size}");
            assert_eq!((parser.next(), parser.last.as_str()), (None, "1:c"));
        }
    }
}
