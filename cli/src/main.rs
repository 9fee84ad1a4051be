//! The stock binary: every role and command, with the kinds that ship.

use std::process::ExitCode;

fn main() -> ExitCode {
    longshore::app().main()
}
