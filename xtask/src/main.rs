//! xtask — what a person or CI types. `up.rs` and `test/` are the two commands of the README; `tidy/` keeps the house rules.
//! `gen`, `bench` and `oracle` need Longshore's own crates, so they are binaries of their own (xtask/gen, the product, tests/oracle) that this
//! one builds and runs: a newcomer's first `cargo xtask` compiles a handful of small crates.

mod bench;
mod cargo;
mod env;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  up [--fresh] [FLAGS OF longshore up]   build, start everything on ./longshore-data, say what to try; Ctrl-C stops it
  test [--fast] [-- FILTER]              every check and every test; installs what it needs on Debian as root
  tidy                                   the house rules of docs/ARCHITECTURE.md that a machine can check
  gen [--check]                          write docs/lifecycle.md, docs/kinds.md, docs/errors/, docs/openapi.json, docs/configuration.md
  oracle [suite]                         ticks of every time zone beside those of cronsim (Python), on a release build; some minutes
  bench [WORKLOAD…] [FLAGS]              longshore bench on a release build; --compare REV beside another commit's; see docs/benchmarks.md
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let done = match args.first().map(String::as_str) {
        Some("up") => up::run(rest),
        Some("test") => test::run(rest),
        Some("tidy") => tidy::run(),
        Some("gen") => cargo::run_own("xtask-gen", &[], rest),
        Some("oracle") => cargo::run_own("longshore-oracle", &["--release"], rest),
        Some("bench") => bench::run(rest),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(true)
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
