//! xtask-bench — drain, pickup and memory on servers of its own, from outside: over HTTP, against the processes that a user would start.
//! The same binary plays every role (it is Longshore with one more kind) and the one who measures. docs/benchmarks.md says how to read it.

mod api;
mod events;
mod lane;
mod lanes;
mod mark;
mod measure;
mod pairs;
mod picture;
mod place;
mod report;

use measure::Plan;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const HELP: &str = "\
cargo xtask bench [--only embedded|redis] [--jobs N] [--concurrency N] [--json FILE]
cargo xtask bench lanes [the same] [--pairs N] [--picture FILE]
cargo xtask bench events [the same] [--pairs N] [--readers N] [--per-second N]

  lanes           drains with fairness, limits and gates against drains without, in interleaved pairs
  events          single enqueues beside readers of events, ten of which hang, against enqueues without, in interleaved pairs
  --only          one broker; both otherwise
  --jobs          jobs to drain; 20000 on SQLite and 50000 on Redis otherwise, 10000 for each drain of `lanes`,
                  2000 for each run of `events`
  --concurrency   jobs at once of each worker process; 256 otherwise
  --pairs         how many; 5 otherwise
  --readers       how many listen; 1000 otherwise (each takes a file of this process and of the API's: see ulimit -n)
  --per-second    enqueues; 100 otherwise
  --picture       only draw the shares of tenants of weights 1, 2 and 4 there, as SVG
  --json          write the figures there too

It makes a data folder and a Redis of its own, and removes them; it takes no other.
";

/// What was asked for.
#[derive(Debug, Default)]
struct Options {
    lanes: bool,
    events: bool,
    only: Option<String>,
    jobs: Option<u64>,
    concurrency: Option<usize>,
    pairs: Option<usize>,
    readers: Option<usize>,
    per_second: Option<usize>,
    picture: Option<PathBuf>,
    json: Option<PathBuf>,
}

const CONCURRENCY: usize = 256;
const PAIRS: usize = 5;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|role| ["up", "api", "worker", "scheduler"].contains(&role.as_str())) {
        return longshore::app().kind::<mark::Mark>().kind::<lane::Lane>().main();
    }
    if args.first().is_some_and(|role| role == "readers") {
        return ended(
            tokio::runtime::Runtime::new().map_err(|error| error.to_string()).and_then(|rt| rt.block_on(events::readers(&args[1..]))),
        );
    }
    let options = match parse(&args) {
        Ok(options) => options,
        Err(why) => {
            eprint!("{why}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    ended(run(&options))
}

fn ended(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Result<Options, String> {
    let named = |name: &str| args.first().is_some_and(|first| first == name);
    let (lanes, events) = (named("lanes"), named("events"));
    let mut options = Options { lanes, events, ..Options::default() };
    for pair in args[usize::from(lanes || events)..].chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} wants a value", pair[0])) };
        let number = || value.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| format!("{flag} {value}: allowed is a number"));
        match flag.as_str() {
            "--only" if ["embedded", "redis"].contains(&value.as_str()) => options.only = Some(value.clone()),
            "--jobs" => options.jobs = Some(number()? as u64),
            "--concurrency" => options.concurrency = Some(number()?),
            "--readers" if events => options.readers = Some(number()?),
            "--per-second" if events => options.per_second = Some(number()?),
            "--pairs" if lanes || events => options.pairs = Some(number()?),
            "--picture" if lanes => options.picture = Some(value.into()),
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
    let concurrency = options.concurrency.unwrap_or(CONCURRENCY);
    let brokers = || ["embedded", "redis"].into_iter().filter(|name| options.only.as_ref().is_none_or(|only| only == name));
    if let Some(file) = &options.picture {
        let shares = runtime.block_on(lanes::shares(options.only.as_deref().unwrap_or("redis")))?;
        println!("the share that is furthest from its weight is {:.1} % off", shares.worst() * 100.0);
        return write(file, &shares.svg());
    }
    if options.lanes {
        let mut results = Vec::new();
        for name in brokers() {
            let plan = lanes::Plan { jobs: options.jobs.unwrap_or(10_000), pairs: options.pairs.unwrap_or(PAIRS), concurrency };
            results.push(runtime.block_on(lanes::all(name, &plan))?);
        }
        let report = report::Report::new(lanes::PAYLOAD, results);
        print!("{}", report.lanes());
        return tell(options, &report.json());
    }
    if options.events {
        let mut results = Vec::new();
        for name in brokers() {
            let readers = options.readers.unwrap_or(1_000);
            let (jobs, per_second) = (options.jobs.unwrap_or(2_000), options.per_second.unwrap_or(100) as u64);
            let pairs = options.pairs.unwrap_or(PAIRS);
            let plan = events::Plan { jobs, per_second, pairs, readers, hang: 10.min(readers), concurrency };
            results.push(runtime.block_on(events::all(name, &plan))?);
        }
        let report = report::Report::new(events::PAYLOAD, results);
        print!("{}", report.events());
        return tell(options, &report.json());
    }
    let mut results = Vec::new();
    for name in brokers() {
        let jobs = options.jobs.unwrap_or(if name == "redis" { 50_000 } else { 20_000 });
        let plan = Plan { jobs, pickups: 200, concurrency };
        eprintln!("bench: {name}, {} jobs", plan.jobs);
        results.push(runtime.block_on(measure::all(name, &plan))?);
    }
    let report = report::Report::new(api::payload(), results);
    print!("{}", report.table());
    tell(options, &report.json())
}

fn tell(options: &Options, json: &str) -> Result<(), String> {
    println!("{json}");
    options.json.as_ref().map_or(Ok(()), |file| write(file, json))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
