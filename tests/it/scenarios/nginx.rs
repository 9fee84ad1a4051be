//! A real nginx from Debian that serves files, and at random refuses (503 with Retry-After) or drops the connection.

use super::Process;
use crate::harness;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// nginx on a free port of the loopback; dies with the test process.
#[derive(Debug)]
pub(crate) struct Nginx {
    dir: PathBuf,
    port: u16,
    _process: Process,
}

/// One request that nginx logged.
#[derive(Debug)]
pub(crate) struct Hit {
    /// The Idempotency-Key header: the job's id.
    pub(crate) key: String,
    /// What was answered; 444 is a dropped connection.
    pub(crate) status: u16,
}

impl Nginx {
    /// Serves `files` (name, content).
    pub(crate) async fn start(files: &[(String, Vec<u8>)]) -> Self {
        let dir = harness::folder("nginx");
        std::fs::create_dir_all(dir.as_path().join("www")).unwrap();
        for (name, content) in files {
            std::fs::write(dir.as_path().join("www").join(name), content).unwrap();
        }
        let port = harness::free_port();
        std::fs::write(dir.as_path().join("nginx.conf"), conf(dir.as_path(), port)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "/usr/sbin/nginx", "-g", "daemon off;", "-c"]).arg(dir.as_path().join("nginx.conf"));
        command.arg("-e").arg(dir.as_path().join("error.log")).arg("-p").arg(dir.as_path());
        let process = Process::from(harness::spawn(command).await.expect("nginx starts"));
        harness::eventually("nginx listens", Duration::from_secs(10), async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
            .await;
        Self { dir, port, _process: process }
    }

    pub(crate) fn url(&self, file: &str) -> String {
        format!("http://127.0.0.1:{}/{file}", self.port)
    }

    /// What was asked of it so far.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        let log = std::fs::read_to_string(self.dir.as_path().join("access.log")).unwrap();
        log.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(status, key)| Hit { key: key.to_owned(), status: status.parse().unwrap() })
            .collect()
    }
}

fn conf(dir: &Path, port: u16) -> String {
    let mut text = String::new();
    let at = dir.display();
    // One process and no master: it is killed by its own id and leaves nothing behind.
    write!(
        text,
        "worker_processes 1;\nmaster_process off;\nuser root;\npid {at}/nginx.pid;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  log_format hits '$status $http_idempotency_key';\n  access_log {at}/access.log hits;\n  keepalive_requests 100000;\n\
         client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;\n\
         split_clients $request_id $fate {{ 5% refuse; 1% drop; * serve; }}\n\
         server {{\n    listen 127.0.0.1:{port} backlog=4096;\n    root {at}/www;\n    default_type application/octet-stream;\n\
         location / {{\n      if ($fate = refuse) {{ add_header Retry-After 1 always; return 503; }}\n      if ($fate = drop) {{ return 444; }}\n\
         try_files $uri =404;\n    }}\n  }}\n}}\n"
    )
    .unwrap();
    text
}
