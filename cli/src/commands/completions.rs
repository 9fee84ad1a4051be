//! `completions SHELL` — a script for the shell's completion.

use crate::{host::Host, stop::Stop};
use clap::{Args as ClapArgs, CommandFactory};
use clap_complete::Shell;

/// Which shell.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The shell that is to complete
    shell: Shell,
}

pub(crate) fn run(args: &Args, host: &Host) -> Result<(), Stop> {
    let name = host.name.rsplit('/').next().unwrap_or(&host.name);
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command::Line::command(), name, &mut script);
    crate::print::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
