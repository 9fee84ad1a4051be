//! Reports on their way to Sentry: a bounded queue, and one future that posts them one after the other.

use crate::stop::Stop;
use longshore_base::Clock;
use reqwest::{StatusCode, header};
use sentry::{Envelope, Transport, types::Dsn};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, mpsc};

/// Reports that wait at most; more are dropped. A report has some kilobytes.
const WAITING_MAX: usize = 100;
/// How long one post may take.
const POST_MAX: Duration = Duration::from_secs(10);
/// Told to wait without being told how long.
const REST: Duration = Duration::from_secs(60);
/// Nobody may ask for more.
const REST_MAX: Duration = Duration::from_secs(600);

/// The way in; clones lead to the same one.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    reports: mpsc::Sender<Vec<u8>>,
    open: Arc<Open>,
}

/// Reports that are neither sent nor dropped.
#[derive(Debug, Default)]
struct Open {
    count: AtomicUsize,
    none: Notify,
}

impl Open {
    fn done(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none.notify_waiters();
        }
    }
}

impl Outbox {
    /// Starts the future that posts to the project of `dsn`. Must be called in the runtime that shall do the sending.
    pub(super) fn start(dsn: &Dsn, clock: Arc<dyn Clock>) -> Result<Self, Stop> {
        let (reports, queue) = mpsc::channel(WAITING_MAX);
        let open = Arc::new(Open::default());
        let agent = concat!("longshore/", env!("CARGO_PKG_VERSION"));
        let post = Post {
            client: super::client(POST_MAX)?,
            url: dsn.envelope_api_url().to_string(),
            auth: dsn.to_auth(Some(agent)).to_string(),
            failing: false,
        };
        tokio::spawn(send(post, queue, open.clone(), clock));
        Ok(Self { reports, open })
    }

    /// Waits until everything is sent or dropped.
    pub(super) async fn emptied(&self) {
        loop {
            let none = self.open.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if self.open.count.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Transport for Outbox {
    fn send_envelope(&self, envelope: Envelope) {
        let mut body = Vec::new();
        if envelope.to_writer(&mut body).is_err() {
            return count("dropped");
        }
        self.open.count.fetch_add(1, Ordering::AcqRel);
        if self.reports.try_send(body).is_err() {
            self.open.done();
            count("dropped");
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("longshore_reports_total", "outcome" => outcome).increment(1);
}

struct Post {
    client: reqwest::Client,
    url: String,
    auth: String,
    failing: bool,
}

async fn send(mut post: Post, mut queue: mpsc::Receiver<Vec<u8>>, open: Arc<Open>, clock: Arc<dyn Clock>) {
    let mut rest_until = Duration::ZERO;
    while let Some(body) = queue.recv().await {
        if clock.elapsed() < rest_until {
            count("dropped");
        } else if let Some(rest) = post.send(body).await {
            rest_until = clock.elapsed() + rest.min(REST_MAX);
        }
        open.done();
    }
}

impl Post {
    /// Sends one report. Some: send nothing for so long.
    async fn send(&mut self, body: Vec<u8>) -> Option<Duration> {
        let request =
            self.client.post(&self.url).header("X-Sentry-Auth", &self.auth).header(header::CONTENT_TYPE, "application/x-sentry-envelope");
        let answer = request.body(body).send().await;
        let failed = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            // The error's own text names the address, and with it the project.
            Err(error) if error.is_timeout() => Some("no answer in time".to_owned()),
            Err(error) if error.is_connect() => Some("no connection".to_owned()),
            Err(_) => Some("the connection broke".to_owned()),
        };
        count(if failed.is_none() { "sent" } else { "failed" });
        match &failed {
            Some(why) if !self.failing => tracing::warn!(why, "failures cannot be reported; reports are dropped until they can"),
            None if self.failing => tracing::info!("failures are reported again"),
            _ => {}
        }
        self.failing = failed.is_some();
        let answer = answer.ok().filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS)?;
        let told = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Some(told.map_or(REST, Duration::from_secs))
    }
}
