//! `cargo xtask test`: everything that must hold before a change lands, in one word; CI runs the same.
//!
//! Plain `cargo test` and not nextest: the cases of one binary share one Redis, one Cluster and one PostgreSQL
//! (apart by queue name), and nextest runs each case in a process of its own, so it would start those servers some hundred times.

mod counts;
mod needs;

use crate::{cargo, env, tidy};
use counts::Counts;
use std::{
    io::{BufRead, BufReader, IsTerminal, Write},
    process::{Command, Stdio},
    time::Duration,
};

/// Modules of cases that take long: clusters whose slots move, and the product with its processes killed. `--fast` leaves them out.
const LONG: &[&str] = &["cluster::", "moving::", "scenarios::"];

/// What the steps before have come to.
struct Run {
    steps: Vec<(&'static str, Duration, bool)>,
    cases: Counts,
}

pub(crate) fn run(args: &[String]) -> Result<bool, String> {
    let (flags, filter) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    if let Some(unknown) = flags.iter().find(|flag| *flag != "--fast") {
        return Err(format!("unknown flag {unknown}; allowed: --fast, -- FILTER"));
    }
    let fast = !flags.is_empty();

    let deny = needs::meet()?;
    let mut run = Run { steps: Vec::new(), cases: Counts::default() };
    if filter.is_empty() {
        let color = if std::io::stdout().is_terminal() { "auto" } else { "never" };
        run.step("fmt", || cargo::passes(cargo::command(&["fmt", "--all", "--check", "--", "--color", color])))?;
        run.step("clippy", || {
            cargo::passes(cargo::command(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]))
        })?;
        run.step("tidy", tidy::run)?;
        run.step("gen --check", || cargo::run_own("xtask-gen", &["--quiet"], &["--check".into()]))?;
        run.step("deny bans licenses sources", || cargo::passes(deny_check(&deny)))?;
    }
    let built = run.step("build", || {
        cargo::passes(cargo::command(&["build", "--locked", "--quiet", "--package", "longshore", "--package", "own-kinds"]))
    })?;
    if built {
        run.tests(fast, filter)?;
    }
    Ok(run.close())
}

impl Run {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<bool, String>) -> Result<bool, String> {
        println!("== {name}");
        let watch = env::Watch::start();
        let passed = work()?;
        self.steps.push((name, watch.passed(), passed));
        Ok(passed)
    }

    fn tests(&mut self, fast: bool, filter: &[String]) -> Result<(), String> {
        let mut args = vec!["test", "--workspace", "--locked", "--no-fail-fast", "--"];
        if fast {
            args.extend(LONG.iter().flat_map(|module| ["--skip", *module]));
        }
        args.extend(filter.iter().map(String::as_str));
        let mut cases = Counts::default();
        self.step("tests", || {
            let succeeded = counted(cargo::command(&args), &mut cases)?;
            // A binary that was killed prints no result; it still counts.
            if !succeeded && cases.failed == 0 {
                cases.failed = 1;
            }
            Ok(cases.failed == 0)
        })?;
        self.cases = cases;
        Ok(())
    }

    /// Prints where the time went, what failed, and the line that programs read.
    fn close(self) -> bool {
        println!("== summary");
        for (name, took, passed) in &self.steps {
            println!("{:>8.1} s  {}  {name}", took.as_secs_f64(), if *passed { "ok    " } else { "FAILED" });
        }
        let total: Duration = self.steps.iter().map(|(_, took, _)| *took).sum();
        println!("{:>8.1} s  in all", total.as_secs_f64());
        let checks_failed = self.steps.iter().filter(|(name, _, passed)| !passed && *name != "tests").count() as u64;
        if checks_failed > 0 {
            println!("{checks_failed} of the failures below are steps, not test cases");
        }
        if self.cases.ignored > 0 {
            println!("{} ignored", self.cases.ignored);
        }
        println!("{} passed, {} failed", self.cases.passed, self.cases.failed + checks_failed);
        self.cases.failed + checks_failed == 0
    }
}

/// Advisories need the network, so hosted CI looks at them; here they are not looked at and nothing is said of them.
fn deny_check(deny: &std::path::Path) -> Command {
    let mut command = Command::new(deny);
    command.args(["--offline", "--locked", "--color", "never", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    command.current_dir(env::root()).stdin(Stdio::null());
    command
}

/// Runs a test runner, shows its output, and adds up its results.
fn counted(mut command: Command, cases: &mut Counts) -> Result<bool, String> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start cargo test: {error}"))?;
    let out = child.stdout.take().ok_or("no output to read")?;
    for line in BufReader::new(out).split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        let line = String::from_utf8_lossy(&line);
        cases.read(&line);
        writeln!(std::io::stdout().lock(), "{line}").map_err(|error| error.to_string())?;
    }
    child.wait().map(|status| status.success()).map_err(|error| error.to_string())
}
