//! `cargo xtask oracle`: everything compared, in some minutes. `cargo xtask oracle suite`: what the suite compares.

use longshore_oracle::{compare, suite, whole};
use std::process::ExitCode;

fn main() -> ExitCode {
    let part = match std::env::args().nth(1).as_deref() {
        None => whole(),
        Some("suite") => suite(),
        Some(other) => {
            eprintln!("oracle: `{other}`; allowed: suite, or nothing for everything");
            return ExitCode::from(2);
        }
    };
    match compare(&part) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
