//! An HTTP server on the loopback that answers each request as its test says, and keeps what it got.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Ends with the test's runtime.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    /// Method, path and version.
    pub(crate) line: String,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// A header's text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Receiver {
    /// Answers with status and further header lines (each with its line end).
    pub(crate) async fn start(answer: impl Fn(&Got) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let receiver = Self { address: listener.local_addr().expect("bound"), got: Arc::default() };
        let (got, answer) = (Arc::clone(&receiver.got), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (got, answer) = (Arc::clone(&got), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Some(request) = read(&mut stream).await else { return };
                    let (status, headers) = answer(&request);
                    got.lock().expect("not poisoned").push(request);
                    let text = format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
                    drop(stream.write_all(text.as_bytes()).await);
                });
            }
        });
        receiver
    }

    /// The address of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().expect("not poisoned").clone()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16_384]);
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
        };
        let headers: HeaderMap = head.lines().skip(1).filter_map(header).collect();
        let length = headers.get("content-length").and_then(|n| n.to_str().ok()?.parse().ok()).unwrap_or(0);
        let body = &bytes[end + 4..];
        if body.len() >= length {
            return Some(Got { line: head.lines().next().unwrap_or_default().to_owned(), headers, body: body[..length].to_vec() });
        }
    }
}
