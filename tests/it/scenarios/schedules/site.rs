//! An installation whose server's clock the test moves: embedded, where one process is everything and its clock is the server's; or a Redis
//! under that clock with an API, schedulers and workers beside it that keep the machine's.

use crate::{
    harness::{jumping::Jumping, redis::Redis},
    scenarios::{Engine, Process, until},
};
use longshore_base::Millis;
use serde_json::{Value, json};
use std::time::Duration;

/// See the file's first lines.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) engine: Engine,
    pub(super) clock: Jumping,
    pub(super) schedulers: Vec<Process>,
    pub(super) worker: Option<Process>,
    redis: Option<Redis>,
}

const SHORT_LEASE: [(&str, &str); 2] = [("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")];

impl Site {
    pub(super) async fn embedded() -> Self {
        let clock = Jumping::new();
        let own = clock.variables();
        let variables: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).chain(SHORT_LEASE).collect();
        let engine = Engine::up(&variables).await;
        Self { engine, clock, schedulers: Vec::new(), worker: None, redis: None }
    }

    pub(super) async fn on_redis() -> Self {
        let clock = Jumping::new();
        let redis = Redis::under(&clock).await;
        let engine = Engine::on(&redis.url(), &SHORT_LEASE).await;
        Self { engine, clock, schedulers: Vec::new(), worker: None, redis: Some(redis) }
    }

    pub(super) const fn is_embedded(&self) -> bool {
        self.redis.is_none()
    }

    /// So many schedulers; embedded it is the one process.
    pub(super) async fn schedulers(&mut self, n: usize) {
        while !self.is_embedded() && self.schedulers.len() < n {
            self.schedulers.push(self.engine.role("scheduler", &[]).await);
        }
    }

    /// A worker; embedded there is one.
    pub(super) async fn worker(&mut self) {
        if !self.is_embedded() {
            self.worker = Some(self.engine.role("worker", &["--concurrency", "32"]).await);
        }
        crate::scenarios::on_redis::workers(&self.engine, 1).await;
    }

    /// `kill -9` of every scheduler, with the API embedded.
    pub(super) fn kill_schedulers(&mut self) {
        self.schedulers.iter_mut().for_each(Process::kill);
        self.schedulers.clear();
        if self.is_embedded() {
            self.engine.front().kill();
        }
    }

    /// Starts again what [`Self::kill_schedulers`] ended.
    pub(super) async fn restart(&mut self, schedulers: usize) {
        if self.is_embedded() {
            self.engine.start_front("up", &[]).await;
        }
        self.schedulers(schedulers).await;
    }

    /// Makes a schedule, or changes it: `says` is merged into what every one of this suite says.
    pub(super) async fn put(&self, name: &str, says: Value) -> Value {
        let mut body = json!({"kind": "demo.sleep", "args": {"ms": 0}, "queue": "ticks"});
        for (key, value) in says.as_object().expect("an object") {
            body[key] = value.clone();
        }
        self.engine.call("PUT", &format!("/v1/schedules/{name}"), Some(body)).await
    }

    pub(super) async fn schedule(&self, name: &str) -> Value {
        self.engine.get(&format!("/v1/schedules/{name}")).await
    }

    /// Waits until a schedule stands like this.
    pub(super) async fn until(&self, name: &str, what: &str, at_most: Duration, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = tokio::time::timeout(at_most, async {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            loop {
                pace.tick().await;
                if let Ok((200, schedule)) = self.engine.try_call("GET", &format!("/v1/schedules/{name}"), None).await {
                    if holds(&schedule) {
                        return schedule;
                    }
                    last = schedule;
                }
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("schedule {name}, not within {at_most:?}: {what}; last seen: {last}"))
    }

    /// A schedule's history, oldest first.
    pub(super) async fn history(&self, name: &str) -> Vec<Value> {
        let mut ticks = items(self.engine.get(&format!("/v1/schedules/{name}/ticks")).await, "ticks");
        ticks.reverse();
        ticks
    }

    /// Every job of a queue.
    pub(super) async fn jobs(&self, queue: &str) -> Vec<Value> {
        let (mut jobs, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.engine.get(&format!("/v1/jobs?queue={queue}&limit=1000{cursor}")).await;
            let next = page["cursor"].as_str().map(|cursor| format!("&cursor={cursor}"));
            jobs.extend(items(page, "items"));
            match next {
                Some(next) => cursor = next,
                None => return jobs,
            }
        }
    }

    /// The ticks of a schedule that jobs stand for, sorted, each as often as it has one.
    pub(super) async fn ticks(&self, queue: &str, name: &str) -> Vec<Millis> {
        let jobs = self.jobs(queue).await;
        let mut ticks: Vec<_> = jobs.iter().filter(|job| job["tick"]["schedule"] == name).map(|job| time(&job["tick"]["at"])).collect();
        ticks.sort_unstable();
        ticks
    }

    /// Returns when the server's clock has moved on by itself so far.
    pub(super) async fn pass(&self, by: Duration) {
        let end = self.clock.now() + Millis::try_from(by.as_millis()).expect("short");
        until("time passes", by + Duration::from_secs(5), async || (self.clock.now() >= end).then_some(())).await;
    }
}

fn items(mut page: Value, key: &str) -> Vec<Value> {
    match page[key].take() {
        Value::Array(items) => items,
        _ => panic!("no {key} in {page}"),
    }
}

/// A time of the API in milliseconds.
pub(super) fn time(value: &Value) -> Millis {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    chrono::DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}")).timestamp_millis()
}
