//! The figures as a table for people and as JSON for programs, with what they depend on.

use crate::{events, lanes, measure::Figures};
use serde::Serialize;
use std::{fmt::Write, process::Command};

/// Figures, and where they come from.
#[derive(Debug, Serialize)]
pub(crate) struct Report<F> {
    commit: String,
    build: &'static str,
    machine: Machine,
    payload: &'static str,
    results: Vec<F>,
}

#[derive(Debug, Serialize)]
struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    kernel: String,
    /// Of the last minute when the report was made: what else ran disturbs the figures.
    load: String,
    redis: String,
}

impl<F: Serialize> Report<F> {
    pub(crate) fn new(payload: &'static str, results: Vec<F>) -> Self {
        let changed = if says("git", &["status", "--porcelain"]).is_empty() { "" } else { " with changes" };
        Self {
            commit: format!("{}{changed}", says("git", &["rev-parse", "--short=12", "HEAD"])),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            machine: Machine::here(),
            payload,
            results,
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
    }

    /// What the figures depend on.
    fn foot(&self) -> String {
        let machine = &self.machine;
        format!(
            "\n{} build of {} · {} · {} × {}, {} MB · Linux {} · {} · load {}\n",
            self.build,
            self.commit,
            self.payload,
            machine.cores,
            machine.cpu,
            machine.memory_mb,
            machine.kernel,
            machine.redis,
            machine.load
        )
    }
}

impl Report<Figures> {
    pub(crate) fn table(&self) -> String {
        let mut table = String::from("| | ");
        let mut row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
            let cells: Vec<String> = self.results.iter().map(cell).collect();
            let _ = writeln!(table, "{name}{} |", cells.join(" | "));
        };
        row("", &|of| of.broker.clone());
        row("|---|", &|_| "---".into());
        row("| fsync | ", &|of| of.fsync.clone());
        row("| durability class | ", &|of| of.durability.clone());
        row("| worker processes | ", &|of| of.worker_processes.to_string());
        row("| concurrency of each | ", &|of| of.concurrency.to_string());
        row("| jobs | ", &|of| of.jobs.to_string());
        row("| enqueue, jobs/s | ", &|of| format!("{:.0}", of.enqueue_per_s));
        row("| drain, jobs/s | ", &|of| format!("{:.0}", of.drain_per_s));
        row("| both at once, jobs/s | ", &|of| format!("{:.0}", of.end_to_end_per_s));
        row("| Redis CPU, µs/job (drain) | ", &|of| number(of.redis_cpu_us_per_job));
        row("| bytes per waiting job | ", &|of| number(of.bytes_per_waiting_job));
        row("| pickup p50 / p99 / max, ms | ", &|of| {
            format!("{:.2} / {:.2} / {:.2}", of.pickup_ms.p50, of.pickup_ms.p99, of.pickup_ms.max)
        });
        row("| from call to start p50 / p99, ms | ", &|of| format!("{:.2} / {:.2}", of.call_to_start_ms.p50, of.call_to_start_ms.p99));
        table + &self.foot()
    }
}

impl Report<lanes::Figures> {
    pub(crate) fn lanes(&self) -> String {
        let mut table =
            String::from("| jobs/s, median of pairs | with | without | with / without | pairs done again |\n|---|---|---|---|---|\n");
        for of in &self.results {
            for (what, pairs) in [("fairness and limits", &of.rules), ("2,000 lanes, 1,900 gated / 100 lanes", &of.gated)] {
                let (with, without, ratio) = (median(&pairs.with_per_s), median(&pairs.without_per_s), pairs.ratio_median);
                let _ = writeln!(table, "| {}, {what} | {with:.0} | {without:.0} | {ratio:.3} | {} |", of.broker, pairs.disturbed);
            }
        }
        let of = self.results.iter().map(|of| format!("{}: {} jobs a drain, concurrency {}", of.broker, of.jobs, of.concurrency));
        let _ = writeln!(table, "\n{}", of.collect::<Vec<_>>().join(" · "));
        table + &self.foot()
    }
}

impl Report<events::Figures> {
    pub(crate) fn events(&self) -> String {
        let mut table = String::from(
            "| one enqueue, ms, median of runs | p50 with | p50 without | p99 with | p99 without | with / without (p99) |\n|---|---|---|---|---|---|\n",
        );
        for of in &self.results {
            let p50 = |runs: &[crate::measure::Quantiles]| median(&runs.iter().map(|run| run.p50).collect::<Vec<_>>());
            let p99 = |runs: &[crate::measure::Quantiles]| median(&runs.iter().map(|run| run.p99).collect::<Vec<_>>());
            let (with, without) = (&of.with_ms, &of.without_ms);
            let _ = writeln!(
                table,
                "| {}, {} readers, {} hang | {:.2} | {:.2} | {:.2} | {:.2} | {:.3} |",
                of.broker,
                of.readers,
                of.hanging,
                p50(with),
                p50(without),
                p99(with),
                p99(without),
                of.ratio_p99_median
            );
        }
        let of = self.results.iter().map(|of| {
            let (jobs, rate) = (of.jobs, of.per_second);
            format!("{}: {jobs} jobs a run at {rate}/s, each reader that did not hang heard all {} events", of.broker, jobs * 3)
        });
        let _ = writeln!(table, "\n{}", of.collect::<Vec<_>>().join(" · "));
        table + &self.foot()
    }
}

/// The middle one; the upper of two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl Machine {
    fn here() -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
                .unwrap_or_default()
        };
        let kilobytes = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: kilobytes.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            redis: says("redis-server", &["--version"])
                .split(' ')
                .find_map(|word| word.strip_prefix("v="))
                .map_or("no Redis".into(), |v| format!("Redis {v}")),
        }
    }
}

fn says(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output();
    out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.1}"))
}
