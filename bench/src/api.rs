//! The few calls of the HTTP API that a measurement needs.

use crate::clock::{now_us, rate};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;

/// Jobs per call of the batch route.
const BATCH: usize = 1_000;
/// Callers that enqueue at once.
const CALLERS: usize = 4;
/// Tenants that take turns.
pub(crate) const TENANTS: u64 = 16;
/// Looks per second at a queue that is being drained.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running API and its key.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    url: String,
    key: String,
}

impl Api {
    pub(crate) fn new(ready: &Value) -> Result<Self, String> {
        let text = |name: &str| ready[name].as_str().map(str::to_owned).ok_or_else(|| format!("the ready line has no {name}: {ready}"));
        let file = text("key_file")?;
        let key = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        Ok(Self { client: Client::new(), url: text("url")?, key: key.trim().into() })
    }

    /// `HOST:PORT`, and the key.
    pub(crate) fn address(&self) -> (&str, &str) {
        (self.url.trim_start_matches("http://"), &self.key)
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| format!("{method} {path}: {error}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{method} {path}: {error}"))?;
        if !status.is_success() {
            return Err(format!("{method} {path}: {status}: {text}"));
        }
        if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&text).map_err(|error| format!("{method} {path}: {error}: {text}"))
        }
    }

    /// Enqueues `jobs` no-op jobs of about 130 bytes of args for 16 tenants.
    pub(crate) async fn enqueue(&self, queue: &str, jobs: u64) -> Result<(), String> {
        let jobs: Vec<Value> = (0..jobs).map(|n| job(n, TENANTS)).collect();
        self.put(queue, &jobs).await
    }

    /// Makes a queue that runs nothing yet: its first job is not counted, the workers have found it, and it is paused.
    pub(crate) async fn paused(&self, queue: &str) -> Result<(), String> {
        self.enqueue(queue, 1).await?;
        self.completed(queue, 1).await?;
        self.pause(queue).await
    }
    pub(crate) async fn pause(&self, queue: &str) -> Result<(), String> {
        self.call(Method::POST, &format!("/v1/queues/{queue}/pause"), Some(&json!({}))).await.map(drop)
    }
    pub(crate) async fn resume(&self, queue: &str) -> Result<(), String> {
        self.call(Method::POST, &format!("/v1/queues/{queue}/resume"), None).await.map(drop)
    }

    /// Resumes a queue of [`Api::paused`] that so many jobs were put into; answers how many a second were done until the last.
    pub(crate) async fn drain(&self, queue: &str, jobs: u64) -> Result<f64, String> {
        let began = now_us();
        self.resume(queue).await?;
        self.completed(queue, jobs + 1).await?;
        Ok(rate(jobs, began))
    }

    /// Reads these jobs, a few at once.
    pub(crate) async fn read(&self, ids: Vec<String>) -> Result<Vec<Value>, String> {
        let jobs = stream::iter(ids).map(|id| async move { self.call(Method::GET, &format!("/v1/jobs/{id}"), None).await });
        jobs.buffered(CALLERS).try_collect().await
    }

    /// Enqueues these jobs to the queue; answers their ids, in order.
    pub(crate) async fn put_for_ids(&self, queue: &str, jobs: &[Value]) -> Result<Vec<String>, String> {
        let named = |job: &Value| {
            let mut job = job.clone();
            job["queue"] = queue.into();
            job
        };
        let batch: Vec<Value> = jobs.iter().map(named).collect();
        let answer = self.call(Method::POST, "/v1/jobs/batch", Some(&json!({ "jobs": batch }))).await?;
        let results = answer["results"].as_array().map_or(&[][..], Vec::as_slice);
        let id = |result: &Value| result["id"].as_str().map(str::to_owned).ok_or_else(|| format!("a job was refused: {result}"));
        results.iter().map(id).collect()
    }

    /// Enqueues these jobs to the queue.
    pub(crate) async fn put(&self, queue: &str, jobs: &[Value]) -> Result<(), String> {
        let batches = stream::iter(jobs.chunks(BATCH)).map(|batch| async move { self.put_for_ids(queue, batch).await.map(drop) });
        batches.buffer_unordered(CALLERS).try_collect().await
    }

    /// Makes these calls, a few at once.
    pub(crate) async fn each(&self, calls: &[(Method, String, Value)]) -> Result<(), String> {
        let calls =
            stream::iter(calls).map(|(method, path, body)| async move { self.call(method.clone(), path, Some(body)).await.map(drop) });
        calls.buffer_unordered(CALLERS).try_collect().await
    }

    /// Every job that a filter finds.
    pub(crate) async fn list(&self, filter: &str) -> Result<Vec<Value>, String> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.call(Method::GET, &format!("/v1/jobs?{filter}&limit=1000{cursor}"), None).await?;
            all.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            let Some(next) = page["cursor"].as_str() else { return Ok(all) };
            cursor = format!("&cursor={next}");
        }
    }

    /// Waits until so many jobs of the queue are completed, at most five minutes.
    pub(crate) async fn completed(&self, queue: &str, jobs: u64) -> Result<(), String> {
        self.counted(queue, "completed", jobs).await
    }

    /// Waits until so many jobs of the queue are in a state, at most five minutes.
    pub(crate) async fn counted(&self, queue: &str, state: &str, jobs: u64) -> Result<(), String> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let done = async {
            loop {
                look.tick().await;
                let stats = self.call(Method::GET, &format!("/v1/queues/{queue}"), None).await?;
                if stats[state].as_u64().unwrap_or(0) >= jobs {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(300), done)
            .await
            .unwrap_or_else(|_| Err(format!("{queue} had not {jobs} jobs {state} in five minutes")))
    }

    /// Waits until so many workers have reported, at most thirty seconds.
    pub(crate) async fn workers(&self, count: usize) -> Result<(), String> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let done = async {
            loop {
                look.tick().await;
                let answer = self.call(Method::GET, "/v1/workers", None).await?;
                if answer["workers"].as_array().is_some_and(|workers| workers.len() >= count) {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), done).await.unwrap_or_else(|_| Err(format!("{count} workers did not report")))
    }
}

/// A no-op job of about 130 bytes of args, for one of so many tenants.
pub(crate) fn job(n: u64, tenants: u64) -> Value {
    json!({ "kind": "demo.echo", "tenant": format!("tenant-{}", n % tenants), "args": args(n) })
}

fn args(n: u64) -> Value {
    json!({ "account": format!("account-{:06}", n % 1000), "number": 1_000_000 + n, "text": text(78) })
}

/// So many bytes.
pub(crate) fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn args_are_as_long_as_told() {
        for n in [0, 999, 49_999] {
            let bytes = super::job(n, 16)["args"].to_string().len();
            assert!((125..=135).contains(&bytes), "{bytes}");
        }
    }
}
