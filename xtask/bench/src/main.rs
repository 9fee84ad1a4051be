//! xtask-bench — drain, pickup and memory on servers of its own, from outside: over HTTP, against the processes that a user would start.
//! The same binary plays every role (it is Longshore with one more kind) and the one who measures. docs/benchmarks.md says how to read it.

mod api;
mod mark;
mod measure;
mod place;
mod report;

use measure::Plan;
use std::{path::PathBuf, process::ExitCode};

const HELP: &str = "\
cargo xtask bench [--only embedded|redis] [--jobs N] [--json FILE]

  --only   one broker; both otherwise
  --jobs   jobs to drain; 20000 on SQLite and 50000 on Redis otherwise
  --json   write the figures there too

It makes a data folder and a Redis of its own, and removes them; it takes no other.
";

/// What was asked for.
#[derive(Debug, Default)]
struct Options {
    only: Option<String>,
    jobs: Option<u64>,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|role| ["up", "api", "worker", "scheduler"].contains(&role.as_str())) {
        return longshore::app().kind::<mark::Mark>().main();
    }
    let options = match parse(&args) {
        Ok(options) => options,
        Err(why) => {
            eprint!("{why}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    for pair in args.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} wants a value", pair[0])) };
        match flag.as_str() {
            "--only" if ["embedded", "redis"].contains(&value.as_str()) => options.only = Some(value.clone()),
            "--jobs" => options.jobs = Some(value.parse().map_err(|_| format!("--jobs {value}: allowed is a number"))?),
            "--json" => options.json = Some(value.into()),
            _ => return Err(format!("{flag} {value}: not allowed")),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    // reqwest wants to know a source of cryptography even where only http:// is spoken. A second install is no fault.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let mut results = Vec::new();
    for (name, jobs) in [("embedded", 20_000), ("redis", 50_000)] {
        if options.only.as_ref().is_none_or(|only| only == name) {
            let plan = Plan { jobs: options.jobs.unwrap_or(jobs), pickups: 200 };
            eprintln!("bench: {name}, {} jobs", plan.jobs);
            results.push(runtime.block_on(measure::all(name, &plan))?);
        }
    }
    let report = report::Report::new(results);
    print!("{}", report.table());
    let json = report.json();
    println!("{json}");
    options.json.as_ref().map_or(Ok(()), |file| std::fs::write(file, json).map_err(|error| format!("{}: {error}", file.display())))
}
