//! The few calls of the HTTP API that a measurement needs.

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;

/// Jobs per call of the batch route.
const BATCH: u64 = 1_000;
/// Callers that enqueue at once.
const CALLERS: usize = 4;
/// Tenants that take turns.
const TENANTS: u64 = 16;
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
        let jobs: Vec<Value> = (0..jobs).map(job).collect();
        self.put(queue, &jobs).await
    }

    /// Enqueues these jobs to the queue.
    pub(crate) async fn put(&self, queue: &str, jobs: &[Value]) -> Result<(), String> {
        let batches = stream::iter(jobs.chunks(BATCH as usize)).map(|batch| async move {
            let named = |job: &Value| {
                let mut job = job.clone();
                job["queue"] = queue.into();
                job
            };
            let batch: Vec<Value> = batch.iter().map(named).collect();
            let answer = self.call(Method::POST, "/v1/jobs/batch", Some(&json!({ "jobs": batch }))).await?;
            let refused = answer["results"].as_array().into_iter().flatten().find(|result| !result["error"].is_null());
            refused.map_or(Ok(()), |refused| Err(format!("a job was refused: {refused}")))
        });
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
        let mut look = tokio::time::interval(LOOK_EVERY);
        let done = async {
            loop {
                look.tick().await;
                let stats = self.call(Method::GET, &format!("/v1/queues/{queue}"), None).await?;
                if stats["completed"].as_u64().unwrap_or(0) >= jobs {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(300), done)
            .await
            .unwrap_or_else(|_| Err(format!("{queue} was not drained in five minutes")))
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

pub(crate) const fn payload() -> &'static str {
    "demo.echo with 130 bytes of args, 16 tenants"
}

fn job(n: u64) -> Value {
    let args = json!({ "account": format!("account-{:06}", n % 1000), "number": 1_000_000 + n, "text": "x".repeat(78) });
    json!({ "kind": "demo.echo", "tenant": format!("tenant-{}", n % TENANTS), "args": args })
}

#[cfg(test)]
mod tests {
    #[test]
    fn args_are_as_long_as_told() {
        for n in [0, 999, 49_999] {
            let bytes = super::job(n)["args"].to_string().len();
            assert!((125..=135).contains(&bytes), "{bytes}");
        }
    }
}
