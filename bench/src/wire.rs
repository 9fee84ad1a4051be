//! A connection that speaks just enough HTTP/1.1 to enqueue: what measures single calls must cost little beside them on the same machine.

use crate::api::Api;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    head: String,
    line: String,
    body: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(api: &Api) -> Result<Self, String> {
        let (host, key) = api.address();
        let stream = TcpStream::connect(host).await.map_err(|error| format!("{host}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let head = format!(
            "POST /v1/jobs HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        Ok(Self { stream: BufReader::new(stream), head, line: String::new(), body: Vec::new() })
    }

    /// Enqueues one job.
    pub(crate) async fn enqueue(&mut self, job: &str) -> Result<(), String> {
        let request = format!("{}{}\r\n\r\n{job}", self.head, job.len());
        self.stream.get_mut().write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let status = self.line().await?.to_owned();
        let mut length = 0;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| format!("content-length: {value}"))?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await.map_err(|error| error.to_string())?;
        if status.contains(" 202 ") { Ok(()) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&self.body))) }
    }

    async fn line(&mut self) -> Result<&str, String> {
        self.line.clear();
        let read = self.stream.read_line(&mut self.line).await.map_err(|error| error.to_string())?;
        if read == 0 { Err("the connection was closed".into()) } else { Ok(self.line.trim_end()) }
    }
}
