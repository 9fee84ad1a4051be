//! A folder on the disk that is measured, and what runs in it. Everything ends and goes with [`Place`].

use crate::{clock::pass, proc::Process, server::Redis};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// Looks, 50 ms apart, for a server that starts.
const LOOKS: usize = 200;

/// A binary of Longshore.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) file: PathBuf,
    /// Its roles are started by these words, which make them carry the kinds of this crate; older ones have none.
    pub(crate) before_role: &'static [&'static str],
}

/// A folder, and processes in it.
#[derive(Debug)]
pub(crate) struct Place {
    /// They end in this order, Redis last.
    running: Vec<(String, Process)>,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(parent: &Path) -> Result<Self, String> {
        let made = tempfile::Builder::new().prefix("longshore-bench-").tempdir_in(parent);
        let folder = made.map_err(|error| format!("--data {}: {error}", parent.display()))?;
        Ok(Self { running: Vec::new(), folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Those of this role.
    pub(crate) fn all<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Process> {
        self.running.iter().filter(move |(own, _)| own == role).map(|(_, process)| process)
    }

    /// Starts a Redis with an append-only file that is synced every second, as most run it.
    pub(crate) async fn start_redis(&mut self) -> Result<Redis, String> {
        let port = free_port()?;
        let (text, folder) = (port.to_string(), self.folder().to_string_lossy().into_owned());
        let args =
            ["--port", &text, "--bind", "127.0.0.1", "--dir", &folder, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];
        let log = self.folder().join("redis.log");
        self.running.push(("redis".into(), Process::start(Path::new("redis-server"), &args, &log, Stdio::null())?));
        let redis = Redis(format!("redis://127.0.0.1:{port}/0"));
        for _ in 0..LOOKS {
            if redis.answers() {
                return Ok(redis);
            }
            pass(Duration::from_millis(50)).await;
        }
        Err("redis-server did not come up in ten seconds; is it installed? --broker takes one that runs".into())
    }

    /// Starts a role on this place's data; answers its ready line where the role prints one.
    pub(crate) fn start(&mut self, binary: &Binary, role: &str, broker: Option<&Redis>, flags: &[&str]) -> Result<Value, String> {
        let data = self.folder().join("data").to_string_lossy().into_owned();
        let listen = format!("127.0.0.1:{}", free_port()?);
        let serves = role == "up" || role == "api";
        let mut args = binary.before_role.to_vec();
        args.extend([role, "--data", &data]);
        args.extend(flags);
        args.extend(broker.iter().flat_map(|broker| ["--broker", broker.0.as_str()]));
        if serves {
            args.extend(["--listen", &listen, "--json"]);
        }
        let log = self.folder().join(format!("{role}-{}.log", self.running.len()));
        let mut process = Process::start(&binary.file, &args, &log, if serves { Stdio::piped() } else { Stdio::null() })?;
        let ready = process.0.stdout.take().map(|out| first_line(out, &log)).transpose()?;
        self.running.push((role.to_owned(), process));
        Ok(ready.unwrap_or_default())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever speaks to Redis goes before it.
        while self.running.pop().is_some() {}
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
