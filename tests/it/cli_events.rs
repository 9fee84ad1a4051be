//! `jobs watch`, `jobs logs` and `tail` against a running process.

use crate::harness::{
    self, folder,
    longshore::{Longshore, path, run},
};
use crate::scenarios::{Process, binary};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

/// `longshore tail`, running.
struct Tail {
    lines: Receiver<String>,
    _process: Process,
}

impl Tail {
    async fn start(up: &Longshore, args: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(binary("longshore")).arg("tail").args(args);
        command.args(["--api", &up.url, "--data", path(&up.data)]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
        let mut child = harness::spawn(command).await.expect("setpriv");
        let (out, told) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (send, lines) = channel();
        for from in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(told)] {
            let send = send.clone();
            std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        }
        Self { lines, _process: child.into() }
    }

    /// The first line that has all of these in it.
    fn line(&self, parts: &[&str]) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("no line has {parts:?}"));
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }
}

async fn told(up: &Longshore, rounds: u32, ms: u32) -> String {
    let args = format!(r#"{{"rounds":{rounds},"ms":{ms}}}"#);
    up.json(&["enqueue", "it.told", &args])["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_job_is_watched_and_its_log_is_read() {
    let up = Longshore::start("it-kinds", "up", folder("data"), &[]).await;
    let id = told(&up, 3, 300).await;
    let follow = up.run(&["jobs", "logs", &id, "--follow"]);
    assert_eq!(follow.code, 0, "{}", follow.told);
    assert_eq!(follow.out.lines().filter(|line| line.contains("info   line ")).count(), 3, "{}", follow.out);
    let id = told(&up, 3, 300).await;
    let watched = up.run(&["jobs", "watch", &id]);
    assert_eq!(watched.code, 0, "{}", watched.told);
    for part in ["ready", "running    attempt 1 on", "info       line 2", "output     piece 3", r#"progress   {"done":3}"#, "completed"] {
        assert!(watched.out.contains(part), "{part}: {}", watched.out);
    }
    assert!(!watched.out.contains('\u{1b}'), "no colours but on a terminal");
    let lines = up.json(&["jobs", "logs", &id]);
    assert_eq!((lines["logs"].as_array().map(Vec::len), &lines["dropped"]), (Some(3), &0.into()));
    let as_json = up.run(&["jobs", "watch", &id, "--json"]);
    let events: Vec<Value> = as_json.out.lines().map(|line| serde_json::from_str(line).expect("JSON in each line")).collect();
    assert!(events.iter().all(|event| event["event"] == "state") && events.len() == 3, "{events:?}");

    let dead = up.json(&["enqueue", "demo.fail", r#"{"fatal":true,"message":"as asked"}"#])["id"].as_str().expect("an id").to_owned();
    let watched = up.run(&["jobs", "watch", &dead]);
    assert!(watched.code == 1 && watched.told.contains("is dead") && watched.told.contains("as asked"), "{}", watched.told);
    for command in ["watch", "logs"] {
        assert_eq!(up.run(&["jobs", command, "0199b0c4-0000-7000-8000-000000000001"]).code, 1);
        assert_eq!(run(&["jobs", command, &id, "--api", "http://127.0.0.1:1"]).code, 69);
    }
}

#[tokio::test]
async fn what_happens_is_told_as_lines() {
    let up = Longshore::start("it-kinds", "up", folder("data"), &[]).await;
    let all = Tail::start(&up, &[]).await;
    let as_json = Tail::start(&up, &["--kind", "demo.echo", "--tenant", "acme", "--json"]).await;
    all.line(&["listening to", &up.url]);
    let id = told(&up, 2, 10).await;
    all.line(&["ready", &id, "it.told"]);
    all.line(&["output", &id, "piece 2"]);
    all.line(&["completed", &id, "attempt 1"]);
    // It says nothing when it begins to listen, so there is more than one.
    let heard = loop {
        up.json(&["enqueue", "demo.echo", "{}"]);
        up.json(&["enqueue", "demo.echo", "{}", "--tenant", "acme"]);
        if let Ok(line) = as_json.lines.recv_timeout(Duration::from_millis(500)) {
            break line;
        }
    };
    let heard: Value = serde_json::from_str(&heard).expect("JSON");
    assert_eq!((&heard["tenant"], &heard["kind"], heard["event"].is_string()), (&"acme".into(), &"demo.echo".into(), true));

    let key_file = folder("key").join("wrong.key");
    std::fs::write(&key_file, "lsk_wrong\n").expect("a file");
    for (code, ran) in [
        (1, up.run(&["tail", "--queue", "nowhere"])),
        (2, up.run(&["tail", "--state", "ready"])),
        (69, run(&["tail", "--api", "http://127.0.0.1:1"])),
        (77, up.run(&["tail", "--key-file", path(&key_file)])),
    ] {
        assert_eq!(ran.code, code, "{}", ran.told);
    }
}
