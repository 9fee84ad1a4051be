//! A team's own binary: its two kinds beside those that ship, with every role and command of `longshore`.
//!
//! `own-kinds up` runs everything. Or let the stock `longshore api` take the jobs, and `own-kinds worker` run them.

mod greet;
mod word_count;

use std::process::ExitCode;

fn main() -> ExitCode {
    longshore::app().kind::<greet::Greet>().kind::<word_count::WordCount>().main()
}
