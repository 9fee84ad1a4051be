//! Where a measurement happens: a folder beside the binary (a real disk, where a temporary folder may be memory), a Redis of its own,
//! and Longshore's processes. Everything ends and goes with [`Place`].

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A process that ends with its owner, or with us if we are killed.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    fn start(program: &Path, args: &[&str], log: &Path, stdout: Stdio) -> Result<Self, String> {
        let log = std::fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args).stdin(Stdio::null()).stdout(stdout).stderr(log);
        command.spawn().map(Self).map_err(|error| format!("cannot start {}: {error}", program.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder, and servers in it.
#[derive(Debug)]
pub(crate) struct Place {
    running: Vec<Process>,
    redis: Option<u16>,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Result<Self, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let beside = binary.parent().unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix("longshore-bench-").tempdir_in(beside).map_err(|error| error.to_string())?;
        Ok(Self { running: Vec::new(), redis: None, folder })
    }

    /// Starts a Redis with an append-only file that is synced every second, as most run it.
    pub(crate) async fn start_redis(&mut self) -> Result<String, String> {
        let port = free_port()?;
        let (text, folder) = (port.to_string(), self.folder.path().to_string_lossy().into_owned());
        let args =
            ["--port", &text, "--bind", "127.0.0.1", "--dir", &folder, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];
        let log = self.folder.path().join("redis.log");
        self.running.push(Process::start(Path::new("redis-server"), &args, &log, Stdio::null())?);
        self.redis = Some(port);
        let mut look = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..200 {
            look.tick().await;
            if self.redis_cli(&["ping"]).is_ok_and(|answer| answer.trim() == "PONG") {
                return Ok(format!("redis://127.0.0.1:{port}/0"));
            }
        }
        Err("redis-server did not come up in ten seconds".into())
    }

    /// `used_memory` in bytes, or CPU seconds, or whatever `INFO` has a number for.
    pub(crate) fn redis_info(&self, section: &str, field: &str) -> Result<f64, String> {
        let text = self.redis_cli(&["info", section])?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok());
        value.ok_or_else(|| format!("INFO {section} has no {field}"))
    }

    fn redis_cli(&self, args: &[&str]) -> Result<String, String> {
        let port = self.redis.ok_or("no Redis was started")?.to_string();
        let out = Command::new("redis-cli")
            .args(["-p", &port])
            .args(args)
            .output()
            .map_err(|error| format!("cannot start redis-cli: {error}"))?;
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    /// Starts a role of Longshore on this place's data; answers its ready line where the role prints one.
    pub(crate) fn start(&mut self, role: &str, broker: Option<&str>, flags: &[&str]) -> Result<Value, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let data = self.folder.path().join("data").to_string_lossy().into_owned();
        let listen = format!("127.0.0.1:{}", free_port()?);
        let serves = role == "up" || role == "api";
        let mut args = vec![role, "--data", &data];
        args.extend(flags);
        args.extend(broker.iter().flat_map(|broker| ["--broker", *broker]));
        if serves {
            args.extend(["--listen", &listen, "--json"]);
        }
        let log = self.folder.path().join(format!("{role}-{}.log", self.running.len()));
        let mut process = Process::start(&binary, &args, &log, if serves { Stdio::piped() } else { Stdio::null() })?;
        let ready = process.0.stdout.take().map(|out| first_line(out, &log)).transpose()?;
        self.running.push(process);
        Ok(ready.unwrap_or_default())
    }
}

/// The line that a serving role prints when it is ready; the pipe is read on, so that it never fills.
fn first_line(out: std::process::ChildStdout, log: &Path) -> Result<Value, String> {
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    let line = lines.next().and_then(|line| serde_json::from_str(&line).ok());
    std::thread::spawn(move || lines.for_each(drop));
    line.ok_or_else(|| format!("a role ended before it was ready:\n{}", std::fs::read_to_string(log).unwrap_or_default()))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
