//! A deployment as an operator runs it: real processes of the real binary, spoken to over HTTP, stopped by signals.

use crate::harness;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// One process of the binary. Dies with the test process, and on drop.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self { child }
    }
}

impl Process {
    /// Sends a signal by its own process id.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill -s {name}");
    }
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
    /// Waits for its own end, at most this long.
    pub(crate) async fn ended(&mut self, at_most: Duration) -> std::process::ExitStatus {
        let child = &mut self.child;
        until("the process ends", at_most, async || child.try_wait().expect("own child")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a look finds, as soon as it finds something; panics when that takes longer than `at_most`.
pub(crate) async fn until<T>(what: &str, at_most: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut found = None;
    harness::eventually(what, at_most, async || {
        found = look().await;
        found.is_some()
    })
    .await;
    found.expect("it was found")
}

/// The binary that stands beside the test binary: `target/debug/NAME` for `target/debug/deps/it-…`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test binary has a path");
    let path = own.parent().and_then(Path::parent).expect("deps/ lies in the target folder").join(name);
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins` first (cargo xtask test does)", path.display());
    path
}

/// Settings, a data folder, and a client with the admin key.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) dir: PathBuf,
    /// The binary that answers HTTP.
    program: &'static str,
    broker: Option<String>,
    env: Vec<(String, String)>,
    pub(crate) url: String,
    key: String,
    client: reqwest::Client,
    front: Option<Process>,
}

impl Engine {
    /// `longshore up` on an empty folder.
    pub(crate) async fn up(env: &[(&str, &str)]) -> Self {
        Self::up_of("longshore", env).await
    }

    /// The same of another binary.
    pub(crate) async fn up_of(program: &'static str, env: &[(&str, &str)]) -> Self {
        let mut engine = Self { program, ..Self::new(None, env) };
        engine.start_front("up", &[]).await;
        engine
    }

    /// `longshore api` on Redis; workers and schedulers are started beside it.
    pub(crate) async fn on(broker: &str, env: &[(&str, &str)]) -> Self {
        let mut engine = Self::new(Some(broker.to_owned()), env);
        engine.start_front("api", &[]).await;
        engine
    }

    fn new(broker: Option<String>, env: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            dir: harness::folder("engine"),
            program: "longshore",
            broker,
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            url: String::new(),
            key: String::new(),
            client: reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().expect("a client"),
            front: None,
        }
    }

    /// Starts (again) the process that answers HTTP, and waits for its ready line.
    pub(crate) async fn start_front(&mut self, role: &str, args: &[&str]) {
        let mut all = vec!["--listen", "127.0.0.1:0", "--json"];
        all.extend(args);
        let mut process = self.spawn(self.program, role, &all, Stdio::piped()).await;
        let out = process.child.stdout.take().expect("piped");
        let line = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(out).lines();
            let line = lines.next().expect("a ready line").expect("text");
            // Keeps the pipe open and empty for as long as the process lives.
            std::thread::spawn(move || lines.for_each(drop));
            line
        });
        let line = tokio::time::timeout(Duration::from_secs(60), line).await.expect("ready within a minute").expect("read");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the ready line {line:?}: {e}"));
        self.url = ready["url"].as_str().expect("url").to_owned();
        let key_file = ready["key_file"].as_str().expect("key_file");
        self.key = std::fs::read_to_string(key_file).expect("the key file").trim().to_owned();
        self.front = Some(process);
    }

    /// The admin key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A client without anything of its own.
    pub(crate) const fn plain_client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The process that answers HTTP.
    pub(crate) fn front(&mut self) -> &mut Process {
        self.front.as_mut().expect("started")
    }

    /// One more process: `worker` or `scheduler` with more flags.
    pub(crate) async fn role(&self, role: &str, args: &[&str]) -> Process {
        self.spawn("longshore", role, args, Stdio::null()).await
    }

    /// The same of another binary.
    pub(crate) async fn role_of(&self, name: &str, role: &str, args: &[&str]) -> Process {
        self.spawn(name, role, args, Stdio::null()).await
    }

    async fn spawn(&self, name: &str, role: &str, args: &[&str], stdout: Stdio) -> Process {
        // setpriv: the process dies with the thread's process even when the test binary is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary(name)).arg(role).args(args);
        command.arg("--data").arg(&self.dir);
        if let Some(broker) = &self.broker {
            command.args(["--broker", broker]);
        }
        command.envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(stdout);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join(format!("{role}.log"))).expect("a log");
        command.stderr(log);
        Process { child: harness::spawn(command).await.expect("setpriv") }
    }

    /// A call with the admin key; panics on anything that is not a success.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_call(method, path, body).await.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert!((200..300).contains(&status), "{method} {path} answered {status}: {answer}");
        answer
    }

    /// A call with the admin key.
    pub(crate) async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> Result<(u16, Value), reqwest::Error> {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).await
    }

    /// Enqueues and answers the ids; each must be accepted.
    pub(crate) async fn enqueue(&self, jobs: Vec<Value>) -> Vec<String> {
        let mut ids = Vec::new();
        for chunk in jobs.chunks(1000) {
            let answer = self.call("POST", "/v1/jobs/batch", Some(json!({ "jobs": chunk }))).await;
            for result in answer["results"].as_array().expect("results") {
                ids.push(result["id"].as_str().unwrap_or_else(|| panic!("refused: {result}")).to_owned());
            }
        }
        ids
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        self.get(&format!("/v1/jobs/{id}")).await
    }

    /// Waits until the job is in this state, and answers it.
    pub(crate) async fn until(&self, id: &str, state: &str, at_most: Duration) -> Value {
        until(&format!("job {id} becomes {state}"), at_most, async || {
            let job = self.job(id).await;
            (job["state"] == state).then_some(job)
        })
        .await
    }

    /// A queue's numbers.
    pub(crate) async fn queue(&self, name: &str) -> Value {
        self.get(&format!("/v1/queues/{name}")).await
    }

    /// Waits until a queue's numbers satisfy `done`.
    pub(crate) async fn queue_until(&self, name: &str, what: &str, at_most: Duration, done: impl Fn(&Value) -> bool) -> Value {
        until(&format!("queue {name}: {what}"), at_most, async || {
            // A broker that is being restarted answers 503; that is part of some scenarios.
            let (status, queue) = self.try_call("GET", &format!("/v1/queues/{name}"), None).await.ok()?;
            (status == 200 && done(&queue)).then_some(queue)
        })
        .await
    }

    /// A metric's value on the API's /metrics.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let Value::String(text) = self.get("/metrics").await else { panic!("/metrics is text") };
        text.lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}
