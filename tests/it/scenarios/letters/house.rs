//! An installation, and a world around it in which things are broken until somebody repairs them.

use crate::{
    harness::redis::Redis,
    scenarios::{Engine, Process, on_redis::workers, until},
};
use serde_json::{Value, json};
use std::{collections::HashMap, path::PathBuf, time::Duration};

/// What a busy machine may take for a step.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
const SHORT_LEASE: [(&str, &str); 2] = [("LONGSHORE_WORKER__LEASE_MS", "3000"), ("LONGSHORE_WORKER__HEARTBEAT_MS", "1000")];
const WORKER: [&str; 2] = ["--concurrency", "32"];

/// See the file's first lines.
#[derive(Debug)]
pub(super) struct House {
    pub(super) engine: Engine,
    /// Embedded the one process is everything.
    worker: Option<Process>,
    _scheduler: Option<Process>,
    _redis: Option<Redis>,
}

impl House {
    pub(super) async fn embedded() -> Self {
        let engine = Engine::up_of("it-kinds", &SHORT_LEASE).await;
        Self { engine, worker: None, _scheduler: None, _redis: None }
    }

    pub(super) async fn on_redis() -> Self {
        let redis = Redis::start(&[]).await;
        let engine = Engine::on(&redis.url(), &SHORT_LEASE).await;
        let scheduler = engine.role("scheduler", &[]).await;
        let worker = engine.role_of("it-kinds", "worker", &WORKER).await;
        workers(&engine, 1).await;
        Self { engine, worker: Some(worker), _scheduler: Some(scheduler), _redis: Some(redis) }
    }

    /// `kill -9` of whoever works, and another one.
    pub(super) async fn kill_worker(&mut self) {
        match &mut self.worker {
            Some(worker) => {
                worker.kill();
                self.worker = Some(self.engine.role_of("it-kinds", "worker", &WORKER).await);
            }
            None => {
                self.engine.front().kill();
                self.engine.start_front("up", &[]).await;
            }
        }
    }

    fn world(&self) -> PathBuf {
        self.engine.dir.join("world")
    }

    /// From now on these causes make jobs fail.
    pub(super) fn broken(&self, causes: &[&str]) {
        std::fs::write(self.world(), causes.join("\n")).expect("written");
    }

    /// A job that fails with `message` as long as `cause` is there, after so many milliseconds.
    pub(super) fn job(&self, cause: &str, message: String, ms: u64) -> Value {
        let args = json!({"cause": cause, "message": message, "ms": ms, "world": self.world()});
        json!({"kind": "it.called", "queue": "mail", "args": args})
    }

    /// The groups by their cause, each with its count and its fingerprint.
    pub(super) async fn groups(&self) -> HashMap<&'static str, (u64, String)> {
        let answer = self.engine.get("/v1/dead-letters/groups?queue=mail").await;
        let groups = answer["groups"].as_array().expect("groups").iter();
        let read = |group: &Value| {
            let sample = group["sample_error"].to_string();
            let cause = super::morning::cause_of(&sample).unwrap_or_else(|| panic!("an unknown cause: {group}"));
            let fingerprint = group["fingerprint"].as_str().expect("a fingerprint").to_owned();
            assert_eq!(group["kind"], "it.called", "{group}");
            (cause, (group["count"].as_u64().expect("a count"), fingerprint))
        };
        let all: Vec<_> = groups.map(read).collect();
        let by_cause: HashMap<_, _> = all.iter().cloned().collect();
        assert_eq!(by_cause.len(), all.len(), "one group for each cause: {answer}");
        by_cause
    }

    /// Asks first, and confirms what has to be confirmed. Answers the operation's path.
    pub(super) async fn replay(&self, mut body: Value, count: u64) -> String {
        const PATH: &str = "/v1/dead-letters/replay";
        let call = async |body: &Value| self.engine.try_call("POST", PATH, Some(body.clone())).await.expect("an answer");
        let mut dry = body.clone();
        dry["dry_run"] = true.into();
        let (status, answer) = call(&dry).await;
        assert_eq!((status, &answer["count"], answer.get("operation")), (200, &json!(count), None), "a dry run: {answer}");
        if count > 1_000 {
            let (status, answer) = call(&body).await;
            assert_eq!((status, &answer["code"], &answer["count"]), (409, &json!("operations.unconfirmed"), &json!(count)), "{answer}");
            body["confirm_count"] = count.into();
        }
        let (status, answer) = call(&body).await;
        assert_eq!((status, &answer["count"]), (202, &json!(count)), "{answer}");
        path(&answer)
    }

    /// Takes an operation back; answers the path of the one that does.
    pub(super) async fn undo(&self, operation: &str) -> String {
        let id = operation.rsplit('/').next().expect("a path");
        path(&self.engine.call("POST", "/v1/dead-letters/undo", Some(json!({"operation": id}))).await)
    }

    /// Waits until an operation stands like this.
    pub(super) async fn watch(&self, operation: &str, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
        until(what, PATIENCE, async || {
            let (status, view) = self.engine.try_call("GET", operation, None).await.ok()?;
            assert!(!matches!(view["state"].as_str(), Some("dead" | "cancelled")), "{what}: {view}");
            (status == 200 && holds(&view)).then_some(view)
        })
        .await
    }

    /// Waits until an operation has ended.
    pub(super) async fn ended(&self, operation: &str) -> Value {
        self.watch(operation, "the operation ends", |view| view["state"] == "completed").await
    }

    /// Every job of the queue, by id.
    pub(super) async fn jobs(&self) -> HashMap<String, Value> {
        let (mut jobs, mut cursor) = (HashMap::new(), String::new());
        loop {
            let mut page = self.engine.get(&format!("/v1/jobs?queue=mail&limit=1000{cursor}")).await;
            let items = page["items"].as_array_mut().expect("items");
            jobs.extend(items.drain(..).map(|job| (job["id"].as_str().expect("an id").to_owned(), job)));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return jobs,
            }
        }
    }

    /// The queue's numbers when nothing runs or is about to.
    pub(super) async fn at_rest(&self) -> Value {
        let rests = |queue: &Value| ["ready", "running", "retrying", "scheduled"].iter().all(|state| queue[state] == 0);
        self.engine.queue_until("mail", "nothing is left to do", PATIENCE, rests).await
    }
}

fn path(answer: &Value) -> String {
    format!("/v1/operations/{}", answer["operation"].as_str().unwrap_or_else(|| panic!("no operation: {answer}")))
}
