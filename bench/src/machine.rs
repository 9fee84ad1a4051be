//! The machine that figures were seen on: without it they say nothing.

use serde::Serialize;
use std::process::Command;

/// What it is, and how busy it was.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    kernel: String,
    /// Of the last minute when the report was made: what else ran disturbs the figures.
    load: String,
    redis: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let kilobytes = field(&read("/proc/meminfo"), "MemTotal");
        let out = Command::new("redis-server").arg("--version").output();
        let told = out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: kilobytes.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            redis: told.split(' ').find_map(|word| word.strip_prefix("v=")).map_or("no Redis".into(), |v| format!("Redis {v}")),
        }
    }

    pub(crate) fn line(&self) -> String {
        let Self { cpu, cores, memory_mb, kernel, load, redis } = self;
        format!("{cores} × {cpu}, {memory_mb} MB · Linux {kernel} · {redis} · load {load}")
    }
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
}
